"""What a segment file says of itself, row or no row: up to its last whole fragment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel.chain import chain_value
from kernel.clock import SECOND_US
from kernel.errors import BoxError
from kernel.isobmff.reader import InitSegment, read_fragments, read_init
from kernel.isobmff.tracks import FragmentRef, SampleRef, Track
from kernel.model.footage import ClockBasis, EndReason, RunOrigin, Segment
from kernel.segments.label import SegmentLabel, read_label
from kernel.timerange import EVER_US, TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class Readable:
    """What the boxes of a file say."""

    label: SegmentLabel
    wall: TimeRange
    media_start: int
    media_end: int
    timescale: int
    basis: ClockBasis
    size: int  # bytes up to the end of the last whole fragment

    def segment(self, *, path: str, sha256: bytes, previous: str, end_reason: EndReason) -> Segment:
        """The row of the file once it is sealed; ``previous``: the source's chain value before it."""
        return Segment(
            id=self.label.segment_id,
            run_id=self.label.run_id,
            source_id=self.label.source_id,
            sequence=self.label.sequence,
            wall=self.wall,
            media_start=self.media_start,
            media_duration=self.media_end - self.media_start,
            timescale=self.timescale,
            clock_basis=self.basis,
            clock_offset_us=self.label.clock_offset_us,
            path=path,
            size_bytes=self.size,
            sha256=sha256.hex(),
            chain=chain_value(previous, sha256),
            end_reason=end_reason,
        )


def read_segment(path: Path) -> Readable | None:
    """What a segment file says of itself; None where it holds no whole fragment.

    Raises:
        OSError: the disk does not give it; what it holds is unknown.
    """
    try:
        with path.open("rb") as file:
            init, label = read_init(file), read_label(file)
            fragments = _whole_fragments(read_fragments(file, init.size), init.video)
    except BoxError:
        return None
    return _readable(init, label, fragments) if fragments else None


def _whole_fragments(file_fragments: Iterator[FragmentRef], video: Track) -> list[FragmentRef]:
    """Up to the first that is cut off or makes no sense."""
    found: list[FragmentRef] = []
    end = 0
    try:
        for one in file_fragments:
            samples = one.runs.get(video.id)
            if not samples or samples[0].dts < end or not _has_wall_time(one, video):
                break
            end = samples[-1].dts + samples[-1].duration
            found.append(one)
    except BoxError:
        pass
    return found


def _has_wall_time(fragment: FragmentRef, video: Track) -> bool:
    told, samples = fragment.producer_time, fragment.runs[video.id]
    return told is not None and told.wall_us + _length_us(samples, video) < EVER_US


def _length_us(samples: Sequence[SampleRef], video: Track) -> int:
    ticks = samples[-1].dts + samples[-1].duration - samples[0].dts
    return ticks * SECOND_US // video.timescale


def _readable(init: InitSegment, label: SegmentLabel, fragments: list[FragmentRef]) -> Readable:
    video = init.video
    first, last = fragments[0], fragments[-1]
    told, told_last = first.producer_time, last.producer_time
    assert told is not None and told_last is not None  # _whole_fragments saw to it
    samples = last.runs[video.id]
    media_end = samples[-1].dts + samples[-1].duration
    end_us = max(told_last.wall_us + _length_us(samples, video), told.wall_us)
    return Readable(
        label=label,
        wall=TimeRange(start_us=told.wall_us, end_us=end_us),
        media_start=first.runs[video.id][0].dts,
        media_end=media_end,
        timescale=video.timescale,
        basis=_basis(label, told.captured),
        size=last.offset + last.size,
    )


def _basis(label: SegmentLabel, captured: bool) -> ClockBasis:
    if label.origin is RunOrigin.AGENT:
        return ClockBasis.AGENT
    if label.origin is RunOrigin.BACKFILL:
        return ClockBasis.REPLAY
    if label.origin is RunOrigin.INTAKE:
        return ClockBasis.DECLARED
    return ClockBasis.SENDER_REPORT if captured else ClockBasis.ARRIVAL
