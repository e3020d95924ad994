"""How long a frame of sound lasts, whatever its codec."""

from __future__ import annotations

from kernel.codec import g726, opus
from kernel.codec.aac import SAMPLES_PER_FRAME
from kernel.errors import SourceProtocolError
from kernel.isobmff.sample_entry import sample_size
from kernel.model.footage import Codec, TrackInfo


def frame_ticks(info: TrackInfo, data: bytes) -> int:
    """Ticks of the track that this frame lasts, at least 1."""
    if info.codec is Codec.AAC:
        return max(SAMPLES_PER_FRAME * info.timescale // max(info.sample_rate, 1), 1)
    if info.codec is Codec.OPUS:
        return _opus_ticks(data) * info.timescale // opus.RATE or 1
    if info.codec is Codec.G726:
        return max(g726.samples(data, sample_size(info.sample_entry) or 4), 1)
    return max(len(data) // max(info.channels, 1), 1)


def _opus_ticks(data: bytes) -> int:
    try:
        return opus.samples(data)
    except SourceProtocolError:
        return 0
