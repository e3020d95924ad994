"""Decodes footage to pictures and sound with wall time. With ``archiver.encode`` the only user of ``av``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.frame import VideoFrame

from archiver.ring_reader import SegmentReader, Unit
from archiver.stretches import SlicePart, Stretch
from kernel.codec import g726
from kernel.errors import CodecUnsupported
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import channel_count, decoder_config, sample_size
from kernel.isobmff.tracks import FragmentRef, Track
from kernel.timerange import TimeRange

DECODERS = {
    "avc1": "h264",
    "hvc1": "hevc",
    "av01": "libdav1d",
    "mp4a": "aac",
    "alaw": "pcm_alaw",
    "ulaw": "pcm_mulaw",
    g726.ENTRY: "g726",
    "Opus": "opus",
    "jpeg": "mjpeg",
}
_WITHOUT_CONFIGURATION = frozenset({"alaw", "ulaw", g726.ENTRY})
"""Sound that says its rate and channels nowhere but in the sample entry."""


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
    if config.kind == g726.ENTRY:
        context.options = {"bits_per_coded_sample": str(sample_size(track.sample_entry))}
    if config.kind in _WITHOUT_CONFIGURATION:
        context.sample_rate = track.timescale
        context.layout = "stereo" if channel_count(track.sample_entry) == 2 else "mono"
    return context


def video_frames(stretch: Stretch, tally: DecodeTally) -> Iterator[tuple[int, VideoFrame]]:
    """Frames of a stretch with their capture time: those captured within it, in order."""
    return _frames(stretch, tally, _video_units)


def audio_frames(stretch: Stretch, tally: DecodeTally) -> Iterator[tuple[int, AudioFrame]]:
    """Sound of a stretch with the wall time of each frame's first sample; nothing where there is none."""
    return _frames(stretch, tally, _audio_units)


Units: TypeAlias = Iterator[tuple[Track, Unit]]


def _video_units(reader: SegmentReader, used: SlicePart) -> Units:
    units = reader.video(used.wall.start_us, used.wall.end_us)
    return ((reader.init.video, unit) for unit in units)


def _audio_units(reader: SegmentReader, used: SlicePart) -> Units:
    track = reader.init.audio
    if track is None:
        return iter(())
    return ((track, unit) for unit in reader.audio(used.wall.start_us, used.wall.end_us))


def _frames(
    stretch: Stretch, tally: DecodeTally, units_of: Callable[[SegmentReader, SlicePart], Units]
) -> Iterator[tuple[int, Any]]:
    """Frames whose wall time lies in the stretch.

    One decoder goes through all segments of a run: pictures that lead an open group of pictures lean on the
    segment before (ITU-T H.265, 3.117), and a decoder that began anew would drop them.
    """
    decoding: _Decoding | None = None
    for used, wanted in _in_order(stretch):
        with SegmentReader(Path(used.path)) as reader:
            for track, unit in units_of(reader, used):
                key = (used.run_id, track.sample_entry)
                if decoding is None or decoding.key != key:
                    if decoding is not None:
                        yield from decoding.feed(None, wanted)
                    decoding = _Decoding(key, track, tally)
                yield from decoding.feed(unit, wanted)
    if decoding is not None:
        yield from decoding.feed(None, None)


def _in_order(stretch: Stretch) -> Iterator[tuple[SlicePart, TimeRange | None]]:
    """Slices to be read, each with the wall time that is wanted of it; nothing of the lead-in."""
    if stretch.lead_in is not None:
        end_us = stretch.lead_in.wall.end_us
        yield replace(stretch.lead_in, wall=TimeRange(start_us=end_us - 1, end_us=end_us)), None
    for used in stretch.slices:
        yield used, used.wall


class _Decoding:
    """A decoder and the wall times of what it still holds."""

    def __init__(self, key: tuple[str, bytes], track: Track, tally: DecodeTally) -> None:
        self.key = key
        self._track = track
        self._tally = tally
        self._context = open_decoder(track)
        self._walls: dict[int, int] = {}
        tally.decoders.add(self._context.name)

    def feed(self, unit: Unit | None, wanted: TimeRange | None) -> list[tuple[int, Any]]:
        """Frames with wall time that come out when a unit goes in; None drains the decoder.

        Only units of the wanted time come out again: a decoder needs more than is shown, and where runs
        overlap, each moment is shown from one of them.
        """
        if unit is not None and wanted is not None and wanted.contains(unit.wall_us):
            self._walls[unit.pts] = unit.wall_us
        frames = take_frames(self._context, self._track, unit, self._tally)
        known = [(self._walls.pop(frame.pts, None), frame) for frame in frames]
        shown = [(wall_us, frame) for wall_us, frame in known if wall_us is not None]
        self._tally.frames += len(shown)
        return shown


def take_frames(context: Any, track: Track, unit: Unit | None, tally: DecodeTally) -> list[Any]:
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


def archived_frames(path: Path, every: int = 1, start_us: int = 0) -> Iterator[tuple[int, VideoFrame]]:
    """Frames of an archived file (each ``every``-th one) with the wall time that the file gives them.

    The wall time comes from the file alone: the ``prft`` of the fragment and the frame's media time.

    Args:
        start_us: begin with the group of pictures that shows this moment.
    """
    with path.open("rb") as file:
        track = read_init(file).video
        context = open_decoder(track)
        walls: dict[int, int] = {}
        number = 0
        for found in _from(list(read_fragments(file)), start_us):
            time = found.producer_time
            for ref in found.runs[track.id]:
                if time is not None:
                    walls[ref.pts] = time.wall_us + (ref.pts - time.media_time) * 1_000_000 // track.timescale
                file.seek(ref.offset)
                unit = Unit(data=file.read(ref.size), pts=ref.pts, dts=ref.dts, key=ref.key, wall_us=0)
                for frame in take_frames(context, track, unit, DecodeTally()):
                    number += 1
                    if (number - 1) % every == 0:
                        yield walls[frame.pts], frame
        for frame in take_frames(context, track, None, DecodeTally()):
            number += 1
            if (number - 1) % every == 0:
                yield walls[frame.pts], frame


def _from(fragments: list[FragmentRef], start_us: int) -> list[FragmentRef]:
    """The fragments from the last one on that begins at or before a moment."""
    early = [
        n for n, one in enumerate(fragments) if one.producer_time and one.producer_time.wall_us <= start_us
    ]
    return fragments[early[-1] if early else 0 :]
