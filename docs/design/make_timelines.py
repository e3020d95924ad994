"""Draws the pictures of ``timeline.md`` into ``docs/images``: cases of the sample, as the rules cut them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from pathlib import Path

from cli.sample.files import Sample, read_sample
from kernel.clock import BEIJING, SECOND_US, from_datetime, to_datetime
from kernel.events import bounds
from kernel.model.timeline import Phase, Session, SessionState, SessionTimeline, TimelineEvent
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.timeline import neighbour_uses, session_timeline

TARGET = Path(__file__).parents[1] / "images"
LEFT, WIDTH, RIGHT = 190, 620, 20  # pixels: labels, the axis, the margin
ROW, BAR, HEAD = 26, 16, 34
MINUTE_US = 60 * SECOND_US
FILLS = {
    "session": "#d9d9d9",
    "clip": "#4c8bc9",
    "other": "#5aa469",
    "hall": "#9b7fc0",
    "pause": "#f2c14e",
    "night": "#3b3f58",
    "gap": "#d1495b",
    "filled": "#ef8354",
    "planned": "none",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A stretch of time in a row."""

    wall: TimeRange
    kind: str  # key of FILLS
    text: str = ""


Row = tuple[str, Sequence[Bar]]


def at(moment: str) -> int:
    """A moment in March 2026, Beijing time: ``09 14:06``."""
    return from_datetime(datetime.fromisoformat(f"2026-03-{moment[:2]}T{moment[3:]}+08:00"))


def wall(start: str, end: str) -> TimeRange:
    return TimeRange(start_us=at(start), end_us=at(end))


def clock(us: int) -> str:
    return to_datetime(us).astimezone(BEIJING).strftime("%H:%M")


class Cases:
    """The sample's timelines, as the rules make them."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._sources = sample.places.sources_public()
        self._kinds = {room.id: room.kind for room in sample.places.rooms_public()}
        self._events: dict[str, list[TimelineEvent]] = {}
        self._sessions: dict[str, Session] = {}
        for project in sample.projects:
            for one in project.sessions:
                told = [e.event("", 0) for e in project.events if e.session == one.id]
                self._add(one.session(project.id), told)
        in_hall = [self._sessions[f"P0{number}-E"] for number in (6, 7, 8)]
        hall = replace(in_hall[0], id="HALL", project_id="HALL", phase=Phase.HALL, seats=())
        first, last = (min(o.start_us or 0 for o in in_hall), max(o.end_us or 0 for o in in_hall))
        self._sessions["HALL"] = replace(hall, start_us=first, end_us=last)

    def _add(self, session: Session, told: list[TimelineEvent]) -> None:
        known = bounds(told)
        self._events[session.id] = told
        self._sessions[session.id] = replace(
            session, state=SessionState.ENDED, start_us=known.start_us, end_us=known.end_us
        )

    def timeline(self, session_id: str) -> SessionTimeline:
        session = self._sessions[session_id]
        others = [
            one
            for one in self._sessions.values()
            if one.room_id == session.room_id and session.project_id != one.project_id != "HALL"
        ]
        uses = [use for one in others for use in neighbour_uses(one, self._events[one.id])]
        return session_timeline(
            session,
            self._events.get(session_id, []),
            self._sources,
            CutSettings().rules(),
            room_kinds=self._kinds,
            neighbours=uses,
        )

    def session(self, session_id: str) -> Row:
        """When it took place, with its pauses and nights."""
        made = self.timeline(session_id)
        stops = [Bar(wall=one, kind="pause", text="pause") for one in made.pauses]
        stops += [Bar(wall=one, kind="night", text="sealed") for one in made.nights]
        return f"{session_id} session", [Bar(wall=made.wall, kind="session"), *stops]

    def clips(self, session_id: str, source_id: str, kind: str = "clip") -> Row:
        """What is cut of a source."""
        parts = [one for one in self.timeline(session_id).expected if one.source_id == source_id]
        bars = [Bar(wall=one.wall, kind=kind, text=_span(one.wall)) for one in parts]
        return f"{session_id} {source_id}", bars

    def sections(self, session_id: str) -> Row:
        made = self.timeline(session_id).sections
        kinds = ("clip", "other", "hall")
        bars = [Bar(wall=s.wall, kind=kinds[s.number - 1], text=f"section {s.number}") for s in made]
        return "found under", bars

    def bookings(self, project_id: str) -> Iterator[Row]:
        [project] = [one for one in self._sample.projects if one.id == project_id]
        for one in project.bookings:
            span = TimeRange(start_us=from_datetime(one.start), end_us=from_datetime(one.end))
            yield f"booking, {one.status}", [Bar(wall=span, kind="planned", text=clock(span.start_us))]

    def members(self, session_id: str, seat_id: str) -> Row:
        session, kinds = self._sessions[session_id], iter(("clip", "other"))
        span = self.timeline(session_id).wall
        seated = [one for one in session.seats if one.seat_id == seat_id]
        bars = [Bar(wall=one.within(span), kind=next(kinds), text=one.member) for one in seated]
        return f"{seat_id} members", bars

    def gap(self, session_id: str, source_id: str) -> Row:
        """A clip with what is missing in it, and what of that was fetched afterwards."""
        label, bars = self.clips(session_id, source_id)
        [project] = [one for one in self._sample.projects if session_id.startswith(one.id)]
        holes = [
            Bar(
                wall=TimeRange(
                    start_us=from_datetime(datetime.fromisoformat(str(one["start"]))),
                    end_us=from_datetime(datetime.fromisoformat(str(one["end"]))),
                ),
                kind="filled" if one["nvr_has_it"] else "gap",
                text="fetched" if one["nvr_has_it"] else "",
            )
            for one in project.deviations
            if one.get("source") == source_id
        ]
        return label, [*(replace(bar, text="") for bar in bars), *holes]


def _span(span: TimeRange) -> str:
    return f"{clock(span.start_us)} - {clock(span.end_us)}"


Picture = tuple[TimeRange, int, list[Row]]  # what of the axis, minutes from line to line, rows


def pictures() -> dict[str, str]:
    """Every picture by the name of its file."""
    cases = Cases(read_sample())
    drawn = {**_of_one_project(cases), **_of_several(cases)}
    return {f"timeline-{name}.svg": _svg(*picture) for name, picture in drawn.items()}


def _of_one_project(cases: Cases) -> dict[str, Picture]:
    at_night = ("ZT-ER2-P1", "ZT-CR1-P1", "ZT-ER2-03-F", "ZT-ER2-03-D")
    return {
        "rolls": (
            wall("02 10:00", "02 16:00"),
            60,
            [cases.session("P01-E"), cases.clips("P01-E", "ZY-ER1-P1"), cases.clips("P01-E", "ZY-ER1-02-F")],
        ),
        "sections": (
            wall("03 11:00", "03 19:30"),
            60,
            [cases.session("P02-E"), cases.clips("P02-E", "ZT-ER1-P1"), cases.sections("P02-E")],
        ),
        "night": (
            wall("05 12:00", "06 18:00"),
            180,
            [cases.session("P04-E"), *(cases.clips("P04-E", source) for source in at_night)],
        ),
        "moved": (
            wall("16 08:00", "16 17:30"),
            60,
            [*list(cases.bookings("P15"))[1:], cases.session("P15-A"), cases.clips("P15-A", "YS-OH1-P1")],
        ),
        "gaps": (
            wall("19 09:30", "19 15:30"),
            60,
            [cases.session("P18-E"), cases.gap("P18-E", "WX-ER1-P1"), cases.gap("P18-E", "WX-ER1-03-D")],
        ),
        "replaced": (
            wall("20 09:30", "20 17:30"),
            60,
            [
                cases.session("P19-E"),
                cases.members("P19-E", "ZX-ER1-03"),
                cases.clips("P19-E", "ZX-ER1-03-F"),
            ],
        ),
    }


def _of_several(cases: Cases) -> dict[str, Picture]:
    """Several projects in a hall, several venues of a project."""
    return {
        "hall": (
            wall("09 09:00", "09 17:30"),
            60,
            [
                cases.clips("P06-E", "ZT-SH1-04-F"),
                cases.clips("P07-E", "ZT-SH1-05-F", "other"),
                cases.clips("P08-E", "ZT-SH1-05-F"),
                cases.clips("HALL", "ZT-SH1-P1", "hall"),
            ],
        ),
        "takeover": (
            wall("09 13:56", "09 14:20"),
            4,
            [
                cases.session("P07-E"),
                cases.clips("P07-E", "ZT-SH1-05-F", "other"),
                cases.session("P08-E"),
                cases.clips("P08-E", "ZT-SH1-05-F"),
            ],
        ),
        "venues": (
            wall("04 10:00", "04 17:00"),
            60,
            [
                cases.clips("P03-E1", "ZT-RR1-P1"),
                cases.clips("P03-E2", "YJ-RR1-P1", "other"),
                cases.clips("P03-E3", "ZX-RR1-P1", "hall"),
                cases.clips("P03-Q", "ZT-QR1-P1"),
            ],
        ),
    }


def _svg(axis: TimeRange, every_minutes: int, rows: Sequence[Row]) -> str:
    height = HEAD + ROW * len(rows) + 10
    whole = LEFT + WIDTH + RIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {height}" '
        f'width="{whole}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{whole}" height="{height}" fill="white"/>',
    ]
    for moment_us in range(axis.start_us, axis.end_us + 1, every_minutes * MINUTE_US):
        x = _x(axis, moment_us)
        lines.append(f'<path d="M{x} {HEAD - 8}V{height - 8}" stroke="#dddddd"/>')
        lines.append(f'<text x="{x}" y="{HEAD - 14}" text-anchor="middle">{clock(moment_us)}</text>')
    for number, (label, bars) in enumerate(rows):
        top = HEAD + ROW * number
        lines.append(f'<text x="{LEFT - 10}" y="{top + 13}" text-anchor="end">{escape(label)}</text>')
        lines += [line for bar in bars for line in _bar(axis, bar, top)]
    return "\n".join([*lines, "</svg>", ""])


def _bar(axis: TimeRange, bar: Bar, top: int) -> Iterator[str]:
    inside = bar.wall.intersect(axis)
    if inside is None:
        return
    x, end = _x(axis, inside.start_us), _x(axis, inside.end_us)
    edge = ' stroke="#777777" stroke-dasharray="4 3"' if bar.kind == "planned" else ""
    yield (
        f'<rect x="{x}" y="{top}" width="{round(end - x, 1)}" height="{BAR}" rx="2" '
        f'fill="{FILLS[bar.kind]}"{edge}/>'
    )
    if bar.text and end - x > 7 * len(bar.text):
        colour = "black" if bar.kind in ("planned", "pause", "session") else "white"
        yield (
            f'<text x="{round((x + end) / 2, 1)}" y="{top + 12}" text-anchor="middle" '
            f'fill="{colour}" font-size="11">{escape(bar.text)}</text>'
        )


def _x(axis: TimeRange, moment_us: int) -> float:
    return round(LEFT + WIDTH * (moment_us - axis.start_us) / axis.duration_us, 1)


if __name__ == "__main__":
    for name, drawn in pictures().items():
        (TARGET / name).write_text(drawn, encoding="utf-8")
