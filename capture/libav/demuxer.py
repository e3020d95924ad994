"""An opened container -> deliveries: which streams, what they are, when each packet is to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.container import InputContainer

from capture.libav.pictures import PictureTrack
from capture.libav.sound import SampleCount, SoundTrack, sound_track
from capture.packets import Delivery, PacketsLost, TrackStarted
from kernel.clock import Clock
from kernel.errors import CodecUnsupported, SourceHasNoVideo, SourceProtocolError
from kernel.model.footage import Codec, Packet

_VIDEO = {"h264": Codec.H264, "hevc": Codec.H265}
_WRAPS = {"flv": 1 << 32, "mpegts": 1 << 33}
"""Ticks after which a container's time stamps begin again: 32 bits of milliseconds (RTMP, 5.3.1.3) and 33
bits of 90 kHz (ISO/IEC 13818-1, 2.4.3.7). FFmpeg itself follows one wrap, not the second."""
_USUAL_TIMESCALE = 90_000
_AAC = "aac"
_MOST_HELD = 25  # a second of pictures


@dataclass(slots=True)
class _Sound:
    """The stream of sound that is recorded; ``track`` is known with its first packet."""

    stream: Any
    track: SoundTrack | None = None
    place: SampleCount | None = None


class Unwrapper:
    """Time stamps that wrap -> time stamps that do not, for all streams of a container alike."""

    def __init__(self, modulus: int) -> None:
        """``modulus``: ticks after which they begin again; 0 where they never do."""
        self._modulus = modulus
        self._last: int | None = None

    def unwrap(self, ticks: int) -> int:
        """The value nearest to the one before that the stamp may stand for."""
        if self._modulus and self._last is not None:
            turns = round((self._last - ticks) / self._modulus)
            ticks += turns * self._modulus
        self._last = ticks
        return ticks


class Demuxer:
    """Reads one container. Blocking; lives on its caller's thread."""

    def __init__(self, container: InputContainer, subject: str, clock: Clock) -> None:
        """``subject`` begins messages, such as "source cam".

        Raises:
            SourceHasNoVideo: there is no picture in it.
            CodecUnsupported: its pictures cannot be recorded.
            SourceProtocolError: its header is damaged.
        """
        self._container = container
        self._clock = clock
        self._video = _video_stream(container, subject)
        base = self._video.time_base
        self._timescale = base.denominator if base and base.numerator == 1 else _USUAL_TIMESCALE
        codec = _VIDEO[self._video.codec_context.name]
        self._pictures = PictureTrack(codec, self._timescale, self._video.codec_context.extradata or b"")
        self._sound = next((_Sound(stream=one) for one in container.streams if one.type == "audio"), None)
        self._times = Unwrapper(_WRAPS.get(container.format.name, 0))
        self.sound_left_out = ""  # why the sound is not recorded; empty while it is, or where there is none
        self._first = self._sound_by_header()

    def _sound_by_header(self) -> list[Delivery]:
        """A run has the sound that is known when it begins: told before any picture, where it can be."""
        sound = self._sound
        if sound is None or (
            sound.stream.codec_context.name == _AAC and not sound.stream.codec_context.extradata
        ):
            return []
        try:
            return [self._begin_sound(sound, b"")]
        except SourceProtocolError as error:
            self.sound_left_out = error.message
            return []

    @property
    def _sound_is_open(self) -> bool:
        """Whether it is still to be seen what the sound is."""
        return self._sound is not None and self._sound.track is None and not self.sound_left_out

    def deliveries(self) -> Iterator[list[Delivery]]:
        """What each packet of the container makes; ends when the container does.

        Sound that only its first packet explains (MPEG-TS) is waited for, not for long.

        Raises:
            FFmpegError: reading failed.
        """
        held = self._first
        for made in self._packets():
            held += made
            if not self._sound_is_open or len(held) >= _MOST_HELD:
                yield sorted(held, key=_is_no_sound_track)
                held = []
        if held:
            yield held

    def _packets(self) -> Iterator[list[Delivery]]:
        streams = [self._video] if self._sound is None else [self._video, self._sound.stream]
        for packet in self._container.demux(streams):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or not packet.size:
                continue
            seconds = self._times.unwrap(stamp) * packet.time_base
            arrival_us = self._clock.now_us()
            if packet.stream is self._video:
                yield self._picture(packet, seconds, arrival_us)
            else:
                yield self._heard(bytes(packet), seconds, arrival_us)

    def _picture(self, packet: Any, seconds: Fraction, arrival_us: int) -> list[Delivery]:
        pictures = self._pictures
        try:
            if packet.has_sidedata("new_extradata"):
                pictures.learn_header(bytes(packet.get_sidedata("new_extradata")))
            data, key = pictures.sample(bytes(packet))
        except SourceProtocolError:
            return [PacketsLost(codec=pictures.codec, count=1)]
        started = pictures.started()
        made: list[Delivery] = [started] if started else []
        if data:
            pts = round(seconds * self._timescale)
            made.append(_packet(pictures.codec, pts, data, key, arrival_us))
        return made

    def _heard(self, data: bytes, seconds: Fraction, arrival_us: int) -> list[Delivery]:
        """Trouble with the sound costs at most the sound (invariant 7)."""
        sound = self._sound
        if sound is None or self.sound_left_out:
            return []
        made: list[Delivery] = []
        try:
            if sound.track is None:
                made.append(self._begin_sound(sound, data))
            if sound.track is None or sound.place is None:
                return []
            frame = sound.track.frame(data)
            ticks = sound.place.place(seconds, sound.track.samples(frame))
        except SourceProtocolError as error:
            if sound.track is None:
                self.sound_left_out = error.message
                return []
            return [PacketsLost(codec=sound.track.info.codec, count=1)]
        return [*made, _packet(sound.track.info.codec, ticks, frame, True, arrival_us)]

    def _begin_sound(self, sound: _Sound, first: bytes) -> TrackStarted:
        context = sound.stream.codec_context
        name = context.name
        track = sound_track(name, context.sample_rate, context.channels, context.extradata or b"", first)
        if track is None:
            raise SourceProtocolError(f"sound of type {name} cannot be recorded.")
        sound.track, sound.place = track, SampleCount(track.info.timescale)
        return TrackStarted(info=track.info)


def _video_stream(container: InputContainer, subject: str) -> Any:
    """The first stream of pictures that can be recorded; covers of albums are none."""
    streams = list(container.streams.video)
    if not streams:
        raise SourceHasNoVideo(f"{subject}: it carries no video.")
    for stream in streams:
        if stream.codec_context is not None and stream.codec_context.name in _VIDEO:
            return stream
    context = streams[0].codec_context
    codec = context.name if context is not None else "unknown"
    raise CodecUnsupported(f"{subject}: its codec {codec} cannot be recorded.")


def _is_no_sound_track(one: Delivery) -> bool:
    return not (isinstance(one, TrackStarted) and not one.info.codec.is_video)


def _packet(codec: Codec, pts: int, data: bytes, key: bool, arrival_us: int) -> Packet:
    """No container tells a wall time that we take for evidence."""
    return Packet(codec=codec, pts=pts, data=data, key=key, arrival_us=arrival_us, wall_us=None)
