"""The archived file: fragmented MP4 whose media time is wall time minus the clip's start.

Layout: ``ftyp moov sidx (prft moof mdat)*``. One fragment is one group of pictures. Where nobody recorded,
media time simply jumps: no frame stands for a gap (invariant 5). Every fragment's ``prft`` names the wall
time of its first frame, so that the file says when it was taken without any catalogue.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.tracks import ProducerTime, Sample, SampleRef, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time, segment_index

VIDEO_TIMESCALE = 90_000
VIDEO_TRACK = 1
AUDIO_TRACK = 2


def to_ticks(offset_us: int, timescale: int) -> int:
    """Microseconds as ticks, rounded to the nearest."""
    return (offset_us * timescale + 500_000) // 1_000_000


def to_micros(ticks: int, timescale: int) -> int:
    """Ticks as microseconds, rounded to the nearest."""
    return (ticks * 1_000_000 + timescale // 2) // timescale


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A group of pictures and the sound that goes with it."""

    video: TrackRun
    audio: TrackRun | None = None


def write_archive_file(
    target: Path, tracks: list[Track], groups: Iterable[Group], clip_start_us: int
) -> None:
    """Write a whole archived file; the name appears when it is complete.

    Args:
        tracks: the video track, then the audio track if there is one.
        groups: in order; each begins with a key frame.
        clip_start_us: wall time that media time 0 stands for.
    """
    starts: list[int] = []
    sizes: list[int] = []
    end = 0
    partial = target.with_suffix(".part")
    with tempfile.TemporaryFile(dir=target.parent) as body, partial.open("wb") as file:
        for number, group in enumerate(groups, start=1):
            data = _fragment_bytes(number, group, clip_start_us)
            body.write(data)
            starts.append(group.video.base_dts)
            sizes.append(len(data))
            end = group.video.base_dts + group.video.duration
        file.write(init_segment(tracks))
        file.write(segment_index(tracks[0], starts, end, sizes))
        body.seek(0)
        shutil.copyfileobj(body, file)
    partial.replace(target)


def _fragment_bytes(number: int, group: Group, clip_start_us: int) -> bytes:
    first = group.video.base_dts + group.video.samples[0].composition_offset
    wall_us = clip_start_us + to_micros(first, VIDEO_TIMESCALE)
    time = ProducerTime(track_id=VIDEO_TRACK, wall_us=wall_us, media_time=first, captured=True)
    runs = [group.video, group.audio] if group.audio else [group.video]
    return producer_time(time) + fragment(number, runs)


def join(target: Path, stretches: list[list[Path]], audio_file: Path | None, clip_start_us: int) -> None:
    """Put encoded chunks and sound together as one archived file.

    Args:
        stretches: the files of the chunks of each unbroken piece of the clip, in order.
        audio_file: the sound of the whole clip, if it has any.
    """
    with stretches[0][0].open("rb") as first:
        tracks = list(read_init(first).tracks)
    if audio_file is None:
        write_archive_file(target, tracks, _groups(stretches, None), clip_start_us)
        return
    with audio_file.open("rb") as sound:
        tracks += read_init(sound).tracks
        write_archive_file(target, tracks, _groups(stretches, SoundReader(sound)), clip_start_us)


def _groups(stretches: list[list[Path]], sound: SoundReader | None) -> Iterator[Group]:
    for files in stretches:
        runs = (run for path in files for run in _video_runs(path))
        for video in _without_seams(runs):
            yield Group(video=video, audio=sound.until(video.base_dts + video.duration) if sound else None)


def _video_runs(path: Path) -> Iterator[TrackRun]:
    with path.open("rb") as file:
        for found in read_fragments(file):
            yield _run(file, VIDEO_TRACK, found.runs[VIDEO_TRACK])


def _without_seams(runs: Iterator[TrackRun]) -> Iterator[TrackRun]:
    """Runs of one stretch; the last frame before a chunk's border lasts until the first one behind it."""
    before: TrackRun | None = None
    for run in runs:
        if before is not None:
            yield _stretched_to(before, run.base_dts)
        before = run
    if before is not None:
        yield before


def _stretched_to(run: TrackRun, end: int) -> TrackRun:
    last = run.samples[-1]
    missing = end - run.base_dts - run.duration
    return replace(run, samples=(*run.samples[:-1], replace(last, duration=last.duration + missing)))


def _run(file: BinaryIO, track_id: int, refs: tuple[SampleRef, ...] | list[SampleRef]) -> TrackRun:
    return TrackRun(
        track_id=track_id, base_dts=refs[0].dts, samples=tuple(_sample(file, sample) for sample in refs)
    )


def _sample(file: BinaryIO, ref: SampleRef) -> Sample:
    file.seek(ref.offset)
    return Sample(
        data=file.read(ref.size), duration=ref.duration, key=ref.key, composition_offset=ref.pts - ref.dts
    )


class SoundReader:
    """Hands out the samples of a sound file in order, up to a moment at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._timescale = read_init(file).tracks[0].timescale
        self._waiting = [sample for found in read_fragments(file) for sample in found.runs[AUDIO_TRACK]]

    def until(self, video_ticks: int) -> TrackRun | None:
        """The sound that starts before a moment of the video track and was not handed out yet.

        A run never spans a gap: a track run has one start, and its samples follow each other.
        """
        taken = [
            sample for sample in self._waiting if sample.dts * VIDEO_TIMESCALE < video_ticks * self._timescale
        ]
        taken = taken[: _unbroken(taken)]
        if not taken:
            return None
        del self._waiting[: len(taken)]
        return _run(self._file, AUDIO_TRACK, taken)


def _unbroken(samples: list[SampleRef]) -> int:
    """How many samples from the first one on follow each other."""
    for number in range(1, len(samples)):
        before = samples[number - 1]
        if samples[number].dts != before.dts + before.duration:
            return number
    return len(samples)
