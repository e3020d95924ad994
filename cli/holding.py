"""``jianzheng hold``, ``holds`` and ``release``: what must stay, in the catalogue and in the bucket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from rich.markup import escape

from catalog.bucket_holds import apply_bucket_holds
from catalog.catalogue import Catalogue
from catalog.coverage import Coverage, coverage_of
from catalog.life_records import LifeRecords
from catalog.objects import ObjectStore
from cli.moments import lasting, shown, shown_range, time_range
from cli.printing import console
from kernel.clock import SECOND_US, Clock
from kernel.errors import CatalogError, StorageError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.footage import Backfill, Hold, HoldKind
from kernel.model.life import HoldEffect
from kernel.retention import beijing_days
from kernel.timerange import TimeRange

_SWEEP_US = 60 * SECOND_US

_out = console()
_log = logger("cli")
NOTHING_HELD = (
    "[bold red]没有录像 NOTHING is recorded in this range.[/] The hold stands and keeps what may still come "
    "or be handed in. If you meant footage that is there, check source and times, and release this hold."
)
_MOST_PIECES = 20  # of a kind
_FILLED = {Backfill.WHOLE: "  (已补录 filled afterwards)", Backfill.PART: "  (部分补录 filled in part)"}


def hold_sources(
    catalogue: Catalogue,
    patterns: Sequence[str],
    between: tuple[str, str],
    reason: str,
    principal: str,
    clock: Clock,
    tag: str = "",
) -> list[Hold]:
    """Hold a range of sources in one act, and say what there is of each: footage, gaps, what is gone already.

    Args:
        patterns: ids of sources, or patterns of them such as ``ZT-SH1-04-*``.

    Raises:
        TimelineError: the two times make no range.
        CatalogError: a source is unknown, a pattern fits none, or there is no reason.
    """
    wall = time_range(*between)
    sources = _sources(catalogue, patterns)
    act_id, now_us = new_id("hold"), clock.now_us()
    holds = [
        Hold(
            id=act_id if len(sources) == 1 else f"{act_id}.{source_id}",
            source_id=source_id,
            wall=wall,
            reason=reason,
            principal=principal,
            made_us=now_us,
            tag_id=tag,
            act_id=act_id,
        )
        for source_id in sources
    ]
    gone = catalogue.holds.make_all(holds).gone
    for hold in holds:
        _out.print(f"{hold.id}  {escape(hold.source_id)}  {shown_range(wall)}")
        own = [one for one in gone if one.segment.source_id == hold.source_id]
        reasons = sorted({f"{one.reason} ({one.principal})" for one in own})
        _print_coverage(coverage_of(catalogue, hold.source_id, wall, own, now_us), reasons)
    return holds


def _sources(catalogue: Catalogue, patterns: Sequence[str]) -> list[str]:
    known = list(catalogue.places.sources())
    found: list[str] = []
    for pattern in patterns:
        fitting = [one for one in known if fnmatchcase(one, pattern)]
        if not fitting and any(sign in pattern for sign in "*?["):
            raise CatalogError(f"no source is called {pattern}.", hint="Run 'jianzheng status'.")
        found += fitting or [pattern]  # of one that is unknown the catalogue says so
    return list(dict.fromkeys(found))


def hold_whole(
    catalogue: Catalogue,
    kind: HoldKind,
    ids: Sequence[str],
    reason: str,
    principal: str,
    clock: Clock,
    tag: str,
) -> list[Hold]:
    """Hold sessions or projects in one act, and say what no hold can bring back.

    Raises:
        CatalogError: one is unknown, or there is no reason.
    """
    act_id, now_us = new_id("hold"), clock.now_us()
    field = "session_id" if kind is HoldKind.SESSION else "project_id"
    holds = [
        Hold(
            id=act_id if len(ids) == 1 else f"{act_id}.{one}",
            kind=kind,
            reason=reason,
            principal=principal,
            made_us=now_us,
            tag_id=tag,
            act_id=act_id,
            **_field(field, one),
        )
        for one in dict.fromkeys(ids)
    ]
    _print_effect(catalogue.holds.make_all(holds), holds)
    return holds


def _field(name: str, value: str) -> dict[str, Any]:
    return {name: value}


def hold_agency(
    catalogue: Catalogue, agency: str, days: tuple[date, date], reason: str, principal: str, clock: Clock
) -> list[Hold]:
    """Hold all projects of an agency with a session in a range of Beijing days, those to come included.

    Raises:
        CatalogError: no project is of that agency, the range is empty, or there is no reason.
    """
    act_id = new_id("hold")
    hold = Hold(
        id=act_id,
        kind=HoldKind.AGENCY,
        agency=agency,
        wall=beijing_days(*days),
        reason=reason,
        principal=principal,
        made_us=clock.now_us(),
    )
    effect = catalogue.holds.make_all([hold])
    made = catalogue.holds.find(act_id)
    _print_effect(effect, made)
    return made


def _print_effect(effect: HoldEffect, holds: Sequence[Hold]) -> None:
    for one in holds:
        _out.print(f"{one.id}  {escape(what_of(one))}")
    _print_pieces(
        "[bold red]已清除的原始录像 originals gone already[/]",
        (f"{one.segment.source_id}  {_piece(one.segment.wall)}" for one in effect.gone),
    )
    _print_pieces("[bold red]已销毁 destroyed already[/]", effect.disposed)


def what_of(hold: Hold) -> str:
    """What a hold is on, in a few words."""
    if hold.kind is HoldKind.SESSION:
        return f"场次 session {hold.session_id}"
    if hold.kind is HoldKind.PROJECT:
        return f"项目 project {hold.project_id}"
    if hold.kind is HoldKind.AGENCY:
        return f"代理机构 agency {hold.agency}  {shown_range(hold.wall)}"
    return f"{hold.source_id}  {shown_range(hold.wall)}"


def print_holds(catalogue: Catalogue, *, released: bool) -> None:
    """Holds in the order in which they were made, a line each: no id is ever cut short."""
    for one in catalogue.holds.all(released=released):
        line = f"{one.id}  {what_of(one)}  {one.principal}: {one.reason}"
        if one.tag_id:
            line += f"  [{one.tag_id}]"
        if one.released_us is not None:
            line += f"  (解除 released {shown(one.released_us)} {one.released_by}: {one.release_reason})"
        _out.print(escape(line))


def tell_store(catalogue: Catalogue, store: ObjectStore, clock: Clock) -> None:
    """Write what the store lacks of holds, hold there what is held, and say how that went.

    A store that does not answer now is told later; the hold stands in the catalogue.
    """
    try:
        written = LifeRecords(catalogue.holds, catalogue.disposals, store).write_missing()
        report = apply_bucket_holds(catalogue.bucket_holds, store, clock)
    except StorageError as error:
        _out.print(
            f"[yellow]存储未应答,冻结已在目录生效。The store was not told yet: {escape(str(error))} "
            "The catalogue holds all the same; 'jianzheng hold apply' tells it later.[/]"
        )
        return
    if report.cannot:
        _out.print("存储本身不能冻结,由目录冻结。The store cannot hold by itself; the catalogue does.")
    elif report.held or report.lifted or report.faults:
        _out.print(f"存储冻结 held in the bucket {report.standing} (+{report.held} -{report.lifted})")
    if written:
        _out.print(f"记录 records written {written}")
    _print_pieces("[bold red]存储 store[/]", report.faults)


class HoldSweep:
    """Tells the store what it was not told: at most once a minute, beside other work."""

    def __init__(self, catalogue: Catalogue, store: ObjectStore, clock: Clock) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._next_us = clock.monotonic_us()
        self._told: tuple[str, ...] = ()

    def run_once(self) -> bool:
        """Whether there was anything to do.

        Raises:
            StorageError: the store does not answer.
        """
        if self._clock.monotonic_us() < self._next_us:
            return False
        self._next_us = self._clock.monotonic_us() + _SWEEP_US
        written = LifeRecords(self._catalogue.holds, self._catalogue.disposals, self._store).write_missing()
        report = apply_bucket_holds(self._catalogue.bucket_holds, self._store, self._clock)
        if report.faults and report.faults != self._told:
            _log.error(
                f"the store does not hold all that is held: {report.faults[0]}", action="hold.not_held"
            )
        self._told = report.faults
        return bool(written or report.held or report.lifted)


def _print_coverage(found: Coverage, reasons: Iterable[str]) -> None:
    """How much the hold keeps, and which seconds it cannot keep: they are not there."""
    if found.empty:
        _out.print(NOTHING_HELD)
    else:
        of = lasting(found.wall.duration_us)
        _out.print(f"已录 footage {lasting(found.recorded_us)} / {of}")
    gaps = [
        f"{_piece(part)}  {gap.cause}: {gap.detail}{_FILLED.get(gap.backfill, '')}"
        for part, gap in found.missed
    ]
    _print_pieces("缺口 gap", gaps)
    _print_pieces("[bold red]已清除 gone already[/]", map(_piece, found.removed))
    for why in reasons:
        _out.print(f"  {escape(why)}")
    _print_pieces("[bold red]没有录像 not recorded, and no gap says why[/]", map(_piece, found.unknown))
    _print_pieces("尚未封存 being recorded, sealed within a minute", map(_piece, found.unsealed))
    _print_pieces("尚未发生 still to come", map(_piece, [found.to_come] if found.to_come else []))


def _print_pieces(what: str, pieces: Iterable[str]) -> None:
    """A line each, and where there are very many, how many more."""
    told = list(pieces)
    for one in told[:_MOST_PIECES]:
        _out.print(f"{what}  {escape(one)}")
    if len(told) > _MOST_PIECES:
        _out.print(f"{what}  … 另有 and {len(told) - _MOST_PIECES} 处 more")


def _piece(wall: TimeRange) -> str:
    return f"{shown_range(wall)}  ({lasting(wall.duration_us)})"
