"""Watching: no footage is sent to anybody before it is on record that he has it open (invariant 14).

Who wants to look opens a watch of certain things, live or replayed, and gets a token for them. Whatever sends
footage asks here first. The token is worth something only together with the login that opened the watch, only
for its things, only while its page goes on telling what it shows, and only while its holder may still look.

Without accounts there is nobody to tell apart: what is asked for without a token opens a watch by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NoReturn, Protocol

from fastapi import HTTPException, Query

from catalog.catalogue import Catalogue
from catalog.watching import Refusal
from kernel.access import WATCH, Need, Thing
from kernel.clock import SECOND_US, Clock
from kernel.errors import WatchRefused
from kernel.ids import new_id
from kernel.model.watching import LASTS_US, Shown, Watch, Watched, WatchEnd, WatchKind
from kernel.timerange import EVER_US, TimeRange
from player_api.gate import Gate, Person, Subject
from player_api.passwords import new_token, token_hash
from player_api.watch_refusals import Refusals

MOST_THINGS = 64
"""So many things are in one watch; a wall has sixteen panes."""
_TOUCH_US = 10 * SECOND_US  # of a watch that nobody tells of, requests are noted no more often
_WORDS = {
    "watch_needed": ("请先打开观看。", "Open a watch first: footage is sent only when that is on record."),
    "watch_over": ("本次观看已结束,请刷新页面。", "This watch is over; open the page anew."),
    "watch_unknown": ("观看凭证无效。", "This token is none that was given out."),
    "watch_of_another": ("观看凭证属于其他登录。", "This token belongs to another login."),
    "watch_of_other_things": ("观看凭证不含此内容。", "This token is for other footage."),
    "watch_withdrawn": ("观看权限已收回。", "Leave to watch this was withdrawn."),
    "watch_limited": ("只能查看批准的时段。", "Only the time that was approved may be seen."),
    "shows_another": (
        "画面内容已换为其他场次,请重新打开。",
        "The camera shows another session by now; open it anew.",
    ),
}
WatchToken = Annotated[str | None, Query(alias="watch", max_length=100)]


class WatchDenied(HTTPException):
    """Footage is not sent, and why."""

    def __init__(self, code: str) -> None:
        zh, en = _WORDS[code]
        super().__init__(403, {"code": code, "message": f"{zh}{en}"})
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A watch, and what lets its page have the footage."""

    watch: Watch
    token: str  # shown once; the catalogue has its hash
    left_out: tuple[tuple[str, Need], ...] = ()  # sources of the session that may not be seen, and why not

    @property
    def id(self) -> str:
        return self.watch.id


class Watching(Protocol):
    """What a live socket needs; ``Watches`` of this module is one. Every method may be called from a thread.

    All of them write to the catalogue or read it: from a coroutine, call them through ``asyncio.to_thread``.
    """

    def open(
        self,
        person: Person,
        kind: WatchKind,
        session_id: str | None = None,
        source_ids: Sequence[str] = (),
        clip_ids: Sequence[str] = (),
        wall: TimeRange | None = None,
    ) -> Opened:
        """Put on record that somebody watches; before this returns, send nothing.

        Raises:
            Refused: the person may not (a 403 in words, which is on record, too).
            HTTPException: there is no such thing, or nothing of it is recorded.
        """

    def beat(self, watch_id: str, shown: Sequence[Shown], person: Person | None = None) -> None:
        """Tell what was on the screen since the last time, at least every 30 s; live, access is checked.

        Args:
            person: who tells; None: the server itself, on behalf of whoever opened the watch.

        Raises:
            WatchDenied: the watch is over, is another person's, or leave to watch was withdrawn.
        """

    def check(self, watch_id: str, person: Person) -> None:
        """Whether what is open may go on being sent; ask it every few seconds, and before each new source.

        Raises:
            WatchDenied, Refused: no more; the watch is closed by that. Close the line.
        """

    def close(self, watch_id: str, shown: Sequence[Shown] = (), end: WatchEnd = WatchEnd.CLOSED) -> None:
        """The page is gone, or says so. Closing what is over already does nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """One thing that somebody wants to watch, and what access to it goes by."""

    source_id: str
    clip_id: str
    things: tuple[Thing, ...]


class Watches:
    """Opens watches, and lets footage go to whoever has one."""

    def __init__(self, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._gate = gate
        self.refusals = Refusals(catalogue.watches, clock)
        self._lock = threading.Lock()
        self._by_itself: dict[
            str, tuple[Watch, int]
        ] = {}  # without accounts: by thing, and when it was noted

    # Opening, telling, closing.

    def open(
        self,
        person: Person,
        kind: WatchKind,
        session_id: str | None = None,
        source_ids: Sequence[str] = (),
        clip_ids: Sequence[str] = (),
        wall: TimeRange | None = None,
    ) -> Opened:
        """As ``Watching`` says. Of a whole session what may be seen is opened, the rest is told."""
        asked = self._asked(kind, session_id, source_ids, clip_ids, wall)
        if not asked:
            self._refuse_nothing(person, session_id)
        window, granted = self._granted(person, kind, asked, wall)
        refused = [one for one in asked if one not in granted]
        whole_session = session_id is not None and not source_ids and not clip_ids
        if refused and not (whole_session and granted):
            self._refuse(person, _within(refused[0].things, wall))
        now_us, token = self._clock.now_us(), new_token()
        watch = Watch(
            id=new_id("watch"),
            account_id=person.id,
            role=person.principal.role.value if person.principal else "",
            login_id=person.login_id,
            origin=person.origin,
            kind=kind,
            things=tuple(self._watched(person, one, window) for one in granted),
            opened_us=now_us,
            beat_us=now_us,
            wall_start_us=window.start_us if window else None,
            wall_end_us=window.end_us if window else None,
        )
        self._catalogue.watches.open(watch, token_hash(token))
        left_out = [(one.source_id, self._gate.need(WATCH, one.things, person)) for one in refused]
        return Opened(watch=watch, token=token, left_out=tuple(left_out))

    def beat(self, watch_id: str, shown: Sequence[Shown], person: Person | None = None) -> None:
        """As ``Watching`` says."""
        watch = self.mine(watch_id, person)
        if person is not None and watch.kind is WatchKind.LIVE:
            self.check(watch_id, person)
        try:
            self._catalogue.watches.beat(watch_id, shown, self._clock.now_us())
        except WatchRefused:
            raise WatchDenied("watch_over") from None

    def still(self, watch_id: str, source_id: str, footage_us: int, person: Person) -> None:
        """Put on record that somebody makes a still picture, before it is made.

        Raises:
            WatchDenied: the watch is over, another person's, or not of that.
        """
        watch = self.mine(watch_id, person)
        if source_id not in watch.sources or not _holds(watch, footage_us):
            raise WatchDenied("watch_of_other_things")
        try:
            self._catalogue.watches.still(watch_id, source_id, footage_us, self._clock.now_us())
        except WatchRefused:
            raise WatchDenied("watch_over") from None

    def check(self, watch_id: str, person: Person) -> None:
        """As ``Watching`` says."""
        watch = self.mine(watch_id, person)
        if not watch.lasts(self._clock.now_us()):
            raise WatchDenied("watch_over")
        if not self._signed_in(person):
            self.close(watch_id, end=WatchEnd.WITHDRAWN)
            raise WatchDenied("watch_withdrawn")
        for one in watch.things:
            things = self._things_of(one, watch)
            if watch.kind is WatchKind.LIVE and one.session_id not in {thing.session_id for thing in things}:
                self.close(watch_id)
                raise WatchDenied("shows_another")
            if not self._gate.may(WATCH, things, person):
                self.close(watch_id, end=WatchEnd.WITHDRAWN)
                raise WatchDenied("watch_withdrawn")

    def close(self, watch_id: str, shown: Sequence[Shown] = (), end: WatchEnd = WatchEnd.CLOSED) -> None:
        """As ``Watching`` says."""
        self._catalogue.watches.close(watch_id, end, self._clock.now_us(), shown)

    def sweep(self) -> int:
        """End what nobody tells of any more; how many."""
        return self._catalogue.watches.sweep(self._clock.now_us())

    def mine(self, watch_id: str, person: Person | None) -> Watch:
        """A watch by its id, if it is that person's.

        Raises:
            WatchDenied: there is none, or it is another's; which of both is not told.
        """
        found = self._catalogue.watches.get(watch_id)
        if found is None or (person is not None and not _is_of(found, person)):
            raise WatchDenied("watch_of_another")
        return found

    def _signed_in(self, person: Person) -> bool:
        """Whether the login lasts; a socket may have been opened long ago."""
        if person.local:
            return True
        lasting = self._catalogue.logins.of_account(person.id, self._clock.now_us())
        return person.login_id in {login.id for login in lasting}

    # What is asked for, and what of it may be seen.

    def _asked(
        self,
        kind: WatchKind,
        session_id: str | None,
        source_ids: Sequence[str],
        clip_ids: Sequence[str],
        wall: TimeRange | None,
    ) -> list[_Asked]:
        if clip_ids:
            return [self._clip(one) for one in dict.fromkeys(clip_ids)]
        if kind is WatchKind.REPLAY and session_id is not None:
            clips = self._catalogue.clips.of_session(session_id)
            return [self._clip(one.id) for one in clips if not source_ids or one.source_id in source_ids]
        if kind is WatchKind.REPLAY and wall is None and source_ids:
            raise HTTPException(422, "请给出时间范围。Name a time: a source has footage of many things.")
        return [self._source(one, session_id, wall) for one in dict.fromkeys(source_ids)]

    def _clip(self, clip_id: str) -> _Asked:
        things = self._gate.things(Subject.CLIP, clip_id)
        source_id = things[0].source_id if things else ""
        return _Asked(source_id=source_id, clip_id=clip_id, things=tuple(things))

    def _source(self, source_id: str, session_id: str | None, wall: TimeRange | None) -> _Asked:
        if wall is None:
            things = self._gate.things(Subject.SOURCE, source_id)
        else:
            things = self._catalogue.things.of_source(source_id, wall)
        of_session = [one for one in things if one.session_id == session_id]
        told = of_session if session_id is not None and of_session else things
        return _Asked(source_id=source_id, clip_id="", things=tuple(told))

    def _refuse_nothing(self, person: Person, session_id: str | None) -> NoReturn:
        """Nothing is there to be watched: told only to whoever may know that.

        Raises:
            HTTPException: always.
        """
        self._refuse(person, self._gate.things(Subject.SESSION, session_id) if session_id else [])

    def _refuse(self, person: Person, things: Sequence[Thing]) -> NoReturn:
        self._gate.check(WATCH, things, person)
        raise HTTPException(404, "没有可观看的录像。There is no footage to watch.")

    def _granted(
        self, person: Person, kind: WatchKind, asked: Sequence[_Asked], wall: TimeRange | None
    ) -> tuple[TimeRange | None, list[_Asked]]:
        """What of it may be seen, and within which time: whole if possible, else by the widest leave."""
        windows = [wall] if wall is not None else [None, *self._windows(person, kind)]
        best: tuple[TimeRange | None, list[_Asked]] = (wall, [])
        for window in windows:
            granted = [one for one in asked if self._may(person, one, window)]
            if len(granted) > len(best[1]):
                best = (window, granted)
        return best

    def _windows(self, person: Person, kind: WatchKind) -> list[TimeRange]:
        """Times that somebody was given leave for; what happens now is in none of them."""
        if person.principal is None or kind is WatchKind.LIVE:
            return []
        found = [
            TimeRange(
                start_us=-EVER_US if one.wall_start_us is None else one.wall_start_us,
                end_us=EVER_US if one.wall_end_us is None else one.wall_end_us,
            )
            for one in self._gate.grants(person.principal)
            if one.wall_start_us is not None or one.wall_end_us is not None
        ]
        return list(dict.fromkeys(found))

    def _may(self, person: Person, one: _Asked, window: TimeRange | None) -> bool:
        things = _within(one.things, window)
        return bool(things) and self._gate.may(WATCH, things, person)

    def _watched(self, person: Person, one: _Asked, window: TimeRange | None) -> Watched:
        """Which project and session it counts for: the first that the person may see."""
        seen = [thing for thing in _within(one.things, window) if self._gate.may(WATCH, [thing], person)]
        return Watched(
            source_id=one.source_id,
            clip_id=one.clip_id,
            project_id=seen[0].project_id,
            session_id=seen[0].session_id,
        )

    def _things_of(self, one: Watched, watch: Watch) -> list[Thing]:
        """What access goes by now to a thing of a watch."""
        window = _window(watch)
        if one.clip_id:
            return _within(self._gate.things(Subject.CLIP, one.clip_id), window)
        if watch.kind is WatchKind.LIVE or window is None:
            return self._gate.things(Subject.SOURCE, one.source_id)
        return self._catalogue.things.of_source(one.source_id, window)

    # Dependencies of routes that send footage.

    def of_rendition(self, rendition_id: str, watch: WatchToken = None) -> Watch | None:
        """For an archived file: the watch that it is sent for; None where there is no such file."""
        found = self._catalogue.archives.facts(rendition_id)
        if found is None:
            self._refuse_unknown()
            return None
        return self._admit(watch, Watched(source_id=found.source_id, clip_id=found.clip_id))

    def of_clip(self, clip_id: str, watch: WatchToken = None) -> Watch | None:
        """For what is made of a clip: originals, thumbnails."""
        found = self._catalogue.clips.get(clip_id)
        if found is None:
            self._refuse_unknown()
            return None
        return self._admit(watch, Watched(source_id=found.source_id, clip_id=found.id))

    def of_segment(self, segment_id: str, watch: WatchToken = None) -> Watch | None:
        """For a file of the ring: a watch of its source that reaches over its time."""
        kept = self._catalogue.source_status.segment(segment_id)
        if kept is None:
            self._refuse_unknown()
            return None
        segment = kept.segment
        things = self._gate.things(Subject.SEGMENT, segment_id)
        found = self._admit(watch, Watched(source_id=segment.source_id), segment.wall, things)
        if (limit := _window(found)) is not None and limit.intersect(segment.wall) is None:
            raise WatchDenied("watch_limited")
        return found

    def _refuse_unknown(self) -> None:
        """What is not there is refused like what may not be seen, but to the local user."""
        self._gate.check(WATCH, (), self._gate.person())

    def _admit(
        self,
        token: str | None,
        thing: Watched,
        wall: TimeRange | None = None,
        things: Sequence[Thing] | None = None,
    ) -> Watch:
        """The watch that a thing is sent for.

        Raises:
            WatchDenied, Refused: nothing is sent.
        """
        person = self._gate.person()
        if token is None and person.local:
            return self._by_itself_of(person, thing, wall)
        watch = self._valid(token, person, thing)
        told = self._things_of(thing, watch) if things is None else things
        if not self._gate.may(WATCH, told, person):
            self.close(watch.id, end=WatchEnd.WITHDRAWN)
            raise WatchDenied("watch_withdrawn")
        return watch

    def _valid(self, token: str | None, person: Person, thing: Watched) -> Watch:
        if not person.local and person.principal is None:
            self._gate.check(WATCH, (), person)  # to be signed in is the first thing
        if token is None:
            subject = Subject.CLIP if thing.clip_id else Subject.SOURCE
            self._gate.check(WATCH, self._gate.things(subject, thing.clip_id or thing.source_id), person)
            self._report(person, thing, "watch_needed")
            raise WatchDenied("watch_needed")
        watch = self._catalogue.watches.find(token_hash(token))
        if watch is None:
            code = "watch_unknown"
        elif not _is_of(watch, person):
            code = "watch_of_another"
        elif not _names(watch, thing):
            code = "watch_of_other_things"
        elif not watch.lasts(self._clock.now_us()):
            raise WatchDenied("watch_over")
        else:
            return watch
        self._report(person, thing, code)
        raise WatchDenied(code)

    def _report(self, person: Person, thing: Watched, need: str) -> None:
        self.refusals.add(
            Refusal(
                principal=person.id,
                at_us=self._clock.now_us(),
                subject=thing.clip_id or thing.source_id,
                need=need,
            )
        )

    def _by_itself_of(self, person: Person, thing: Watched, wall: TimeRange | None) -> Watch:
        """Without accounts: the watch that this thing is being looked at with, or a new one."""
        now_us = self._clock.now_us()
        key = thing.clip_id or f"{thing.source_id} {wall.start_us if wall else ''}"
        with self._lock:
            watch, noted_us = self._by_itself.get(key, (None, 0))
            if watch is not None and now_us - noted_us < _TOUCH_US:
                return watch
            if watch is not None:
                try:
                    self._catalogue.watches.beat(watch.id, (), now_us)
                except WatchRefused:
                    watch = None  # it is over
            watch = watch or self._open_by_itself(person, thing, wall)
            kept = {one: held for one, held in self._by_itself.items() if now_us - held[1] < LASTS_US}
            self._by_itself = {**kept, key: (watch, now_us)}
            return watch

    def _open_by_itself(self, person: Person, thing: Watched, wall: TimeRange | None) -> Watch:
        if thing.clip_id:
            return self.open(person, WatchKind.REPLAY, clip_ids=[thing.clip_id]).watch
        return self.open(person, WatchKind.REPLAY, source_ids=[thing.source_id], wall=wall).watch


def _within(things: Iterable[Thing], window: TimeRange | None) -> list[Thing]:
    """Things, of whose footage only that of a time is asked for; what has none of it is left out."""
    if window is None:
        return list(things)
    found = []
    for one in things:
        start_us = max(window.start_us, -EVER_US if one.wall_start_us is None else one.wall_start_us)
        end_us = min(window.end_us, EVER_US if one.wall_end_us is None else one.wall_end_us)
        if start_us < end_us:
            found.append(replace(one, wall_start_us=start_us, wall_end_us=end_us))
    return found


def _window(watch: Watch) -> TimeRange | None:
    """The time that a watch is limited to."""
    if watch.wall_start_us is None or watch.wall_end_us is None:
        return None
    return TimeRange(start_us=watch.wall_start_us, end_us=watch.wall_end_us)


def _holds(watch: Watch, footage_us: int) -> bool:
    window = _window(watch)
    return window is None or window.contains(footage_us)


def _is_of(watch: Watch, person: Person) -> bool:
    return watch.account_id == person.id and watch.login_id == person.login_id


def _names(watch: Watch, thing: Watched) -> bool:
    """Whether a watch is of that: its clip, or, of what is no clip, its source as such."""
    if thing.clip_id:
        return thing.clip_id in watch.clips
    return any(one.source_id == thing.source_id and not one.clip_id for one in watch.things)
