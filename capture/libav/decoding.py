"""Decoders for what a source delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from kernel.errors import CodecUnsupported
from kernel.isobmff.sample_entry import decoder_config, sample_size
from kernel.model.footage import Codec, Packet, TrackInfo

_DECODERS = {
    Codec.H264: "h264",
    Codec.H265: "hevc",
    Codec.MJPEG: "mjpeg",
    Codec.AAC: "aac",
    Codec.G711A: "pcm_alaw",
    Codec.G711U: "pcm_mulaw",
    Codec.G726: "g726",
    Codec.OPUS: "opus",
}


def frames(info: TrackInfo, packets: Sequence[Packet]) -> Iterator[Any]:
    """Frames of a track, in order of presentation; packets that cannot be decoded are passed over.

    Raises:
        CodecUnsupported: this FFmpeg has no decoder for it.
    """
    context = _open(info)
    for packet in packets:
        given: Any = av.Packet(packet.data)
        given.pts, given.time_base = packet.pts, Fraction(1, info.timescale)
        given.is_keyframe = packet.key
        yield from _decode(context, given)
    yield from _decode(context, None)


def _decode(context: Any, packet: Any) -> list[Any]:
    try:
        return list(context.decode(packet))
    except FFmpegError:
        return []


def _open(info: TrackInfo) -> Any:
    try:
        context: Any = av.CodecContext.create(_DECODERS[info.codec], "r")
    except ValueError:
        raise CodecUnsupported(f"footage of type {info.codec.value} cannot be decoded here.") from None
    extradata = decoder_config(info.sample_entry).extradata
    if extradata:
        context.extradata = extradata
    elif not info.codec.is_video:
        context.sample_rate = info.sample_rate
        context.layout = "stereo" if info.channels == 2 else "mono"
    if info.codec is Codec.G726:
        context.options = {"bits_per_coded_sample": str(sample_size(info.sample_entry))}
    context.thread_count = 1
    return context
