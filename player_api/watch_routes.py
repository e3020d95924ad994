"""The routes of watching: open, tell, close; and a still picture."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from kernel.model.watching import LASTS_US, Shown, WatchKind
from player_api.entries import Moment, range_of
from player_api.gate import WORDS, Gate
from player_api.refusals import Refused
from player_api.watching import MOST_THINGS, Opened, Watches

_Id = Annotated[str, Field(min_length=1, max_length=200)]
_MOST_SHOWN = 500
_REFUSALS: dict[int | str, dict[str, Any]] = {one: {"model": Refused} for one in (404, 422)}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WatchEntry(_Entry):
    """What somebody wants to watch: clips, or sources, or a session; of a session all that he may see."""

    kind: WatchKind
    session_id: _Id | None = None
    source_ids: Annotated[list[_Id], Field(max_length=MOST_THINGS)] = []
    clip_ids: Annotated[list[_Id], Field(max_length=MOST_THINGS)] = []
    start_us: Moment | None = None
    """Only footage of a time; of a source replayed without a clip it has to be said."""
    end_us: Moment | None = None


class ShownEntry(_Entry):
    """What was on the screen of a source since the page told last; several follow each other."""

    source_id: _Id
    from_us: Moment
    """Wall time of the footage."""
    to_us: Moment
    rate: Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)] = 1.0
    """Times real time; 0: a picture that stands still."""


class BeatEntry(_Entry):
    """What a page tells."""

    shown: Annotated[list[ShownEntry], Field(max_length=_MOST_SHOWN)] = []


class StillEntry(_Entry):
    """Which picture."""

    source_id: _Id
    at_us: Moment


class WatchedPublic(BaseModel):
    """A thing that is open."""

    source_id: str
    clip_id: str | None
    session_id: str | None
    project_id: str | None


class LeftOutPublic(BaseModel):
    """What of a session may not be seen, and what would be needed."""

    source_id: str
    code: str
    message: str


class WatchPublic(BaseModel):
    """A watch, open."""

    watch_id: str
    token: str
    """Goes into every address of footage, as ``?watch=``; shown once."""
    expires_us: int
    """Tell of it before then, again and again."""
    account: str
    things: list[WatchedPublic]
    left_out: list[LeftOutPublic]
    start_us: int | None
    """Only footage from here on may be seen; null: all."""
    end_us: int | None


class BeatPublic(BaseModel):
    """The watch goes on."""

    expires_us: int


def watches_router(watches: Watches, gate: Gate) -> APIRouter:
    """The routes; whether something may be seen, ``Watches`` asks the gate."""
    router = APIRouter(prefix="/api/watches", tags=["watching"])

    @router.post("", status_code=201, responses=_REFUSALS, dependencies=[gate.inside("watch")])
    def open_watch(entry: WatchEntry) -> WatchPublic:
        """Put on record that somebody is about to watch; footage is sent only with the token given here."""
        wall = None
        if entry.start_us is not None and entry.end_us is not None:
            wall = range_of(entry.start_us, entry.end_us)
        opened = watches.open(
            gate.person(), entry.kind, entry.session_id, entry.source_ids, entry.clip_ids, wall
        )
        return _public(opened)

    @router.post("/{watch_id}/beat", responses=_REFUSALS, dependencies=[gate.inside("watch")])
    def beat(watch_id: str, entry: BeatEntry) -> BeatPublic:
        """Tell what was on the screen since the last time; without it a watch is over after 30 s."""
        watches.beat(watch_id, _shown(entry), gate.person())
        return BeatPublic(expires_us=watches.mine(watch_id, gate.person()).beat_us + LASTS_US)

    @router.post(
        "/{watch_id}/close", status_code=204, responses=_REFUSALS, dependencies=[gate.inside("watch")]
    )
    def close(watch_id: str, entry: BeatEntry) -> None:
        """The page is left, and what it showed since it told last."""
        watches.mine(watch_id, gate.person())
        watches.close(watch_id, _shown(entry))

    @router.post(
        "/{watch_id}/stills", status_code=204, responses=_REFUSALS, dependencies=[gate.inside("watch")]
    )
    def still(watch_id: str, entry: StillEntry) -> None:
        """Put on record that a still picture is made, before the page makes it."""
        watches.still(watch_id, entry.source_id, entry.at_us, gate.person())

    return router


def _shown(entry: BeatEntry) -> list[Shown]:
    return [
        Shown(
            source_id=one.source_id,
            from_us=min(one.from_us, one.to_us),
            to_us=max(one.from_us, one.to_us),
            rate=one.rate,
        )
        for one in entry.shown
    ]


def _public(opened: Opened) -> WatchPublic:
    watch = opened.watch
    return WatchPublic(
        watch_id=watch.id,
        token=opened.token,
        expires_us=watch.beat_us + LASTS_US,
        account=watch.account_id,
        things=[
            WatchedPublic(
                source_id=one.source_id,
                clip_id=one.clip_id or None,
                session_id=one.session_id or None,
                project_id=one.project_id or None,
            )
            for one in watch.things
        ],
        left_out=[
            LeftOutPublic(source_id=source_id, code=need.value, message="".join(WORDS[need]))
            for source_id, need in opened.left_out
        ],
        start_us=watch.wall_start_us,
        end_us=watch.wall_end_us,
    )
