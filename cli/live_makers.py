"""Live pictures and sound that browsers do not play, made by child processes: one each, bounded in number."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from contextlib import suppress

from capture.libav.live_encode import HEADER_BYTES, Piece, unpacked
from kernel.errors import BoxError
from kernel.isobmff.reader import read_init
from kernel.isobmff.tracks import Track
from kernel.log import logger
from kernel.settings import LiveSettings
from player_api.live_hub import Making, mime
from player_api.live_queue import Kind, Message

_UNREAD_BYTES = 4 << 20  # a child that is so far behind gets nothing before the next key frame
_log = logger("live")

Deliver = Callable[[Message], None]


class ChildMakers:
    """``live_hub.Makers`` by ``capture.libav.live_encode``."""

    def __init__(self, settings: LiveSettings) -> None:
        self._most = {"picture": settings.converted_pictures, "sound": settings.converted_sounds}
        self._running: dict[str, set[_Child]] = {"picture": set(), "sound": set()}

    def picture(self, deliver: Deliver) -> Making | None:
        return self._begin("picture", deliver)

    def sound(self, deliver: Deliver) -> Making | None:
        return self._begin("sound", deliver)

    def _begin(self, what: str, deliver: Deliver) -> Making | None:
        running = self._running[what]
        if len(running) >= self._most[what]:
            return None
        child = _Child(what, deliver, on_end=lambda ended: running.discard(ended))
        running.add(child)
        return child


class _Child:
    """One process and what is under way to it."""

    def __init__(self, what: str, deliver: Deliver, on_end: Callable[[_Child], None]) -> None:
        self._what = what
        self._deliver = deliver
        self._on_end = on_end
        self._waiting: list[bytes] = []  # before it runs
        self._input: asyncio.StreamWriter | None = None
        self._needs_key = False
        self._closed = False
        self._init = b""
        self._task = self._start()

    def _start(self) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._run(), name=f"live {self._what}")

    def feed(self, message: Message) -> None:
        """See ``live_hub.Making``."""
        if message.kind is Kind.FRAGMENT and self._needs_key and not message.key:
            return
        self._needs_key = self._is_behind()
        if self._needs_key and message.kind is Kind.FRAGMENT:
            return
        data = Piece(
            init=message.kind is Kind.INIT,
            data=message.data,
            key=message.key,
            wall=message.wall,
            media_us=message.media_us,
        ).packed()
        if message.kind is Kind.INIT:
            self._init = data
        if self._task.done() and message.key:
            self._input, self._waiting = None, [self._init]
            self._task = self._start()
        if self._input is None:
            self._waiting.append(data)
        elif not self._input.is_closing():
            self._input.write(data)

    def _is_behind(self) -> bool:
        if self._input is None:
            return sum(map(len, self._waiting)) > _UNREAD_BYTES
        return self._input.transport.get_write_buffer_size() > _UNREAD_BYTES

    def close(self) -> None:
        """See ``live_hub.Making``."""
        self._closed = True
        self._task.cancel()

    async def _run(self) -> None:
        """Until nobody wants it; one that ends by itself is started again with the next key frame."""
        try:
            await self._converse()
            if not self._closed:
                _log.error("a conversion ended by itself", action="live.converter", what=self._what)
        except OSError as error:
            _log.error(f"it cannot be converted: {error.strerror}", action="live.converter", what=self._what)
        finally:
            if self._closed:
                self._on_end(self)

    async def _converse(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "capture.libav.live_encode",
            self._what,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdin is not None and process.stdout is not None
            self._input = process.stdin
            self._input.write(b"".join(self._waiting))
            self._waiting.clear()
            await self._deliver_all(process.stdout)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())

    async def _deliver_all(self, output: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                size, piece = unpacked(await output.readexactly(HEADER_BYTES))
                data = await output.readexactly(size)
                if not self._closed:
                    self._deliver(self._message(piece, data))

    def _message(self, piece: Piece, data: bytes) -> Message:
        return Message(
            kind=Kind.INIT if piece.init else Kind.FRAGMENT,
            data=data,
            mime=mime(_track(data)) if piece.init else "",
            key=piece.key,
            sound=self._what == "sound",
            derived=True,
            wall=piece.wall,
            media_us=piece.media_us,
        )


def _track(data: bytes) -> Track:
    """Raises: BoxError: it is no init segment."""
    tracks = read_init(io.BytesIO(data)).tracks
    if len(tracks) != 1:
        raise BoxError("a converter's init segment has not one track.")
    return tracks[0]
