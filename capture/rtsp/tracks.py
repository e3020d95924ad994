"""The tracks of a connection together: packets in by their channels, deliveries out, silence noticed."""

from __future__ import annotations

from collections.abc import Callable

from capture.packets import Delivery
from capture.rtsp.message import DOLLAR
from capture.rtsp.reports import Reports
from capture.rtsp.rows import HEADERS
from capture.rtsp.track import RtpTrack
from kernel.clock import SECOND_US, Clock
from kernel.errors import SendsNoPicture, SourceSendsGarbage, SourceUnreachable


class Tracks:
    """What a device plays or pushes; takes its packets as ``Frames``."""

    def __init__(self, *, name: str, clock: Clock, silence_seconds: float) -> None:
        self._name = name  # of the source, for messages
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._video: RtpTrack | None = None
        self._by_channel: dict[int, RtpTrack] = {}  # of its RTP; RTCP comes by the next
        self._reports = Reports()
        self._last_picture_us = clock.monotonic_us()
        self._pictures = 0  # at the last look at the clock
        self._arrival_us = 0  # of what is being taken
        self._found: list[Delivery] = []

    def add(self, channel: int, track: RtpTrack, *, video: bool) -> None:
        self._by_channel[channel] = track
        if video:
            self._video = track

    def __len__(self) -> int:
        return len(self._by_channel)

    def started(self) -> list[Delivery]:
        """What is known of the tracks before their first packets."""
        return [one for track in self._by_channel.values() for one in track.started()]

    def begin(self) -> None:
        """From now on pictures must come."""
        self._last_picture_us = self._clock.monotonic_us()

    def look(self, at_us: int | None = None) -> None:
        """What is taken from now on arrived then, or now."""
        self._arrival_us = self._clock.now_us() if at_us is None else at_us

    def take(self, channel: int, payload: bytes) -> None:
        """One packet (``Frames``)."""
        track = self._by_channel.get(channel)
        if track is not None:
            if found := track.take_rtp(payload, self._arrival_us):
                self._found += found
        elif (owner := self._by_channel.get(channel - 1)) is not None:
            owner.take_rtcp(payload, self._clock.monotonic_us())

    def take_usual(self, data: bytes, start: int) -> int:
        """Packets that are as usual (``Frames``)."""
        tracks, arrival_us, found = self._by_channel, self._arrival_us, self._found
        end = len(data) - HEADERS.size
        while start <= end:
            track = tracks.get(data[start + 1]) if data[start] == DOLLAR else None
            behind = start if track is None else track.take_usual(data, start, arrival_us, found)
            if behind == start:
                break
            start = behind
        return start

    def found(self) -> list[Delivery]:
        """What the packets since the last call completed.

        Raises:
            SourceUnreachable: there has been no picture for too long, or the device said goodbye.
            SourceSendsGarbage: something came all that time, and nothing of it was a picture.
        """
        if not self._found and self.ended:
            raise SourceUnreachable(f"source {self._name}: the device ended the stream.")
        self._check_silence()
        found, self._found = self._found, []
        return found

    @property
    def ended(self) -> bool:
        """Whether the device said that it sends no more pictures."""
        return self._video is not None and self._video.ended

    def _check_silence(self) -> None:
        """Neither sound alone nor garbage keeps a source alive."""
        now_us = self._clock.monotonic_us()
        pictures, before = self._video.pictures if self._video else 0, self._pictures
        if pictures != before:
            self._pictures, self._last_picture_us = pictures, now_us
        elif now_us - self._last_picture_us > self._silence_seconds * SECOND_US:
            since = f"for {self._silence_seconds:g} s"
            if self._video is not None and self._video.rubbish:
                raise SourceSendsGarbage(f"source {self._name}: nothing that can be decoded {since}.")
            raise SendsNoPicture(f"source {self._name}: no picture {since}.")

    def report(self, send: Callable[[int, bytes], None]) -> None:
        """Tell the device what came, when that is due: ``send(channel, packet)``."""
        now_us = self._clock.monotonic_us()
        if self._reports.due(now_us):
            for channel, track in self._by_channel.items():
                packet = self._reports.report(channel, track, now_us)
                if packet is not None:
                    send(channel + 1, packet)
