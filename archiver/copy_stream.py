"""Keeps footage that is small enough as it is: the source's own access units, bit by bit.

Pure encoding is left out, not the rest: media time is wall time minus the clip's start, every group of
pictures is a fragment with its ``prft``, gaps are jumps. A cut that falls between two key frames is the only
hard part. What lies before the cut must not be in an archived file, hidden or not: it may show another
project (``docs/design/originals.md``). So the pictures from the cut to the first key frame are encoded,
nearly without loss, with parameter sets of an id that the source does not use. Both sets stand in the sample
entry, no unit of the source is touched, and players see an ordinary file.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from archiver.archive_file import VIDEO_TIMESCALE, VIDEO_TRACK, to_micros, to_ticks
from archiver.decode import DecodeTally, video_frames
from archiver.encode import EncodedUnit, VideoEncoder, VideoResult, VideoStep
from archiver.fingerprint import Fingerprint, fingerprint, key_frames
from archiver.output import whole_file
from archiver.ring_reader import PictureFormat, SegmentReader
from archiver.stretches import Stretch, narrow
from kernel.clock import SECOND_US
from kernel.codec.h264 import avc1, parameter_set_id, parse_sps
from kernel.errors import FootageError
from kernel.isobmff.sample_entry import decoder_config
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import compact_fragment, init_segment, producer_time
from kernel.timerange import TimeRange

BORDER_CRF = 16  # of x264: nobody sees a difference
_PROFILES = {66: "baseline", 77: "main"}
_IDR = 5
_SET_IDS = 32  # of sequence parameter sets (ITU-T H.264, 7.4.2.1.1)


class CannotCopy(FootageError):
    """The footage cannot be kept as it is."""

    hint = "It is encoded instead."


@dataclass(frozen=True, kw_only=True, slots=True)
class WeighStep:
    """A clip whose footage may be small enough."""

    pieces: tuple[Stretch, ...]
    picture: PictureFormat
    most_bytes: int  # above it, nobody asks further
    target: Path  # where the result is noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """What the pictures of a clip weigh as they were sent."""

    size_bytes: int
    refused: str  # why they cannot be kept so; empty where they can


def weigh(step: WeighStep) -> Weighed:
    """Add up a clip's pictures from the headers of its segments, and see whether they can be kept.

    Raises:
        FootageError: a segment is missing or is none.
    """
    total, entries = 0, set[bytes]()
    for used in (used for piece in step.pieces for used in piece.slices):
        with SegmentReader(Path(used.path)) as reader:
            track = reader.init.video
            entries.add(track.sample_entry)
            if (track.width, track.height) != (step.picture.width, step.picture.height) or len(entries) > 1:
                return Weighed(size_bytes=total, refused="its format changes")
            if decoder_config(track.sample_entry).kind != "avc1":
                return Weighed(size_bytes=total, refused="only H.264 plays in every browser as it is")
            total += reader.video_bytes(used.wall)
        if total > step.most_bytes:
            return Weighed(size_bytes=total, refused="it is too large")
    return Weighed(size_bytes=total, refused="")


def worth_copying(
    weighed: Mapping[str, int], planned: Callable[[Collection[str]], Mapping[str, float]]
) -> frozenset[str]:
    """The clips that weigh no more as they are than what the plan would give them. Pure.

    Args:
        weighed: bytes, of the clips that can be kept.
        planned: bytes that the plan gives to each other clip when these are kept.
    """
    kept: frozenset[str] = frozenset()
    while True:
        given = planned(kept)
        more = {name for name, weight in weighed.items() if name in given and weight <= given[name]} - kept
        if not more:
            return kept
        kept |= more  # what they leave over may make room for others


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyStep:
    """An unbroken piece of a clip that is kept as it is."""

    piece: Stretch
    clip_start_us: int
    picture: PictureFormat
    fingerprint_seconds: float  # between two pictures whose fingerprints are taken
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyResult:
    """What keeping a piece gave."""

    path: Path | None  # None where it has no picture, or where it cannot be kept
    size_bytes: int = 0
    refused: str = ""  # why it cannot be kept; empty where it was
    frames: int = 0
    key_bytes: int = 0  # of its first picture
    units: int = 0  # that are the source's own
    units_sha256: str = ""  # over all of these, in order
    encoded: tuple[TimeRange, ...] = ()  # from a cut to the first key frame behind it
    fingerprints: tuple[Fingerprint, ...] = ()

    def video(self, wall: TimeRange) -> VideoResult:
        """The same as what an encoder's step says."""
        return VideoResult(
            path=self.path,
            wall=wall,
            size_bytes=self.size_bytes,
            frames=self.frames,
            key_bytes=self.key_bytes,
            frames_seen=self.frames,
            undecodable_units=0,
            decoders=(),
            fingerprints=self.fingerprints,
        )


def copy_stream(step: CopyStep) -> CopyResult:
    """Write a piece's own access units as a file that can be joined like a chunk.

    Raises:
        EncodeError: what is before the first key frame cannot be encoded.
        FootageError: a segment is missing or is none.
    """
    copier = _Copier(step)
    try:
        with whole_file(step.target) as file:
            copier.write(file)
            size_bytes = file.tell()
    except CannotCopy as error:
        step.target.unlink(missing_ok=True)
        return CopyResult(path=None, refused=str(error))
    if not copier.frames:
        step.target.unlink(missing_ok=True)
        return CopyResult(path=None)
    return CopyResult(
        path=step.target,
        size_bytes=size_bytes,
        frames=copier.frames,
        key_bytes=copier.key_bytes,
        units=copier.units,
        units_sha256=copier.digest.hexdigest(),
        encoded=tuple(copier.encoded),
        fingerprints=tuple(_fingerprints(step, copier.key_pictures)),
    )


@dataclass(kw_only=True, slots=True)
class _Group:
    """A group of pictures."""

    samples: list[tuple[int, bytes, bool]] = field(default_factory=list)  # ticks, data, whether a key frame

    @property
    def start(self) -> int:
        return self.samples[0][0]


class _Copier:
    """Goes through a piece once."""

    def __init__(self, step: CopyStep) -> None:
        self._step = step
        self._borders: _Borders | None = None  # known with the first segment
        self.frames = self.units = self.key_bytes = 0
        self.digest = hashlib.sha256()
        self.encoded: list[TimeRange] = []
        self.key_pictures: dict[int, str] = {}  # fingerprints of source pictures that were encoded, by ticks

    def write(self, file: BinaryIO) -> None:
        before: _Group | None = None
        number = 0
        for group in self._groups():
            if before is None:
                file.write(init_segment([self._track()]))
                self.key_bytes = len(group.samples[0][1])
            else:
                number += 1
                file.write(self._fragment(number, before, group.start))
            before = group
        if before is not None:
            end = to_ticks(self._step.piece.wall.end_us - self._step.clip_start_us, VIDEO_TIMESCALE)
            file.write(self._fragment(number + 1, before, end))

    def _track(self) -> Track:
        assert self._borders is not None  # there is a group
        picture = self._step.picture
        return Track(
            id=VIDEO_TRACK,
            timescale=VIDEO_TIMESCALE,
            sample_entry=self._borders.sample_entry,
            width=picture.width,
            height=picture.height,
        )

    def _fragment(self, number: int, group: _Group, end: int) -> bytes:
        ticks = [*(at for at, _, _ in group.samples), end]
        samples = tuple(
            Sample(data=data, duration=max(1, ticks[n + 1] - ticks[n]), key=key)
            for n, (_, data, key) in enumerate(group.samples)
        )
        self.frames += len(samples)
        time = ProducerTime(
            track_id=VIDEO_TRACK,
            wall_us=self._step.clip_start_us + to_micros(ticks[0], VIDEO_TIMESCALE),
            media_time=ticks[0],
            captured=self._step.piece.captured,
        )
        run = TrackRun(track_id=VIDEO_TRACK, base_dts=ticks[0], samples=samples)
        return producer_time(time) + compact_fragment(number, [run])

    def _groups(self) -> Iterator[_Group]:
        group, last = _Group(), -1
        for at, data, key in self._samples():
            if at <= last:
                raise CannotCopy("two pictures have the same time.")
            last = at
            if key and group.samples:
                yield group
                group = _Group()
            group.samples.append((at, data, key))
        if group.samples:
            yield group

    def _samples(self) -> Iterator[tuple[int, bytes, bool]]:
        """Pictures in order; what no key frame leads is encoded."""
        run, led = "", False
        waiting_us: int | None = None  # from where on pictures wait for a key frame
        for used in self._step.piece.slices:
            led = led and used.run_id == run
            run = used.run_id
            with SegmentReader(Path(used.path)) as reader:
                if self._borders is None:
                    self._borders = _Borders(self._step, reader.init.video)
                for unit in reader.video(used.wall.start_us, used.wall.end_us):
                    if not used.wall.contains(unit.wall_us):
                        continue
                    if unit.pts != unit.dts:
                        raise CannotCopy("its pictures are sent in another order than they are shown.")
                    if unit.key and not led:
                        yield from self._border(waiting_us, unit.wall_us)
                        waiting_us, led = None, True
                    if not led:
                        waiting_us = unit.wall_us if waiting_us is None else waiting_us
                        continue
                    yield self._own(unit.wall_us, unit.data, unit.key)
        yield from self._border(waiting_us, self._step.piece.wall.end_us)

    def _own(self, wall_us: int, data: bytes, key: bool) -> tuple[int, bytes, bool]:
        if key and not _has_idr(data):
            raise CannotCopy("its key frames do not stand alone.")
        self.units += 1
        self.digest.update(data)
        return to_ticks(wall_us - self._step.clip_start_us, VIDEO_TIMESCALE), data, key

    def _border(self, start_us: int | None, end_us: int) -> Iterator[tuple[int, bytes, bool]]:
        if start_us is None:
            return
        assert self._borders is not None  # a segment is open
        wall = TimeRange(start_us=start_us, end_us=end_us)
        self.encoded.append(wall)
        for unit in self._borders.encode(narrow(self._step.piece, wall), self.key_pictures):
            yield unit.pts, unit.data, unit.key


class _Borders:
    """Encodes what lies between a cut and the first key frame, beside the source's own parameter sets."""

    def __init__(self, step: CopyStep, track: Track) -> None:
        sps, pps = parameter_sets(decoder_config(track.sample_entry).extradata)
        used = {parameter_set_id(one) for one in (*sps, *pps)}
        free = next((number for number in range(_SET_IDS - 1, -1, -1) if number not in used), None)
        if free is None:
            raise CannotCopy("all ids of parameter sets are taken.")
        self._video = VideoStep(
            stretch=step.piece,
            clip_start_us=step.clip_start_us,
            picture=step.picture,
            encoder="libx264",
            options={
                "preset": "medium",
                "profile": _PROFILES.get(parse_sps(sps[0]).profile, "high"),
                "crf": str(BORDER_CRF),
                "bf": "0",
                "forced-idr": "1",
                "threads": "1",
                "x264-params": f"sps-id={free}",
            },
            key_seconds=step.piece.wall.duration_us / SECOND_US + 1,
            target=step.target,
        )
        config = decoder_config(VideoEncoder(self._video).track().sample_entry)
        own_sps, own_pps = parameter_sets(config.extradata)
        self.sample_entry = avc1([*sps, *own_sps], [*pps, *own_pps])

    def encode(self, stretch: Stretch, key_pictures: dict[int, str]) -> list[EncodedUnit]:
        encoder = VideoEncoder(self._video)
        given: list[Any] = list(video_frames(stretch, DecodeTally()))
        units = [unit for wall_us, frame in given for unit in encoder.encode(wall_us, frame)]
        key_pictures |= encoder.key_pictures
        return units + encoder.drain()


def parameter_sets(config: bytes) -> tuple[list[bytes], list[bytes]]:
    """Sequence and picture parameter sets of an ``avcC`` (ISO/IEC 14496-15, 5.3.3.1).

    Raises:
        CannotCopy: it is cut off, or lengths are not of four bytes.
    """
    try:
        if config[4] & 3 != 3:
            raise CannotCopy("its units have short lengths.")
        sps, place = _listed(config, 6, config[5] & 0x1F)
        pps, _ = _listed(config, place + 1, config[place])
    except (IndexError, struct.error):
        raise CannotCopy("its parameter sets are cut off.") from None
    if not sps or not pps:
        raise CannotCopy("it has no parameter sets.")
    return sps, pps


def _listed(config: bytes, place: int, count: int) -> tuple[list[bytes], int]:
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from(">H", config, place)
        found.append(config[place + 2 : place + 2 + size])
        place += 2 + size
    return found, place


def _has_idr(data: bytes) -> bool:
    place = 0
    while place + 5 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if data[place + 4] & 31 == _IDR:
            return True
        place += 4 + size
    return False


def _fingerprints(step: CopyStep, encoded: Mapping[int, str]) -> Iterator[Fingerprint]:
    """Of a key picture now and then; before and after are the same where it was not encoded."""
    due_us = 0
    for ticks, frame in key_frames(step.target):
        wall_us = step.clip_start_us + to_micros(ticks, VIDEO_TIMESCALE)
        if wall_us >= due_us:
            due_us = wall_us + round(step.fingerprint_seconds * SECOND_US)
            mark = fingerprint(frame)
            yield Fingerprint(wall_us=wall_us, source=encoded.get(ticks, mark), archived=mark)
