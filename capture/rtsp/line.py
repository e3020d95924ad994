"""The connection below RTSP: a socket that is looked at again and again instead of at every arrival.

A camera sends a packet of 1400 bytes every few milliseconds. To wake up for each costs more than all that is
done with it, so data gathers in the system's buffer and is taken at a beat that all connections share
(``docs/design/time.md`` says what that does to arrival times). While nobody reads, the buffer fills and TCP
holds the device back.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
from contextlib import suppress

from kernel.clock import Clock
from kernel.errors import NetworkDown, NotListening, SourceUnreachable

BEAT_US = 87_000
"""In step with no usual frame rate (1 to 30 pictures a second): within a second or two, some picture is seen
almost at the moment at which it arrives, and the least-delay rule goes by that one."""
_ROUND = 2
"""Beats whose data is taken apart in one go, for all connections at the same time: what the processor then
has at hand serves them all, which spares a fifth. Each piece keeps the time at which it was found."""
_HURRIED_US = BEAT_US // 3
"""Beat of a connection whose source somebody watches live; what it brings is taken apart at once. Every third
of its beats is one of the others, so the least delay that is found is never a greater one."""
_ROUND_BYTES = 512 * 1024  # no longer a round than this, so that what waits is bounded
ANSWER_BEAT_S = 0.02  # answers to requests are looked for more often
READ_BYTES = 64 * 1024  # more than this is read at once again; it bounds what a connection holds here
_UNSENT_BYTES = 64 * 1024  # requests are small: a device that takes no more of them is gone
_NOTHING_COMES_BACK = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN}
)


def unreachable(error: OSError, what: str) -> SourceUnreachable:
    """What an error of the system means: that the device is gone, or that the way to it is."""
    kind = NetworkDown if error.errno in _NOTHING_COMES_BACK else SourceUnreachable
    if error.errno == errno.ECONNREFUSED:
        kind = NotListening
    return kind(f"{what} ({_reason(error)}).")


def _reason(error: OSError) -> str:
    """In the system's words; asyncio's name the address once more. Errors of names have no number of it."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


class Line:
    """A connected socket. Made by ``open_line``."""

    def __init__(self, connected: socket.socket, *, name: str, clock: Clock) -> None:
        self._socket = connected
        self._name = name  # of the source, for messages
        self._clock = clock
        self._unsent = b""
        self._full = False  # the last look found more than it could take
        self._over: SourceUnreachable | None = None  # to be told at the next look
        self.hurried = False  # somebody watches: see ``_HURRIED_US``

    async def gathered(self) -> bytes:
        """What has come until the next beat; empty where nothing has.

        Raises:
            SourceUnreachable: the connection is over.
        """
        if self._over is not None:
            raise self._over
        if not self._full:
            beat_us = _HURRIED_US if self.hurried else BEAT_US
            await self._clock.wait((beat_us - self._clock.monotonic_us() % beat_us) / 1_000_000)
        else:
            await self._clock.wait(0)
        return self._take()

    async def round(self) -> list[tuple[int, bytes]]:
        """What was found at each beat of a round, with the wall time of the find; empty where nothing was.

        Raises:
            SourceUnreachable: the connection is over.
        """
        found: list[tuple[int, bytes]] = []  # by monotonic time: wall time may be set meanwhile
        size = 0
        while size < _ROUND_BYTES:
            try:
                data = await self.gathered()
            except SourceUnreachable as error:
                if not found:
                    raise
                self._over = error  # after what came before it
                break
            now_us = self._clock.monotonic_us()
            if data:
                found.append((now_us, data))
                size += len(data)
            if self.hurried or now_us // BEAT_US % _ROUND == 0:
                break
        wall_us = self._clock.now_us() - self._clock.monotonic_us()
        return [(wall_us + at_us, data) for at_us, data in found]

    async def next(self) -> bytes:
        """What comes next; waits for it, and lets others go on even if it is there: who floods us while we
        wait for an answer must stop neither them nor our time-outs.

        Raises:
            SourceUnreachable: the connection is over.
        """
        await self._clock.wait(0)
        while not (data := self._take()):
            await self._clock.wait(ANSWER_BEAT_S)
        return data

    async def glance(self) -> bytes:
        """What has come, after a moment that is shorter than a beat; empty where nothing has.

        Raises:
            SourceUnreachable: the connection is over.
        """
        await self._clock.wait(ANSWER_BEAT_S)
        return self._take()

    def _take(self) -> bytes:
        try:
            if self._unsent:
                self._send()
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            self._full = False
            return b""
        except OSError as error:
            raise unreachable(error, f"source {self._name}: the connection broke") from None
        if not data:
            raise SourceUnreachable(f"source {self._name}: the device closed the connection.")
        self._full = len(data) == READ_BYTES
        return data

    def write(self, data: bytes) -> None:
        """Send, as soon as the device takes it.

        Raises:
            SourceUnreachable: it takes nothing any more; a broken connection is told by the next look.
        """
        self._unsent += data
        if len(self._unsent) > _UNSENT_BYTES:
            raise SourceUnreachable(f"source {self._name}: the device takes no requests any more.")
        with suppress(OSError):
            self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def rename(self, name: str) -> None:
        """From now on it is this source's."""
        self._name = name

    @property
    def addresses(self) -> tuple[str, str]:
        """This machine's and the device's, as the connection has them.

        Raises:
            SourceUnreachable: the connection is over.
        """
        try:
            return str(self._socket.getsockname()[0]), str(self._socket.getpeername()[0])
        except OSError as error:
            raise unreachable(error, f"source {self._name}: the connection broke") from None

    @property
    def hung_up(self) -> bool:
        """Whether the other end closed the connection; what it sent before may not have been read yet."""
        looking = select.poll()
        looking.register(self._socket, select.POLLRDHUP)
        return bool(looking.poll(0))  # errors and hang-ups are told without being asked for

    def close(self) -> None:
        self._socket.close()


async def open_line(host: str, port: int, *, name: str, clock: Clock) -> Line:
    """Raises: OSError: the host cannot be reached."""
    return Line(await connect(host, port), name=name, clock=clock)


async def connect(host: str, port: int) -> socket.socket:
    """A connection to the first of the host's addresses that takes one.

    Raises:
        OSError: none does.
    """
    loop = asyncio.get_running_loop()
    failed: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failed = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failed
