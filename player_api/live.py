"""Live pictures: one WebSocket a page, all panes on it (``docs/design/live.md``)."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, WebSocket
from pydantic import Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnect

from catalog.catalogue import Catalogue
from catalog.readiness import Watch
from kernel.access import WATCH
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError
from kernel.log import logger
from kernel.model.watching import Shown, WatchKind
from kernel.settings import Closed
from kernel.timerange import TimeRange
from player_api.gate import Gate, Subject
from player_api.live_hub import LiveHub, Lost, Makers
from player_api.live_listing import LiveSources, live_sources
from player_api.live_places import NewestPlaces, cause_of
from player_api.live_queue import Kind, Message, PaneQueue
from player_api.watching import Watching

MOST_PANES = 36
CHECK_S = 3.0  # how often it is asked again whether everybody may still see what they see
BEAT_US = 10 * SECOND_US  # how often it is recorded until when somebody watched
_UNTAKEN_US = SECOND_US  # a page that has not taken what was sent so long ago is sent nothing more for now
_LARGEST_WORD = 4096  # characters of a control message
_POLICY = 1008  # close codes of RFC 6455, 7.4.1
_NO_RING = "这台服务器上没有录像,无法直播。Nothing is recorded on this machine, so nothing is live."
_ANOTHER_SESSION = "shows_another"  # of ``Watching.check``

_log = logger("live")

Projects = Annotated[tuple[str, ...], Query(max_length=20)]


class Subscribe(Closed):
    """Show a source in a pane, in place of what it shows now."""

    do: Literal["subscribe"]
    pane: int = Field(ge=0, lt=MOST_PANES)
    source_id: str = Field(min_length=1, max_length=200)
    plays: frozenset[Annotated[str, Field(max_length=8)]] = Field(max_length=8)


class Unsubscribe(Closed):
    """Show nothing there any more."""

    do: Literal["unsubscribe"]
    pane: int


class Listen(Closed):
    """Sound of one pane, or of none."""

    do: Literal["listen"]
    pane: int | None


class Got(Closed):
    """How many bytes of frames have arrived since the beginning."""

    do: Literal["got"]
    bytes: int = Field(ge=0)


Order = Annotated[Subscribe | Unsubscribe | Listen | Got, Field(discriminator="do")]
_ORDER: TypeAdapter[Order] = TypeAdapter(Order)


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """What the wiring gives the live page."""

    catalogue: Catalogue
    clock: Clock
    gate: Gate
    watching: Watching
    hub: LiveHub | None  # None: the ring is not on this machine


def live_from(
    catalogue: Catalogue,
    clock: Clock,
    gate: Gate,
    watching: Watching,
    watch: Watch,
    makers: Makers | None = None,
) -> Live:
    """Live pictures out of the ring that ``watch`` names."""
    hub = None
    if watch.ring is not None and watch.live is not None:
        newest = NewestPlaces(catalogue)
        hub = LiveHub(ring=watch.ring, live_dir=watch.live, newest=newest, clock=clock, makers=makers)
    return Live(catalogue=catalogue, clock=clock, gate=gate, watching=watching, hub=hub)


def live_router(live: Live) -> APIRouter:
    """``/api/live``, and what may be watched there."""
    router = APIRouter(tags=["live"])

    @router.websocket("/api/live", dependencies=[live.gate.inside(WATCH)])
    async def watch(socket: WebSocket) -> None:
        await socket.accept()
        await Page(socket, live).run()

    @router.get("/api/live/sources", dependencies=[live.gate.inside(WATCH)])
    def sources(project_id: Projects = ()) -> LiveSources:
        """Sessions that run now, of those projects or of all, with what of them may be watched."""
        return live_sources(live.catalogue, live.clock, live.gate, frozenset(project_id))

    return router


class _Pane:
    """One pane; a ``live_hub.Watcher``."""

    def __init__(self, page: Page, order: Subscribe, watch_id: str) -> None:
        self.queue = PaneQueue(page.clock, page.wake)
        self.order = order
        self.number = order.pane
        self.source_id = order.source_id
        self.plays = order.plays
        self.watch_id = watch_id
        self.listens = False
        self._page = page
        self._out: TimeRange | None = None  # sent since the last word about it
        self._told_drops = 0

    def lost(self, lost: Lost) -> None:
        self._page.ask_why(self, lost)

    def found(self) -> None:
        self._page.say(say="found", pane=self.number)

    def unplayable(self, kind: str, *, sound: bool, busy: bool) -> None:
        self._page.say(say="unplayable", pane=self.number, kind=kind, sound=sound, busy=busy)

    def went_out(self, message: Message) -> None:
        """Keep what was sent, for the record of watching."""
        if message.kind is Kind.FRAGMENT and not message.sound:
            start_us = self._out.start_us if self._out else message.wall.start_us
            end_us = max(start_us, message.wall.end_us)
            self._out = TimeRange(start_us=min(start_us, message.wall.start_us), end_us=end_us)

    def take_shown(self) -> list[Shown]:
        out, self._out = self._out, None
        if out is None:
            return []
        return [Shown(source_id=self.source_id, from_us=out.start_us, to_us=out.end_us)]

    def new_drops(self) -> int:
        new, self._told_drops = self.queue.dropped_groups - self._told_drops, self.queue.dropped_groups
        return new


class Page:
    """One connection."""

    def __init__(self, socket: WebSocket, live: Live) -> None:
        self.clock = live.clock
        self._socket = socket
        self._live = live
        self._person = live.gate.person()
        self._panes: dict[int, _Pane] = {}
        self._words: deque[Mapping[str, Any]] = deque()
        self._awake = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._untaken: deque[tuple[int, int]] = deque()  # bytes sent up to a moment, and the moment
        self._tells = False  # whether the page says what has arrived

    # What panes want.

    def wake(self) -> None:
        """Something waits to be sent."""
        self._awake.set()

    def say(self, **word: Any) -> None:
        """A control message, before all that waits."""
        self._words.append(word)
        self.wake()

    def ask_why(self, pane: _Pane, lost: Lost) -> None:
        """The catalogue may know why; the page is told at once, and again when it does."""
        self.say(say="lost", pane=pane.number, since_us=lost.since_us, shortfall=None, fault=None, detail="")
        task = asyncio.get_running_loop().create_task(self._tell_why(pane, lost))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _tell_why(self, pane: _Pane, lost: Lost) -> None:
        for seconds in (0.0, 1.0, 3.0, 10.0):  # a recorder may need some seconds to find out
            await self.clock.wait(seconds)
            if self._panes.get(pane.number) is not pane:
                return
            with suppress(JianzhengError):
                cause = await asyncio.to_thread(cause_of, self._live.catalogue, pane.source_id, self.clock)
                if cause.shortfall is not None:
                    self.say(
                        say="lost",
                        pane=pane.number,
                        since_us=lost.since_us or cause.since_us,
                        shortfall=cause.shortfall,
                        fault=cause.fault,
                        detail=cause.detail,
                    )
                    return

    # The connection.

    async def run(self) -> None:
        """Until it ends, by whichever side."""
        self._tell_time()
        tasks = [
            asyncio.create_task(work, name="live page")
            for work in (self._receive(), self._send(), self._check())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, *self._asking):
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.shield(self._close_all())
        _raise_unforeseen(results)

    def _tell_time(self) -> None:
        """A browser's clock is its own; how old a picture is goes by this one."""
        self.say(say="time", at_us=self.clock.now_us())

    async def _close_all(self) -> None:
        for number in list(self._panes):
            await self._leave(number)

    async def _receive(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if len(text) > _LARGEST_WORD:
                await self._socket.close(_POLICY, "too long")
                return
            try:
                order = _ORDER.validate_json(text)
            except ValidationError:
                self.say(say="misunderstood")
                continue
            await self._obey(order)

    async def _obey(self, order: Order) -> None:
        if isinstance(order, Got):
            self._taken(order.bytes)
        elif isinstance(order, Listen):
            self._listen(order.pane)
        elif isinstance(order, Unsubscribe):
            await self._leave(order.pane)
        else:
            await self._subscribe(order)

    def _taken(self, total: int) -> None:
        self._tells = True
        while self._untaken and self._untaken[0][0] <= total:
            self._untaken.popleft()
        self.wake()

    def _listen(self, number: int | None) -> None:
        for pane in self._panes.values():
            listens = pane.number == number
            if listens != pane.listens and self._live.hub is not None:
                pane.listens = listens
                self._live.hub.listen(pane.source_id, pane)

    async def _subscribe(self, order: Subscribe) -> None:
        """Who may not see it gets no byte, and nobody one before the record of it (invariants 14, 15)."""
        await self._leave(order.pane)
        hub = self._live.hub
        if hub is None:
            self.say(say="refused", pane=order.pane, code="no_ring", message=_NO_RING)
            return
        try:
            watch_id = await asyncio.to_thread(self._open, order.source_id)
        except (HTTPException, JianzhengError) as error:
            self.say(say="refused", pane=order.pane, **_detail(error, order.source_id))
            return
        pane = self._panes[order.pane] = _Pane(self, order, watch_id)
        self.say(say="subscribed", pane=order.pane, source_id=order.source_id)
        hub.watch(order.source_id, pane)

    def _open(self, source_id: str) -> str:
        """On a thread. Raises: HTTPException, JianzhengError."""
        gate = self._live.gate
        if self._person.local and not gate.things(Subject.SOURCE, source_id):
            raise HTTPException(404, "没有这个来源。No such source.")
        return self._live.watching.open(self._person, WatchKind.LIVE, source_ids=[source_id]).id

    async def _leave(self, number: int) -> None:
        pane = self._panes.pop(number, None)
        if pane is None:
            return
        if self._live.hub is not None:
            self._live.hub.leave(pane.source_id, pane)
        pane.queue.clear()
        await asyncio.to_thread(self._close, pane)

    def _close(self, pane: _Pane) -> None:
        try:
            self._live.watching.close(pane.watch_id, pane.take_shown())
        except JianzhengError as error:
            _log.error(str(error), action="watch.unclosed", source=pane.source_id)

    # Sending.

    async def _send(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while await self._send_one_of_each():
                pass

    async def _send_one_of_each(self) -> bool:
        """Words, then one message of every pane in turn, so that none waits for another's group."""
        while self._words:
            await self._socket.send_text(json.dumps(self._words.popleft(), ensure_ascii=False))
        if self._is_behind():
            return False
        sent = False
        for pane in list(self._panes.values()):
            if drops := pane.new_drops():
                self.say(say="dropped", pane=pane.number, groups=drops)
            message = pane.queue.take()
            if message is not None:
                await self._send_message(pane, message)
                sent = True
        return sent or bool(self._words)

    async def _send_message(self, pane: _Pane, message: Message) -> None:
        if message.kind is Kind.INIT:
            word = {"say": "begins", "pane": pane.number, "mime": message.mime}
            await self._socket.send_text(
                json.dumps({**word, "sound": message.sound, "derived": message.derived})
            )
        data = message.framed(pane.number)
        self._sent += len(data)
        self._untaken.append((self._sent, self.clock.monotonic_us()))
        await self._socket.send_bytes(data)
        pane.went_out(message)

    def _is_behind(self) -> bool:
        """What the line does not take waits here, where whole groups of it can be left out, and not in the
        system's buffers, which hold seconds."""
        if not self._untaken:
            return False
        if not self._tells:
            self._untaken.clear()
            return False
        return self.clock.monotonic_us() - self._untaken[0][1] > _UNTAKEN_US

    # Looking again.

    async def _check(self) -> None:
        beaten_us = self.clock.monotonic_us()
        while True:
            await self.clock.wait(CHECK_S)
            self._tell_time()
            beat = self.clock.monotonic_us() - beaten_us >= BEAT_US
            if beat:
                beaten_us = self.clock.monotonic_us()
            ended = await asyncio.to_thread(self._look_again, list(self._panes.values()), beat)
            for pane, said in ended:
                if self._panes.get(pane.number) is pane:
                    await self._end(pane, said)

    def _look_again(self, panes: list[_Pane], beat: bool) -> list[tuple[_Pane, Mapping[str, Any]]]:
        """On a thread: what may not be sent any more, and why."""
        ended: list[tuple[_Pane, Mapping[str, Any]]] = []
        for pane in panes:
            try:
                self._live.watching.check(pane.watch_id, self._person)
                if beat:
                    self._live.watching.beat(pane.watch_id, pane.take_shown())
            except (HTTPException, JianzhengError) as error:
                ended.append((pane, _detail(error, pane.source_id)))
        return ended

    async def _end(self, pane: _Pane, said: Mapping[str, Any]) -> None:
        """A camera that turned to another session is asked for anew; all else ends."""
        await self._leave(pane.number)
        if said["code"] == _ANOTHER_SESSION:
            await self._subscribe(pane.order)
        else:
            self.say(say="refused", pane=pane.number, **said)


def _detail(error: HTTPException | JianzhengError, source_id: str) -> Mapping[str, Any]:
    """A refusal for the page: which, and in words."""
    if isinstance(error, JianzhengError):
        _log.error(str(error), action="live.unrecorded", source=source_id)
        return {"code": "unrecorded", "message": str(error)}
    told: Any = error.detail
    if isinstance(told, str):
        return {"code": "", "message": told}
    return {"code": told["code"], "message": told["message"]}


def _raise_unforeseen(results: list[Any]) -> None:
    """A connection may end in many ways; what else happened is no secret."""
    for one in results:
        ended = isinstance(one, WebSocketDisconnect | asyncio.CancelledError | OSError | RuntimeError)
        if isinstance(one, BaseException) and not ended:
            raise one
