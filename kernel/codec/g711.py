"""G.711 in MP4 as QuickTime writes it (``alaw``, ``ulaw``): one byte a sample."""

from __future__ import annotations

from kernel.codec.sample_entry import audio_sample_entry
from kernel.model.footage import Codec


def g711_entry(codec: Codec, sample_rate: int, channels: int) -> bytes:
    """The sample entry of A-law or mu-law sound."""
    return audio_sample_entry("alaw" if codec is Codec.G711A else "ulaw", sample_rate, channels)
