"""Sound as containers carry it -> frames of the ring with times counted in samples. Pure bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from kernel.codec import aac, opus
from kernel.codec.g711 import g711_entry
from kernel.errors import SourceProtocolError
from kernel.model.footage import Codec, TrackInfo

_BELIEVED = Fraction(20, 1000)
"""Seconds by which the container's rounded time of a frame may differ from the one counted in samples."""
_ADTS_HEADER = 7  # bytes; 9 with a checksum
_CODECS = {"aac": Codec.AAC, "pcm_alaw": Codec.G711A, "pcm_mulaw": Codec.G711U, "opus": Codec.OPUS}
"""By the names of FFmpeg's decoders. What is not here (MP3, AC-3, ...) costs the sound only (invariant 7)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundTrack:
    """One stream of sound."""

    info: TrackInfo
    samples: Callable[[bytes], int]  # of a frame, in ticks of the track
    adts: bool  # every frame has a header that is to be taken off

    def frame(self, data: bytes) -> bytes:
        """The raw frame.

        Raises:
            SourceProtocolError: its header makes no sense.
        """
        return data[_adts_size(data) :] if self.adts else data


def sound_track(name: str, rate: int, channels: int, header: bytes, first: bytes) -> SoundTrack | None:
    """The track of a stream, or None where it cannot be recorded.

    Args:
        name: of FFmpeg's decoder.
        header: the codec's configuration as the container has it, may be empty.
        first: the stream's first packet, whose ADTS header says what the container does not.

    Raises:
        SourceProtocolError: what it says of itself makes no sense.
    """
    codec = _CODECS.get(name)
    if codec is None:
        return None
    if codec is Codec.AAC:
        return _aac(header or _adts_config(first), adts=not header)
    if rate <= 0 or channels <= 0:
        raise SourceProtocolError("the sound says neither its sample rate nor its channels.")
    if codec is Codec.OPUS:
        info = _info(codec, opus.RATE, channels, opus.opus_entry(channels))
        return SoundTrack(info=info, samples=opus.samples, adts=False)
    info = _info(codec, rate, channels, g711_entry(codec, rate, channels))
    return SoundTrack(info=info, samples=lambda data: len(data) // channels, adts=False)


def _aac(config: bytes, adts: bool) -> SoundTrack:
    rate, channels = aac.parse_config(config)
    info = _info(Codec.AAC, rate, channels, aac.mp4a(config))
    return SoundTrack(info=info, samples=lambda _: aac.SAMPLES_PER_FRAME, adts=adts)


def _info(codec: Codec, rate: int, channels: int, entry: bytes) -> TrackInfo:
    return TrackInfo(
        codec=codec,
        timescale=rate,
        sample_entry=entry,
        sample_rate=rate,
        channels=channels,
        on_video_clock=True,
    )


def _adts_config(data: bytes) -> bytes:
    """The AudioSpecificConfig of an ADTS header (ISO/IEC 13818-7, 6.2)."""
    _adts_size(data)
    object_type, rate = (data[2] >> 6) + 1, data[2] >> 2 & 15
    channels = (data[2] & 1) << 2 | data[3] >> 6
    return (object_type << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def _adts_size(data: bytes) -> int:
    """Bytes of an ADTS header; of frames in one packet FFmpeg's parser leaves one."""
    if len(data) < _ADTS_HEADER or data[0] != 0xFF or data[1] & 0xF6 != 0xF0 or data[6] & 3:
        raise SourceProtocolError("a frame of the sound has no readable ADTS header.")
    return _ADTS_HEADER + 2 * (not data[1] & 1)


class SampleCount:
    """Times of frames in samples, where the container's own are coarser (RTMP: milliseconds).

    Frames follow each other without a hole or an overlap that only rounding made; where the container's time
    parts from the count by more than 20 ms, it is followed.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._next: int | None = None

    def place(self, seconds: Fraction, samples: int) -> int:
        """Ticks of a frame that the container puts at this time."""
        told = round(seconds * self._rate)
        counted = self._next
        near = counted is not None and abs(told - counted) <= _BELIEVED * self._rate
        ticks = counted if near and counted is not None else told
        self._next = ticks + samples
        return ticks
