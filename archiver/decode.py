"""Decodes footage to pictures and sound with wall time. With ``archiver.encode`` the only user of ``av``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from archiver.ring_reader import SegmentReader, Unit
from archiver.stretches import SlicePart, Stretch
from kernel.errors import CodecUnsupported
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import decoder_config
from kernel.isobmff.tracks import Track

DECODERS = {
    "avc1": "h264",
    "hvc1": "hevc",
    "av01": "libdav1d",
    "mp4a": "aac",
    "alaw": "pcm_alaw",
    "ulaw": "pcm_mulaw",
}

_Frame = TypeVar("_Frame", VideoFrame, AudioFrame)


@dataclass(kw_only=True, slots=True)
class DecodeTally:
    """What decoding met, for the receipt."""

    frames: int = 0
    undecodable_units: int = 0  # units that the decoder refused
    decoders: set[str] = field(default_factory=set)


def open_decoder(track: Track) -> Any:
    """A decoder for a track, single-threaded: steps run side by side.

    Raises:
        CodecUnsupported: no decoder is known for the track's sample entry.
    """
    config = decoder_config(track.sample_entry)
    if config.kind not in DECODERS:
        raise CodecUnsupported(f"footage of type {config.kind} cannot be decoded.")
    context: Any = av.CodecContext.create(DECODERS[config.kind], "r")
    if config.extradata:
        context.extradata = config.extradata
    context.thread_count = 1
    if not track.is_video and config.kind in ("alaw", "ulaw"):
        context.sample_rate = track.timescale
        context.layout = "mono"
    return context


def video_frames(stretch: Stretch, tally: DecodeTally) -> Iterator[tuple[int, VideoFrame]]:
    """Frames of a stretch with their capture time: those captured within it, in order."""
    for used in stretch.slices:
        with SegmentReader(Path(used.path)) as reader:
            track = reader.init.video
            units = reader.video(used.wall.start_us, used.wall.end_us)
            yield from _decode(open_decoder(track), track, units, used, tally)


def audio_frames(stretch: Stretch, tally: DecodeTally) -> Iterator[tuple[int, AudioFrame]]:
    """Sound of a stretch with the wall time of each frame's first sample; nothing where there is none."""
    for used in stretch.slices:
        with SegmentReader(Path(used.path)) as reader:
            track = reader.init.audio
            if track is not None:
                units = reader.audio(used.wall.start_us, used.wall.end_us)
                yield from _decode(open_decoder(track), track, units, used, tally)


def _decode(
    context: VideoCodecContext | AudioCodecContext,
    track: Track,
    units: Iterator[Unit],
    used: SlicePart,
    tally: DecodeTally,
) -> Iterator[tuple[int, Any]]:
    tally.decoders.add(context.name)
    walls: dict[int, int] = {}
    for unit in [*units, None]:
        if unit is not None:
            walls[unit.pts] = unit.wall_us
        for frame in _feed(context, track, unit, tally):
            wall_us = walls.pop(frame.pts, None)
            if wall_us is not None and used.wall.contains(wall_us):
                tally.frames += 1
                yield wall_us, frame


def _feed(context: Any, track: Track, unit: Unit | None, tally: DecodeTally) -> list[Any]:
    """What the decoder gives for a unit; None drains it. A unit it refuses is counted, not hidden."""
    packet = None
    if unit is not None:
        packet = av.Packet(unit.data)
        packet.pts, packet.dts, packet.time_base = unit.pts, unit.dts, Fraction(1, track.timescale)
    try:
        return list(context.decode(packet))
    except FFmpegError:
        tally.undecodable_units += 1
        return []


def archived_frames(path: Path, every: int = 1) -> Iterator[tuple[int, VideoFrame]]:
    """Frames of an archived file (each ``every``-th one) with the wall time that the file gives them.

    The wall time comes from the file alone: the ``prft`` of the fragment and the frame's media time.
    """
    with path.open("rb") as file:
        track = read_init(file).video
        context = open_decoder(track)
        walls: dict[int, int] = {}
        number = 0
        for found in read_fragments(file):
            time = found.producer_time
            for ref in found.runs[track.id]:
                if time is not None:
                    walls[ref.pts] = time.wall_us + (ref.pts - time.media_time) * 1_000_000 // track.timescale
                file.seek(ref.offset)
                unit = Unit(data=file.read(ref.size), pts=ref.pts, dts=ref.dts, key=ref.key, wall_us=0)
                for frame in _feed(context, track, unit, DecodeTally()):
                    number += 1
                    if (number - 1) % every == 0:
                        yield walls[frame.pts], frame
        for frame in _feed(context, track, None, DecodeTally()):
            number += 1
            if (number - 1) % every == 0:
                yield walls[frame.pts], frame
