"""What was recorded: runs, segments, gaps and the health of sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from operator import attrgetter
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Engine, Executable, Row, bindparam, or_
from sqlalchemy import select as sqlalchemy_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from catalog.audit import append
from catalog.database import reading, writing
from catalog.tables import (
    IS_LONG,
    LONG_SEGMENT_US,
    METADATA,
    GapRow,
    RunRow,
    SegmentRow,
    SourceHealthRow,
    SourceRow,
)
from kernel.chain import GENESIS_CHAIN
from kernel.errors import CatalogError
from kernel.model.audit import Act, Action
from kernel.model.footage import (
    Backfill,
    ChainHead,
    ClockBasis,
    EndReason,
    Fault,
    Gap,
    GapCause,
    Run,
    RunOrigin,
    Segment,
    SegmentSpan,
    SegmentState,
    SourceHealth,
    SourceState,
)
from kernel.timerange import EVER_US, TimeRange, subtract
from kernel.values import fields_of

_PAGE = 500  # rows at a time, where there may be very many


class Footage:
    """The catalogue's runs, segments, gaps and health. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start_run(self, run: Run) -> None:
        """Record that a connection delivers; a run that is known already stays as it is."""
        with writing(self._engine) as session:
            if session.get(RunRow, run.id) is not None:
                return
            session.add(_run_row(run))

    def start_intake(
        self,
        run: Run,
        holes: Iterable[Gap],
        filled: Mapping[str, Backfill],
        *,
        sha256: str,
        principal: str,
        at_us: int,
    ) -> None:
        """Record a run that is handed in, before its footage; in one transaction.

        Args:
            holes: time of the run that nothing was recorded of.
            filled: what the run fills of gaps that were declared before, by their ids; the gaps stay.
            sha256: of the file.
            principal: who hands it in.
        """
        with writing(self._engine) as session:
            session.add(_run_row(run))
            session.add_all([_gap_row(gap) for gap in holes])
            for gap_id, found in filled.items():
                gap = session.get(GapRow, gap_id)
                if gap is not None:  # else whoever declared it has taken it back meanwhile
                    gap.backfill = found
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.FOOTAGE_TAKEN_IN,
                    subject=run.source_id,
                    details={
                        "run": run.id,
                        "start_us": run.started_us,
                        "sha256": sha256,
                        "fills": dict(filled),
                    },
                ),
            )

    def end_run(self, run_id: str, ended_us: int, reason: EndReason) -> None:
        """Record that a connection ended, and why."""
        with writing(self._engine) as session:
            row = session.get_one(RunRow, run_id)
            row.ended_us, row.end_reason = ended_us, reason

    def run(self, run_id: str) -> Run | None:
        """A run by its id."""
        with reading(self._engine) as session:
            row = session.get(RunRow, run_id)
            return None if row is None else run_of(row)

    def unsealed_sources(self, before_us: int) -> set[str]:
        """Sources with a run without an end that began before a moment: not all of it is sealed."""
        query = select(RunRow.source_id).where(col(RunRow.ended_us).is_(None), RunRow.started_us < before_us)
        with reading(self._engine) as session:
            return set(session.exec(query).all())

    def unfinished_runs(self) -> list[Run]:
        """Runs without an end: after a start, those that a crash left behind."""
        with reading(self._engine) as session:
            rows = session.exec(select(RunRow).where(col(RunRow.ended_us).is_(None))).all()
            return [run_of(row) for row in rows]

    def add_segment(self, segment: Segment) -> None:
        """Record a sealed segment; its file must be in place already (invariant 1)."""
        newest = select(func.max(SegmentRow.chain_number)).where(SegmentRow.source_id == segment.source_id)
        with writing(self._engine) as session:
            session.add(_segment_row(segment, (session.exec(newest).one() or 0) + 1))

    def last_chain(self, source_id: str) -> str:
        """Chain value of the segment of a source that was sealed last; 64 zeros before the first.

        Sealed last, not newest: after a backward step of a clock these differ.
        """
        with reading(self._engine) as session:
            newest = session.exec(_newest_link(source_id)).first()
            return GENESIS_CHAIN if newest is None else newest.chain

    def chain_of(self, source_id: str) -> Iterator[tuple[int, Segment]]:
        """A source's segments with their numbers in its chain, in the order of sealing: for checks.

        Removed ones are links as all others are: over the years these are many, and only some are held at a
        time.
        """
        after: tuple[int, str] | None = None
        while page := self._links_after(source_id, after):
            yield from page
            after = page[-1][0], page[-1][1].id

    def _links_after(self, source_id: str, after: tuple[int, str] | None) -> list[tuple[int, Segment]]:
        number, name = col(SegmentRow.chain_number), col(SegmentRow.id)
        chained = select(SegmentRow).where(SegmentRow.source_id == source_id).order_by(number, name)
        if after is not None:
            chained = chained.where(number >= after[0], or_(number > after[0], name > after[1]))
        with reading(self._engine) as session:
            rows = session.exec(chained.limit(_PAGE)).all()
            return [(row.chain_number, segment_of(row)) for row in rows]

    def is_kept(self, segment_id: str) -> bool:
        """Whether a segment's file is to be there: it was not removed, and is not being removed."""
        with reading(self._engine) as session:
            row = session.get(SegmentRow, segment_id)
            return row is not None and row.state == SegmentState.SEALED

    def chain_values(self, source_id: str, first: int, last: int) -> dict[int, str]:
        """Chain values of a source's segments by their numbers, from the first number to the last."""
        within = (
            select(SegmentRow.chain_number, SegmentRow.chain)
            .where(SegmentRow.source_id == source_id)
            .where(col(SegmentRow.chain_number).between(first, last))
        )
        with reading(self._engine) as session:
            return dict(session.exec(within).all())

    def chain_heads(self) -> list[ChainHead]:
        """The newest link of every source's chain, by source."""
        with reading(self._engine) as session:
            sources = session.exec(select(SourceRow.id).order_by(SourceRow.id)).all()
            heads = (session.exec(_newest_link(one)).first() for one in sources)
            return [
                ChainHead(source_id=row.source_id, number=row.chain_number, chain=row.chain)
                for row in heads
                if row is not None
            ]

    def places_in_chain(self, ids: Iterable[str]) -> dict[str, int]:
        """Numbers of those segments in their sources' chains, by id."""
        numbered = select(SegmentRow.id, SegmentRow.chain_number).where(col(SegmentRow.id).in_(list(ids)))
        with reading(self._engine) as session:
            return dict(session.exec(numbered).all())

    def states_of(self, paths: Iterable[str]) -> dict[str, SegmentState]:
        """States of the segments with these paths, below the ring; other paths are left out."""
        wanted = sorted(paths)
        with reading(self._engine) as session:
            pages = (wanted[at : at + _PAGE] for at in range(0, len(wanted), _PAGE))
            named = (
                select(SegmentRow.path, SegmentRow.state).where(col(SegmentRow.path).in_(page))
                for page in pages
            )
            return {path: SegmentState(state) for one in named for path, state in session.exec(one).all()}

    def known_paths(self, paths: Iterable[str]) -> set[str]:
        """Those of these paths that a segment has or had: a removed one keeps its row."""
        return set(self.states_of(paths))

    def all_segments(self) -> list[Segment]:
        """Every segment whose file is kept, oldest first: for checks, not for pages."""
        kept = select(SegmentRow).where(SegmentRow.state == SegmentState.SEALED)
        with reading(self._engine) as session:
            rows = session.exec(kept.order_by(col(SegmentRow.wall_start_us))).all()
            return [segment_of(row) for row in rows]

    def segments_by_id(self, ids: Iterable[str]) -> dict[str, Segment]:
        """Those segments, by id."""
        query = sqlalchemy_select(METADATA.tables["segment"]).where(col(SegmentRow.id).in_(list(ids)))
        with reading(self._engine) as session:
            return {row.id: segment_of(row) for row in session.connection().execute(query)}

    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]:
        """Segments of a source that touch a range and whose files are kept, oldest first."""
        with reading(self._engine) as session:
            return [segment_of(row) for row in touching(session, {source_id: wall}, _kept())[source_id]]

    def spans_within(self, walls: Mapping[str, TimeRange]) -> dict[str, list[SegmentSpan]]:
        """The same of many sources, each with its own range: what cutting needs of it."""
        with reading(self._engine) as session:
            found = touching(session, walls, _kept(), _SPAN)
        return {
            source: [
                SegmentSpan(
                    id=row.id,
                    sequence=row.sequence,
                    wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
                    clock_basis=_CLOCK_BASES[row.clock_basis],
                )
                for row in rows
            ]
            for source, rows in found.items()
        }

    def recorded_until(self, source_id: str) -> int | None:
        """Wall time at which a source's newest segment ends, removed or not; None before the first."""
        newest = select(func.max(SegmentRow.wall_end_us)).where(SegmentRow.source_id == source_id)
        with reading(self._engine) as session:
            return session.exec(newest).one()

    def run_recorded_until(self, run_id: str) -> int | None:
        """Wall time at which a run's last segment ends; None before its first."""
        newest = select(func.max(SegmentRow.wall_end_us)).where(SegmentRow.run_id == run_id)
        with reading(self._engine) as session:
            return session.exec(newest).one()

    def live_until(self, source_id: str) -> int | None:
        """The same of what was recorded live: files taken in and memories fetched end no outage."""
        newest = (
            select(func.max(SegmentRow.wall_end_us))
            .join(RunRow, col(RunRow.id) == col(SegmentRow.run_id))
            .where(SegmentRow.source_id == source_id)
            .where(RunRow.origin == RunOrigin.LIVE)
        )
        with reading(self._engine) as session:
            return session.exec(newest).one()

    def open_gap(self, gap: Gap) -> None:
        """Declare a gap that has no end yet; a source with an open one keeps that one (its start counts)."""
        with writing(self._engine) as session:
            if _open_gap(session, gap.source_id) is None:
                _declare(session, gap)

    def rename_gap(self, source_id: str, cause: GapCause, detail: str, fault: Fault | None = None) -> None:
        """The source's open gap, if it has one, has another cause than was thought."""
        with writing(self._engine) as session:
            row = _open_gap(session, source_id)
            if row is not None:
                row.cause, row.detail, row.fault = cause, detail, fault

    def close_gap(self, source_id: str, end_us: int) -> None:
        """End a source's open gap, if it has one; one that turns out to be empty is taken back."""
        with writing(self._engine) as session:
            row = _open_gap(session, source_id)
            if row is None:
                return
            if end_us <= row.wall_start_us:
                session.delete(row)
            else:
                row.wall_end_us = end_us
                _mark_filled(session, row)

    def add_gap(self, gap: Gap) -> None:
        """Declare a gap whose end is known."""
        with writing(self._engine) as session:
            _declare(session, gap)

    def put_gap(self, gap: Gap) -> None:
        """A gap as its source tells it, again and again the same; one that turns out to be empty goes.

        Raises:
            CatalogError: a gap of another source has that id.
        """
        with writing(self._engine) as session:
            row = session.get(GapRow, gap.id)
            if row is not None and row.source_id != gap.source_id:
                raise CatalogError(f"gap {gap.id} is of another source.")
            if gap.end_us is None or gap.end_us > gap.start_us:
                _mark_filled(session, session.merge(_gap_row(gap)))
            elif row is not None:
                session.delete(row)

    def open_gaps(self) -> list[Gap]:
        """Gaps that last."""
        with reading(self._engine) as session:
            return [
                _gap(row)
                for row in session.exec(select(GapRow).where(col(GapRow.wall_end_us).is_(None))).all()
            ]

    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]:
        """Gaps of a source that touch a range, oldest first; an open one reaches for ever."""
        return self.gaps_within({source_id: wall})[source_id]

    def gaps_within(self, walls: Mapping[str, TimeRange]) -> dict[str, list[Gap]]:
        """The same of many sources, each with its own range."""
        overlapping = (
            select(GapRow)
            .where(col(GapRow.source_id).in_(bindparam("sources", expanding=True)))
            .where(col(GapRow.wall_start_us) < bindparam("end"))
            .where(or_(col(GapRow.wall_end_us).is_(None), col(GapRow.wall_end_us) > bindparam("start")))
            .order_by(GapRow.source_id, col(GapRow.wall_start_us))
        )
        found: dict[str, list[Gap]] = {source: [] for source in walls}
        with reading(self._engine) as session:
            for bound in _bound(walls):
                for row in session.exec(overlapping, params=bound).all():
                    found[row.source_id].append(_gap(row))
        return found

    def gaps_to_backfill(self, source_ids: Iterable[str], since_us: int) -> list[Gap]:
        """Gaps of these sources that are over, ended after that, and were not fetched yet; oldest first."""
        waiting = (
            select(GapRow)
            .where(col(GapRow.source_id).in_(list(source_ids)))
            .where(col(GapRow.wall_end_us) > since_us)
            .where(GapRow.backfill == Backfill.NONE)
            .order_by(col(GapRow.wall_start_us), col(GapRow.id))
        )
        with reading(self._engine) as session:
            return [_gap(row) for row in session.exec(waiting).all()]

    def mark_backfill(self, gap_id: str, found: Backfill) -> None:
        """Say what of a gap was fetched afterwards; the gap itself stays as it is."""
        with writing(self._engine) as session:
            session.get_one(GapRow, gap_id).backfill = found

    def set_health(self, rows: Sequence[SourceHealth]) -> None:
        """Say how sources are doing, all in one transaction."""
        if not rows:
            return
        told = [
            {**fields_of(row), "state": row.state.value, "fault": row.fault and row.fault.value}
            for row in rows
        ]
        with writing(self._engine) as session:
            session.connection().execute(self._put_health, told)

    @cached_property
    def _put_health(self) -> Executable:
        """One statement for all sources, made once: a hundred are told of every second."""
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        put = insert(SourceHealthRow)
        newer = {one.name: put.excluded[one.name] for one in fields(SourceHealth) if one.name != "source_id"}
        return put.on_conflict_do_update(index_elements=["source_id"], set_=newer)

    def health(self) -> dict[str, SourceHealth]:
        """What was last said of each source, by its id."""
        with reading(self._engine) as session:
            rows = session.exec(select(SourceHealthRow)).all()
            return {row.source_id: _health(row) for row in rows}


def _health(row: SourceHealthRow) -> SourceHealth:
    words = {"state": SourceState(row.state), "fault": _fault(row.fault)}
    return SourceHealth(**{**row.model_dump(), **words})


def _fault(word: str | None) -> Fault | None:
    return None if word is None else Fault(word)


_CLOCK_BASES = {one.value: one for one in ClockBasis}
_SPAN = ("id", "source_id", "sequence", "wall_start_us", "wall_end_us", "clock_basis")


def _kept() -> ColumnElement[bool]:
    # Behind a function, so that SQLite does not take the index by state: it knows all sources' segments.
    return func.coalesce(SegmentRow.state, "") == SegmentState.SEALED


def touching(
    session: Session,
    walls: Mapping[str, TimeRange],
    narrowed: ColumnElement[bool],
    names: Sequence[str] = tuple(SegmentRow.model_fields),
) -> dict[str, list[Row[Any]]]:
    """Rows of sources' segments that touch a range each, oldest first; a ring of millions is not scanned.

    Columns only, without objects that can be changed: a day's session has thousands.
    """
    start, end = col(SegmentRow.wall_start_us), col(SegmentRow.wall_end_us)
    columns = METADATA.tables["segment"].c
    connection = session.connection()
    rows = sqlalchemy_select(*(columns[name] for name in names)).where(narrowed)
    early: ColumnElement[int] = bindparam("start", type_=BigInteger) - LONG_SEGMENT_US
    usual = rows.where(
        col(SegmentRow.source_id).in_(bindparam("sources", expanding=True)),
        start.between(early, bindparam("end") - 1),
        end > bindparam("start"),
    ).order_by(columns.source_id, start)  # as the index has them
    # Sorted here: asked for an order, SQLite goes through all segments of the sources, not the long ones.
    long = connection.execute(rows.where(col(SegmentRow.source_id).in_(list(walls)), IS_LONG)).all()
    found: dict[str, list[Row[Any]]] = {source: [] for source in walls}
    for row in sorted(long, key=attrgetter("wall_start_us")):
        wall = walls[row.source_id]
        if row.wall_end_us > wall.start_us > row.wall_start_us + LONG_SEGMENT_US:
            found[row.source_id].append(row)
    for bound in _bound(walls):
        for row in connection.execute(usual, bound).all():
            found[row.source_id].append(row)
    return found


def _bound(walls: Mapping[str, TimeRange]) -> Iterator[dict[str, Any]]:
    """What a statement is asked with: once for all sources that have the same range, as most of a room do."""
    sharing: dict[TimeRange, list[str]] = {}
    for source, wall in walls.items():
        sharing.setdefault(wall, []).append(source)
    for wall, sources in sharing.items():
        yield {"sources": sources, "start": wall.start_us, "end": wall.end_us}


def _newest_link(source_id: str) -> SelectOfScalar[SegmentRow]:
    newest = select(SegmentRow).where(SegmentRow.source_id == source_id)
    return newest.order_by(col(SegmentRow.chain_number).desc()).limit(1)


def _open_gap(session: Session, source_id: str) -> GapRow | None:
    lasting = select(GapRow).where(GapRow.source_id == source_id).where(col(GapRow.wall_end_us).is_(None))
    return session.exec(lasting).first()


def _declare(session: Session, gap: Gap) -> None:
    row = _gap_row(gap)
    session.add(row)
    _mark_filled(session, row)


def _mark_filled(session: Session, row: GapRow) -> None:
    """A gap may be declared, or end, where a file was taken in before: unmarked it would hide that file.

    Time in which the file itself has no picture is a gap of its own, and is not filled.
    """
    wall = TimeRange(
        start_us=row.wall_start_us, end_us=EVER_US if row.wall_end_us is None else row.wall_end_us
    )
    taken_in = (
        select(SegmentRow.wall_start_us, SegmentRow.wall_end_us)
        .join(RunRow, col(RunRow.id) == col(SegmentRow.run_id))
        .where(RunRow.source_id == row.source_id, RunRow.origin == RunOrigin.INTAKE)
        .where(col(RunRow.started_us) < wall.end_us, col(RunRow.ended_us) > wall.start_us)
    )
    segments = [TimeRange(start_us=one, end_us=other) for one, other in session.exec(taken_in).all()]
    if not segments:
        return
    others = select(GapRow.wall_start_us, GapRow.wall_end_us).where(
        col(GapRow.source_id) == row.source_id,
        col(GapRow.id) != row.id,
        col(GapRow.wall_end_us) > wall.start_us,
        col(GapRow.backfill).not_in((Backfill.WHOLE, Backfill.PART)),
    )
    holes = [TimeRange(start_us=one, end_us=other or one) for one, other in session.exec(others).all()]
    row.backfill = _gap(row).filled_by([part for one in segments for part in subtract(one, holes)])


def _run_row(run: Run) -> RunRow:
    return RunRow(
        id=run.id,
        source_id=run.source_id,
        started_us=run.started_us,
        ended_us=run.ended_us,
        end_reason=run.end_reason,
        origin=run.origin,
    )


def _gap_row(gap: Gap) -> GapRow:
    return GapRow(
        id=gap.id,
        source_id=gap.source_id,
        wall_start_us=gap.start_us,
        wall_end_us=gap.end_us,
        cause=gap.cause,
        detail=gap.detail,
        backfill=gap.backfill,
        fault=gap.fault,
    )


def _gap(row: GapRow) -> Gap:
    return Gap(
        id=row.id,
        source_id=row.source_id,
        start_us=row.wall_start_us,
        end_us=row.wall_end_us,
        cause=GapCause(row.cause),
        detail=row.detail,
        backfill=Backfill(row.backfill),
        fault=_fault(row.fault),
    )


def run_of(row: RunRow) -> Run:
    """A row as a value."""
    reason = EndReason(row.end_reason) if row.end_reason else None
    return Run(
        id=row.id,
        source_id=row.source_id,
        started_us=row.started_us,
        ended_us=row.ended_us,
        end_reason=reason,
        origin=RunOrigin(row.origin),
    )


_SAME_NAMED = (
    "id",
    "run_id",
    "source_id",
    "sequence",
    "media_start",
    "media_duration",
    "timescale",
    "clock_offset_us",
    "path",
    "size_bytes",
    "sha256",
    "chain",
)


def _segment_row(segment: Segment, chain_number: int) -> SegmentRow:
    return SegmentRow(
        **{name: getattr(segment, name) for name in _SAME_NAMED},
        wall_start_us=segment.wall.start_us,
        wall_end_us=segment.wall.end_us,
        chain_number=chain_number,
        clock_basis=segment.clock_basis,
        end_reason=segment.end_reason,
    )


def segment_of(row: SegmentRow | Row[Any]) -> Segment:
    """A row as a value; written out, for a cut makes thousands."""
    return Segment(
        id=row.id,
        run_id=row.run_id,
        source_id=row.source_id,
        sequence=row.sequence,
        wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
        media_start=row.media_start,
        media_duration=row.media_duration,
        timescale=row.timescale,
        clock_basis=ClockBasis(row.clock_basis),
        clock_offset_us=row.clock_offset_us,
        path=row.path,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        chain=row.chain,
        end_reason=EndReason(row.end_reason),
    )
