"""Where devices call that push by RTSP: one listener per recording process, a path per source."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from capture.push.refusals import RefusalLog, Refused
from capture.push.session import PushSession, path_of, push_remedy
from capture.rtsp.line import Line
from kernel.clock import SECOND_US, Clock
from kernel.errors import NotCalling, ServerError, SourceError
from kernel.log import logger
from kernel.settings import CaptureSettings, SourceSpec

_BACKLOG = 64
_MOST_CALLERS = 256  # connections that have not begun to record; more are somebody's attack
_MOST_OF_ONE = 8  # of them, from one address
_ACCEPT_AGAIN_S = 1.0  # after the system had no room for another connection
_SILENT_US = 2 * SECOND_US
"""A device that has sent nothing for so long may be replaced by one that calls on its path."""
_LATELY_US = 300 * SECOND_US
"""Who was turned away longer ago explains nothing any more."""
_LONG_WAITS = 12
"""After a first wait in vain a device is waited for so many times as long: between two waits the recorder
pauses, and who calls in a pause may be hung up on before it is over."""

_log = logger("capture")


@dataclass(slots=True)
class _Desk:
    """What is known of a path."""

    spec: SourceSpec
    wanted_us: int | None = None  # until when the recorder waits or waited (monotonic); None: never, released
    in_vain: bool = False  # the last wait for it was
    news: asyncio.Event = field(default_factory=asyncio.Event)  # somebody called
    waiting: PushSession | None = None  # has called, for the recorder to take up
    waiting_us: int = 0  # since when (monotonic)
    current: PushSession | None = None  # what is being recorded
    refusal: SourceError | None = None  # of what was announced last
    turned_away: SourceError | None = None  # who called last and did not prove the password
    turned_away_us: int = 0  # when (monotonic)

    async def take_waiting(self, since_us: int) -> PushSession | None:
        """Who has called since then and is still there.

        What waited longer, or ended meanwhile, is footage of another time: it lies in the system's buffers,
        and would be dated by when it is read.

        Raises:
            SourceError: who called last announced what cannot be recorded.
        """
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal
        session, self.waiting = self.waiting, None
        if session is not None and (session.closed or self.waiting_us < since_us):
            await session.close()
            return None
        return session

    async def hang_up(self) -> None:
        """On whoever waits."""
        session, self.waiting = self.waiting, None
        if session is not None:
            await session.close()


class PushListener:
    """Between ``start`` and ``stop``, ``open_source`` opens sources whose uri is ``push+rtsp:///PATH``."""

    def __init__(self, settings: CaptureSettings, clock: Clock, specs: Sequence[SourceSpec] = ()) -> None:
        """``specs``: sources that may be opened, so that none is taken for unknown before it is."""
        self._paths = {path_of(spec.uri) for spec in specs}
        self._refusals = RefusalLog(clock)
        self._settings = settings
        self._clock = clock
        self._desks: dict[str, _Desk] = {}  # by path
        self._server: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._callers: dict[asyncio.Task[None], str] = {}  # with their addresses
        self._parked: set[asyncio.Task[None]] = set()  # that hang up on who waits for too long
        self.port = 0

    async def start(self) -> None:
        """Listen on ``push_host`` and ``push_port`` (0: any; ``port`` tells which).

        Raises:
            ServerError: the address cannot be used.
        """
        host, port = self._settings.push_host, self._settings.push_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._server = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise ServerError(
                f"Devices cannot push: {host}:{port} cannot be listened on ({error.strerror}).",
                hint="Choose another capture.push_port, or end the program that uses it.",
            ) from None
        self._server.setblocking(False)
        self.port = int(self._server.getsockname()[1])
        self._accepting = asyncio.create_task(self._run(self._server), name="push listener")

    async def stop(self) -> None:
        """Hang up on everybody who is not being recorded, and listen no more."""
        tasks = [task for task in (self._accepting, *self._callers, *self._parked) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for desk in self._desks.values():
            await desk.hang_up()
        if self._server is not None:
            self._server.close()

    async def open_source(self, spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> PushSession:
        """What the device of that source pushes, once it calls; an ``OpenSource``.

        Raises:
            NotCalling: it has not called for ``connect_seconds``, or several times that from the
                second try on; it may while nobody waits.
            SourceRefused: it called meanwhile, or somebody did, without the right password.
            SourceError: it called and announced what cannot be recorded.
        """
        desk = self._desks.setdefault(path_of(spec.uri), _Desk(spec=spec))
        desk.spec, desk.current = spec, None
        patience_s = settings.connect_seconds * (_LONG_WAITS if desk.in_vain else 1)
        desk.wanted_us = self._clock.monotonic_us() + round(patience_s * SECOND_US)
        try:
            async with asyncio.timeout(patience_s):
                session = await self._next_caller(desk)
        except TimeoutError:
            desk.in_vain = True
            raise self._in_vain(desk) from None
        except asyncio.CancelledError:  # released
            desk.wanted_us = None
            await desk.hang_up()
            raise
        desk.current, desk.in_vain = session, False
        return session

    def _in_vain(self, desk: _Desk) -> SourceError:
        """Why nobody was taken up. A wrong password ends no wait, or strangers could keep the device out."""
        turned_away, desk.turned_away = desk.turned_away, None
        if turned_away is not None and self._clock.monotonic_us() - desk.turned_away_us < _LATELY_US:
            return turned_away
        message = f"source {desk.spec.id}: waiting for the device to call."
        return NotCalling(message, hint=push_remedy(desk.spec, self._settings))

    async def _next_caller(self, desk: _Desk) -> PushSession:
        while True:
            desk.news.clear()
            session = await desk.take_waiting(self._clock.monotonic_us() - self._parked_us)
            if session is not None:
                return session
            await desk.news.wait()

    @property
    def _parked_us(self) -> int:
        """How long a caller may wait for the recorder."""
        return round(self._settings.silence_seconds * SECOND_US)

    async def _run(self, server: socket.socket) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, address = await loop.sock_accept(server)
            except OSError as error:  # no room for another connection
                _log.warning(f"a call could not be taken: {error.strerror}", action="push.refused")
                await self._clock.wait(_ACCEPT_AGAIN_S)
                continue
            self._receive(connected, str(address[0]))

    def _receive(self, connected: socket.socket, peer: str) -> None:
        callers = list(self._callers.values())
        if len(callers) >= _MOST_CALLERS or callers.count(peer) >= _MOST_OF_ONE:
            connected.close()
            return
        connected.setblocking(False)
        task = asyncio.create_task(self._greet(connected, peer))
        self._callers[task] = peer
        task.add_done_callback(self._callers.pop)

    async def _greet(self, connected: socket.socket, peer: str) -> None:
        """A connection up to RECORD; then it is the recorder's."""
        line = Line(connected, name=f"calling from {peer}", clock=self._clock)
        local = str(connected.getsockname()[0])
        session = PushSession(line, peer, local, self._settings, self._clock, self._admit)
        try:
            async with asyncio.timeout(self._settings.connect_seconds * 2):
                await session.greet()
        except (SourceError, TimeoutError) as error:
            await session.close()
            if session.refused is not None:
                self._turned_away(session.refused, peer)
            self._note(session, error)
        except BaseException:
            await session.close()
            raise
        else:
            await self._hand_over(session)

    def _turned_away(self, refused: Refused, peer: str) -> None:
        if refused.status == 404 and self._known(refused.path) in self._paths | self._desks.keys():
            return  # its source is not to be recorded now
        told = refused.explain(peer)
        self._refusals.tell(told)
        desk = self._desks.get(refused.path) if refused.source_id else None
        if desk is not None:
            desk.turned_away, desk.turned_away_us = told, self._clock.monotonic_us()

    def _note(self, session: PushSession, error: SourceError | TimeoutError) -> None:
        """What a device announced that cannot be recorded is told where the recorder asks."""
        if session.spec is None or not isinstance(error, SourceError) or error.retryable:
            return
        desk = self._desks[path_of(session.spec.uri)]
        desk.refusal = error
        desk.news.set()

    def _admit(self, path: str) -> SourceSpec | int:
        """404 for a path of no source that is to be recorded now, 453 for one that another device uses."""
        desk = self._desks.get(self._known(path))
        if desk is None or not self._wanted(desk):
            return 404
        for other in (desk.current, desk.waiting):
            if other is not None and not other.closed and other.silent_us < _SILENT_US:
                return 453
        return desk.spec

    def _wanted(self, desk: _Desk) -> bool:
        """Whether the recorder records it or waits for it, or did lately: it pauses between its tries."""
        current = desk.current
        if current is not None and not current.closed:
            return True
        if desk.wanted_us is None or (current is not None and current.released):
            return False
        lately_us = max(desk.wanted_us, current.heard_us if current is not None else 0)
        pause_us = round(2 * self._settings.retry_max_seconds * SECOND_US)
        return self._clock.monotonic_us() - lately_us <= pause_us

    def _known(self, path: str) -> str:
        """The path of a source; a track's own may be longer."""
        known = self._paths | self._desks.keys()
        above = [one for one in known if path.startswith(one + "/")]
        return path if path in known else max(above, key=len, default=path)

    async def _hand_over(self, session: PushSession) -> None:
        if session.spec is None:  # RECORD comes after ANNOUNCE, which sets it
            return
        desk = self._desks[path_of(session.spec.uri)]
        _log.info("a device pushes", action="push.begun", source=session.spec.id)
        if desk.current is not None and not desk.current.closed:
            desk.current.supersede()
        await desk.hang_up()
        desk.waiting, desk.waiting_us = session, self._clock.monotonic_us()
        desk.news.set()
        task = asyncio.create_task(self._hang_up_later(desk, session))
        self._parked.add(task)
        task.add_done_callback(self._parked.discard)

    async def _hang_up_later(self, desk: _Desk, session: PushSession) -> None:
        """On who is not taken up meanwhile; the device calls again."""
        await self._clock.wait(self._parked_us / SECOND_US)
        if desk.waiting is session:
            _log.info("a device pushed and nobody took it", action="push.hung_up", source=desk.spec.id)
            await desk.hang_up()
