"""Sources that come through FFmpeg's libraries: RTMP pulled or pushed, and files.

One thread for each reads the container, since the libraries block, and gathers deliveries; the event loop
fetches them some times a second. What has gathered is bounded: beyond it the thread stops reading, and TCP
holds the sender back. The libraries are always given time-outs and are not trusted to keep them: ``read``
watches the pictures itself, and ``close`` never waits. A thread that still blocks ends with its time-out.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.error import FFmpegError

from capture.libav.demuxer import Demuxer
from capture.libav.errors import is_port_taken, source_error
from capture.packets import Delivery
from kernel.clock import SECOND_US, Clock
from kernel.errors import NotAnswering, NotCalling, SendsNoPicture, SourceError, SourceUnreachable
from kernel.log import logger
from kernel.model.footage import Packet
from kernel.settings import CaptureSettings, SourceSpec

_log = logger("capture")

THREAD_PREFIX = "libav "
"""Names of this module's threads begin so."""
_GATHER_SECONDS = 0.05
_MOST_GATHERED_BYTES = 8 << 20  # two seconds of 30 Mbit/s
_PROBE_SECONDS = 3  # FFmpeg looks at the beginning of a stream for so long, unless it knows all sooner
_LISTEN_SECONDS = 20  # then the port is opened anew, so that a thread that nobody needs can end
_LISTEN_PAUSE_SECONDS = 0.5  # after a caller that is no RTMP


class LibavSource:
    """A container that is being read; a ``PacketSource``. Made by ``open_libav``."""

    def __init__(self, spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> None:
        self._subject = f"source {spec.id}"
        self._url = _url(spec)
        self._listens = spec.scheme == "push+rtmp"
        self._settings = settings
        self._clock = clock
        self._changed = threading.Condition()  # guards what follows
        self._gathered: list[Delivery] = []
        self._gathered_bytes = 0
        self._opened = False
        self._closed = False
        self._error: SourceError | None = None  # why the thread has ended
        self._unwanted_us: int | None = None  # monotonic: nobody waits for a pusher any more then
        self._last_picture_us = 0  # monotonic; used on the event loop only
        self._thread = threading.Thread(target=self._read_all, name=THREAD_PREFIX + spec.id, daemon=True)
        self._thread.start()

    # --- on the thread

    def _read_all(self) -> None:
        error: SourceError = SourceUnreachable(f"{self._subject}: reading it failed.")
        try:
            with self._listen() if self._listens else self._connect() as container:
                demuxer = Demuxer(container, self._subject, self._clock)
                if demuxer.sound_left_out:
                    _log.warning(f"{self._subject}: {demuxer.sound_left_out}", action="sound.left_out")
                with self._changed:
                    self._opened = True
                for made in demuxer.deliveries():
                    if not self._gather(made):
                        break
            error = SourceUnreachable(f"{self._subject}: the stream ended.")
        except SourceError as known:
            error = known
        except FFmpegError as foreign:
            error = source_error(self._subject, foreign)
        finally:
            with self._changed:
                self._error = _of_a_push(error) if self._listens else error

    def _connect(self) -> InputContainer:
        began_us = self._clock.monotonic_us()
        longest = self._settings.connect_seconds + _PROBE_SECONDS
        try:
            return self._open({}, longest)
        except FFmpegError as error:
            waited_us = self._clock.monotonic_us() - began_us
            raise source_error(self._subject, error, waited_out=waited_us >= longest * SECOND_US) from None

    def _listen(self) -> InputContainer:
        """Wait for a pusher for as long as one is wanted; callers that are none are passed over."""
        while self._wanted():
            began_us = self._clock.monotonic_us()
            try:
                return self._open({"listen": "1"}, _LISTEN_SECONDS)
            except FFmpegError as error:
                if is_port_taken(error):
                    message = f"{self._subject}: its port cannot be listened on."
                    hint = "Choose another port in its uri, or end the program that uses it."
                    raise SourceUnreachable(message, hint=hint) from None
            if self._clock.monotonic_us() - began_us < _LISTEN_SECONDS * SECOND_US // 2:
                self._clock.sleep(_LISTEN_PAUSE_SECONDS)
        raise _nobody_pushes(self._subject)

    def _open(self, options: dict[str, str], open_seconds: float) -> InputContainer:
        probing = {"analyzeduration": str(_PROBE_SECONDS * SECOND_US), **options}
        times = (open_seconds, self._settings.silence_seconds)
        return av.open(self._url, "r", options=probing, timeout=times)

    def _wanted(self) -> bool:
        with self._changed:
            until_us = self._unwanted_us
            return not self._closed and (until_us is None or self._clock.monotonic_us() < until_us)

    def _gather(self, made: Sequence[Delivery]) -> bool:
        """Keep these for the event loop; waits while too much is kept. False: nobody wants any more."""
        size = sum(len(one.data) for one in made if isinstance(one, Packet))
        with self._changed:
            while self._gathered_bytes > _MOST_GATHERED_BYTES and not self._closed:
                self._changed.wait(_LISTEN_SECONDS)
                if self._unwanted_us is not None and self._clock.monotonic_us() > self._unwanted_us:
                    return False
            self._gathered += made
            self._gathered_bytes += size
            return not self._closed

    # --- on the event loop

    async def begun(self, seconds: float) -> bool:
        """Whether the stream has begun within so many seconds.

        Raises:
            SourceError: it will not.
        """
        with self._changed:
            self._unwanted_us = None
        until_us = self._clock.monotonic_us() + round(seconds * SECOND_US)
        while True:
            with self._changed:
                if self._opened or self._error is not None:
                    break
            if self._clock.monotonic_us() >= until_us:
                return False
            await self._clock.wait(_GATHER_SECONDS)
        if not self._opened and self._error is not None:
            raise self._error
        self._last_picture_us = self._clock.monotonic_us()
        return True

    async def read(self) -> Sequence[Delivery]:
        """See ``PacketSource``."""
        await self._clock.wait(_GATHER_SECONDS)
        with self._changed:
            gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
            error = self._error
            self._changed.notify_all()
        if error is not None and not gathered:
            raise error
        self._watch(gathered)
        return gathered

    def _watch(self, gathered: Sequence[Delivery]) -> None:
        """Sound alone does not keep a source alive, nor does a library that has stopped to answer."""
        now_us = self._clock.monotonic_us()
        if any(isinstance(one, Packet) and one.codec.is_video for one in gathered):
            self._last_picture_us = now_us
        elif now_us - self._last_picture_us > self._settings.silence_seconds * SECOND_US:
            raise SendsNoPicture(f"{self._subject}: no picture for {self._settings.silence_seconds:g} s.")

    async def close(self) -> None:
        """See ``PacketSource``. The thread ends by itself: at once, or when its time-out is over."""
        with self._changed:
            self._closed = True
            self._gathered, self._gathered_bytes = [], 0
            listening = self._listens and not self._opened
            self._changed.notify_all()
        if listening:
            _wake(self._url)

    def leave_listening(self, seconds: float) -> None:
        """Nobody waits now, but somebody may come back within so many seconds."""
        with self._changed:
            self._unwanted_us = self._clock.monotonic_us() + round(seconds * SECOND_US)

    @property
    def spent(self) -> bool:
        """Whether nothing more is to be had from it; what has gathered still is."""
        with self._changed:
            return self._closed or (self._error is not None and not self._gathered)


_listening: dict[str, LibavSource] = {}
"""Sources that wait for a pusher while their recorders pause between two tries, by address: a device that
calls in that pause is answered, and what it sends is kept for the next try."""


async def open_libav(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> LibavSource:
    """A playing source of the schemes rtmp, push+rtmp and file.

    Raises:
        SourceError: it cannot be had, or nobody pushes yet; the message names the source and what to do.
    """
    source = _listening.pop(spec.uri, None)
    if source is None or source.spent:
        source = LibavSource(spec, settings, clock)
    listens = spec.scheme == "push+rtmp"
    longest = settings.silence_seconds if listens else settings.connect_seconds + _PROBE_SECONDS + 1
    try:
        if await source.begun(longest):
            return source
    except BaseException:
        await source.close()
        raise
    if not listens:
        await source.close()
        raise NotAnswering(f"source {spec.id}: it does not answer in time.")
    source.leave_listening(2 * settings.retry_max_seconds)
    _listening[spec.uri] = source
    raise _nobody_pushes(f"source {spec.id}")


_PUSH_REMEDY = (
    "See whether the device is on and set to push to this machine, to port and path of the source's uri, and "
    "whether a firewall is in its way; recording begins by itself."
)


def _nobody_pushes(subject: str) -> NotCalling:
    return NotCalling(f"{subject}: nobody pushes to it.", hint=_PUSH_REMEDY)


def _of_a_push(error: SourceError) -> SourceError:
    """A device that calls us and is lost has no address here that could be looked at."""
    if error.remedy != SourceUnreachable.hint:
        return error  # it says itself what to do
    return NotCalling(error.message, hint=_PUSH_REMEDY)


def _url(spec: SourceSpec) -> str:
    """The address as FFmpeg wants it, with credentials; never for a message (invariant 16)."""
    parts = urlsplit(spec.uri)
    if parts.scheme == "file":
        return unquote(parts.path)
    login = ""
    if spec.username and spec.scheme == "rtmp":
        password = spec.password.get_secret_value()
        login = f"{quote(spec.username, safe='')}:{quote(password, safe='')}@"
    return urlunsplit(("rtmp", login + parts.netloc, parts.path, parts.query, ""))


def _wake(url: str) -> None:
    """Call a thread that listens, so that it sees at once that nobody needs it."""
    parts = urlsplit(url)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname or "")
    with suppress(OSError):
        socket.create_connection((host, parts.port or 1935), timeout=0.2).close()
