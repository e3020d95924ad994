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

from archiver.output import whole_file
from kernel.errors import EncodeError
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import decoder_config
from kernel.isobmff.tracks import ProducerTime, Sample, SampleRef, Track, TrackRun
from kernel.isobmff.writer import compact_fragment, init_segment, producer_time, segment_index

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
    captured: bool  # its wall time is the source's own, not estimated from arrival
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
    with tempfile.TemporaryFile(dir=target.parent) as body, whole_file(target) as file:
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


def _fragment_bytes(number: int, group: Group, clip_start_us: int) -> bytes:
    first = group.video.base_dts + group.video.samples[0].composition_offset
    wall_us = clip_start_us + to_micros(first, VIDEO_TIMESCALE)
    time = ProducerTime(track_id=VIDEO_TRACK, wall_us=wall_us, media_time=first, captured=group.captured)
    runs = [group.video, group.audio] if group.audio else [group.video]
    return producer_time(time) + compact_fragment(number, runs)


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinStep:
    """The parts of one archived file."""

    stretches: tuple[tuple[Path, ...], ...]  # the chunks of each unbroken piece of the clip, in order
    audio: Path | None  # the sound of the whole clip
    clip_start_us: int
    target: Path


def join(step: JoinStep) -> int:
    """Put encoded chunks and sound together as one archived file; returns its number of pictures.

    Raises:
        EncodeError: a chunk cannot be read with the decoder configuration of the first one.
    """
    paths = [path for files in step.stretches for path in files]
    tracks = [_only_track(paths)]
    if step.audio is None:
        write_archive_file(step.target, tracks, _groups(step.stretches, None), step.clip_start_us)
    else:
        with step.audio.open("rb") as sound:
            tracks += read_init(sound).tracks
            groups = _groups(step.stretches, SoundReader(sound))
            write_archive_file(step.target, tracks, groups, step.clip_start_us)
    with step.target.open("rb") as file:
        return sum(len(found.runs[VIDEO_TRACK]) for found in read_fragments(file))


def _only_track(paths: list[Path]) -> Track:
    """The video track that all chunks share: a file has one description for all of its pictures."""
    found: list[Track] = []
    for path in paths:
        with path.open("rb") as file:
            found.append(read_init(file).video)
    for path, track in zip(paths, found, strict=True):
        same = decoder_config(track.sample_entry) == decoder_config(found[0].sample_entry)
        if not same or (track.width, track.height) != (found[0].width, found[0].height):
            raise EncodeError(f"chunk {path.name} was encoded otherwise than the first of its clip.")
    return found[0]


def _groups(stretches: Iterable[tuple[Path, ...]], sound: SoundReader | None) -> Iterator[Group]:
    for files in stretches:
        groups = (group for path in files for group in _video_groups(path))
        for group in _without_seams(groups):
            end = group.video.base_dts + group.video.duration
            yield replace(group, audio=sound.until(end) if sound else None)


def _video_groups(path: Path) -> Iterator[Group]:
    with path.open("rb") as file:
        for found in read_fragments(file):
            time = found.producer_time
            yield Group(
                video=_run(file, VIDEO_TRACK, found.runs[VIDEO_TRACK]),
                captured=time is not None and time.captured,
            )


def _without_seams(groups: Iterator[Group]) -> Iterator[Group]:
    """Groups of one stretch; the last frame before a chunk's border lasts until the first one behind it."""
    before: Group | None = None
    for group in groups:
        if before is not None:
            yield replace(before, video=_stretched_to(before.video, group.video.base_dts))
        before = group
    if before is not None:
        yield before


def _stretched_to(run: TrackRun, end: int) -> TrackRun:
    last = run.samples[-1]
    missing = end - run.base_dts - run.duration
    return replace(run, samples=(*run.samples[:-1], last._replace(duration=last.duration + missing)))


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
        self._samples = [sample for found in read_fragments(file) for sample in found.runs[AUDIO_TRACK]]
        self._next = 0

    def until(self, video_ticks: int) -> TrackRun | None:
        """The sound that starts before a moment of the video track and was not handed out yet.

        A run never spans a gap: a track run has one start, and its samples follow each other.
        """
        limit = video_ticks * self._timescale
        behind = self._next
        while behind < len(self._samples) and self._samples[behind].dts * VIDEO_TIMESCALE < limit:
            behind += 1
        taken = self._samples[self._next : behind]
        taken = taken[: _unbroken(taken)]
        self._next += len(taken)
        return _run(self._file, AUDIO_TRACK, taken) if taken else None


def _unbroken(samples: list[SampleRef]) -> int:
    """How many samples from the first one on follow each other."""
    for number in range(1, len(samples)):
        before = samples[number - 1]
        if samples[number].dts != before.dts + before.duration:
            return number
    return len(samples)
