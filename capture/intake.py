"""Takes a recording that somebody hands in into the ring: as a run of its own, without encoding it again.

What is taken in is written aside first, below ``<ring>/.intake``, through the same fragmenter and writer as
live footage. Only when the whole file has been read without a fault do its segments move into the ring, each
with its row and its link in the source's chain (invariant 1); a file that is refused leaves nothing behind.
Its times are declared: when it begins is said by the principal or by the file, all else by its time stamps.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from capture.disk import free_bytes, need_room
from capture.footage_rows import FootageRows
from capture.fragmenter import Fragment, Fragmenter
from capture.libav.demuxer import Demuxer
from capture.libav.recording import ToldBy, open_recording
from capture.memory_rows import MemoryRows
from capture.packets import Delivery, PacketsLost, TrackStarted
from capture.segment_writer import Ring, SegmentWriter
from capture.told_clock import ToldClock
from kernel.chain import CHAIN_LOCK, chain_value
from kernel.clock import SECOND_US, Clock, iso_utc
from kernel.durable import fsync_directory, make_directory, storage_error
from kernel.errors import FixityError, IntakeRefused, JianzhengError, StorageError
from kernel.ids import new_id
from kernel.lock import one_at_a_time, sole_user
from kernel.log import logger
from kernel.model.footage import (
    Backfill,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Packet,
    Run,
    RunOrigin,
    Segment,
    TrackInfo,
)
from kernel.segments.readable import Readable, read_segment
from kernel.settings import Settings
from kernel.timerange import TimeRange, subtract

ASIDE = ".intake"
"""Directory below the ring for what is not taken in yet. No source is called so."""
_PIECE_BYTES = 1 << 20
_BACKWARD_US = SECOND_US  # more than pictures are shown out of decoding order
_HOLE = "The file that was taken in has no picture of this time."

_log = logger("capture")

Progress = Callable[[str, float], None]
"""Told what is being done (``hash``, ``read``, ``store``) and how much of it is done, 0 to 1."""


class IntakeRows(FootageRows, Protocol):
    """What an intake needs of the catalogue; ``catalog.footage.Footage`` is one."""

    def run(self, run_id: str) -> Run | None:
        """A run by its id."""

    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]:
        """Footage of a source that touches a range and is kept, oldest first."""

    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]:
        """Gaps of a source that touch a range, oldest first."""

    def start_intake(
        self,
        run: Run,
        holes: Iterable[Gap],
        filled: Mapping[str, Backfill],
        *,
        sha256: str,
        principal: str,
        at_us: int,
    ) -> None:
        """Record the run, what it has nothing of, which gaps it fills and who hands it in; all or nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Handed:
    """A file as it is handed in."""

    path: Path
    source_id: str
    start_us: int  # wall time of its first picture, before the offset
    told_by: ToldBy  # who says so
    offset_us: int  # added to its times: how far the clock was behind that set them
    sha256: str  # that it shall have, lower-case hex; empty where nobody says
    principal: str  # who takes it in


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeReceipt:
    """What was taken in. Kept as JSON in ``<data_dir>/intake``."""

    run_id: str
    source_id: str
    file: str  # its name, without its directory
    sha256: str  # of the file that was handed in, lower-case hex
    size_bytes: int
    principal: str
    at_us: int
    told_by: ToldBy
    offset_us: int
    wall_start_us: int
    wall_end_us: int
    video: str  # codec and size
    sound: str  # codec, or why there is none
    pictures: int
    skipped: int  # pictures before the first key frame, which nothing can decode
    damaged: int  # packets that make no sense and were left out
    holes: int  # stretches of the file without a picture
    segments: tuple[str, ...]  # SHA-256 of each, in order


def take_in(
    handed: Handed,
    settings: Settings,
    rows: IntakeRows,
    clock: Clock,
    progress: Progress,
    free: Callable[[Path], int] = free_bytes,
) -> IntakeReceipt:
    """Take a file into the ring, whole or not at all.

    Args:
        free: room that is left on the ring's disk; ``RingDisk.free_bytes`` also sees that it is the ring's.

    Raises:
        FixityError: the file is not the one that was announced.
        IntakeRefused: it cannot be recorded, or footage of its time is there already.
        DiskFull: it would not leave the room that has to stay free.
        StorageError: the ring's disk does not take it, or another intake is under way.
    """
    root = settings.ring_dir
    with sole_user(root, "intake"):
        _clear(root, rows)  # after an intake that was killed
        before = _stat(handed.path)
        need_room(root, settings.ring.reserve_bytes + before.size, free)
        sha256 = _hash(handed, progress)
        aside = Ring(root=root / ASIDE, settings=settings.ring, clock=clock, free=free)
        taking = _Taking(handed, aside, settings.capture.hole_seconds, clock)
        try:
            aside.root.mkdir()
            taking.read(rows, progress)
            if _stat(handed.path) != before:
                raise IntakeRefused(f"file {handed.path.name} changed while it was read.")
            receipt = taking.receipt(sha256, before.size)
            _keep_receipt(receipt, settings.data_dir / "intake")
            _store(taking, receipt, root, rows, progress)
        finally:
            taking.let_go()
            _clear(root, rows)
    _log.info(
        f"{receipt.file} was taken in",
        action="intake.done",
        source=receipt.source_id,
        run=receipt.run_id,
        sha256=receipt.sha256,
        principal=receipt.principal,
    )
    return receipt


def _clear(root: Path, rows: IntakeRows) -> None:
    """Remove what lies aside, unless its run has a row.

    Then it was being stored when something failed: whatever is left goes into the ring, where ``recover``
    gives it its rows when the recorder starts next. A catalogue that fails leaves it for the next intake.
    """
    aside = root / ASIDE
    with suppress(JianzhengError):
        for path in sorted(aside.rglob("*.mp4")):
            found = read_segment(path)
            if found is not None and rows.run(found.label.run_id) is not None:
                _log.warning("an intake was interrupted; its rest is settled later", action="intake.rest")
                _move(path, root / path.relative_to(aside), root)
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Stat:
    """By which a file is known to be unchanged."""

    size: int
    modified_ns: int


def _stat(path: Path) -> _Stat:
    try:
        told = path.stat()
    except OSError as error:
        raise IntakeRefused(f"file {path.name} cannot be read: {error.strerror}.") from None
    return _Stat(told.st_size, told.st_mtime_ns)


def _hash(handed: Handed, progress: Progress) -> str:
    """SHA-256 of the file.

    Raises:
        FixityError: it is not the one that was announced.
        IntakeRefused: it cannot be read.
    """
    digest, done, whole = hashlib.sha256(), 0, max(_stat(handed.path).size, 1)
    try:
        with handed.path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                done += len(piece)
                progress("hash", done / whole)
    except OSError as error:
        raise IntakeRefused(f"file {handed.path.name} cannot be read: {error.strerror}.") from None
    found = digest.hexdigest()
    if handed.sha256 and handed.sha256.lower() != found:
        message = f"file {handed.path.name} has the SHA-256 {found}, not the one announced."
        raise FixityError(message, hint="Nothing was taken in. Ask for the file again.")
    return found


class _Taking:
    """One file on its way: read, written aside, and what is to be said of it."""

    def __init__(self, handed: Handed, aside: Ring, hole_seconds: float, clock: Clock) -> None:
        self._handed = handed
        self._aside = aside
        self._hole_seconds = hole_seconds
        self._clock = clock
        self._start_us = handed.start_us + handed.offset_us
        self._origin_us: int | None = None  # media time of the first picture
        self._newest_us = 0  # media time of the newest picture
        self._video: TrackStarted | None = None
        self._audio: TrackInfo | None = None
        self._sound_left_out = ""
        self._fragmenter: Fragmenter | None = None
        self._writer: SegmentWriter | None = None
        self._pictures = self._damaged = 0
        self.rows = MemoryRows()  # of what lies aside
        self.run_id = new_id("run")
        self.holes: list[TimeRange] = []

    @property
    def source_id(self) -> str:
        return self._handed.source_id

    @property
    def wall(self) -> TimeRange:
        """From the first picture to the end of the last."""
        segments = self.rows.segments
        return TimeRange(start_us=segments[0].wall.start_us, end_us=segments[-1].wall.end_us)

    @property
    def run(self) -> Run:
        """The run's row, ended already: no recorder is to settle it."""
        return Run(
            id=self.run_id,
            source_id=self.source_id,
            started_us=self.wall.start_us,
            ended_us=self.wall.end_us,
            end_reason=EndReason.STOPPED,
            origin=RunOrigin.INTAKE,
        )

    def read(self, rows: IntakeRows, progress: Progress) -> None:
        """Read the file and write it aside.

        Raises:
            IntakeRefused: it cannot be taken in whole, or footage of its time is there already.
            StorageError: the disk does not take it.
        """
        path = self._handed.path
        with open_recording(path, self._clock) as recording:
            length_us = recording.duration_us
            self._refuse_overlap(rows, TimeRange(start_us=self._start_us, end_us=self._start_us + length_us))
            self._follow(recording.demuxer, lambda us: progress("read", min(us / max(length_us, 1), 1.0)))
            self._sound_left_out = recording.demuxer.sound_left_out
        if self._fragmenter is None or self._writer is None:
            raise IntakeRefused(f"file {path.name} holds no picture that can be decoded.")
        self._write(self._fragmenter.flush())
        self._writer.close(EndReason.STOPPED)
        if not self.rows.segments:
            raise IntakeRefused(f"file {path.name} holds no key frame: nothing in it can be decoded.")
        self._refuse_overlap(rows, self.wall)
        self._refuse_unsettled(rows, self.wall)

    def let_go(self) -> None:
        """Close the file that was being written when the reading ended early."""
        with suppress(StorageError):
            if self._writer is not None:
                self._writer.close(EndReason.STOPPED)

    def _refuse_overlap(self, rows: IntakeRows, wall: TimeRange) -> None:
        if wall.end_us > self._clock.now_us():
            raise IntakeRefused(
                f"the file would lie in the future ({iso_utc(wall.start_us)} to {iso_utc(wall.end_us)}).",
                hint="Correct --start and --offset; nothing of it was taken.",
            )
        left = self._outside_gaps(rows, wall)
        there = [one for one in rows.segments_of(self.source_id, wall) if _in_the_way(one, left)]
        if there:
            raise IntakeRefused(
                f"source {self.source_id} was recorded from {iso_utc(there[0].wall.start_us)} to "
                f"{iso_utc(there[-1].wall.end_us)}, and the file would lie over it "
                f"({iso_utc(wall.start_us)} to {iso_utc(wall.end_us)}).",
                hint="Check --start and --offset, or cut the file to the gap; nothing of it was taken.",
            )
        self._refuse_open_run(rows, wall, left)

    def _outside_gaps(self, rows: IntakeRows, wall: TimeRange) -> list[TimeRange]:
        """What of a range no gap tells of that is over: in such gaps no live picture lies, nor will one come.

        A run that goes on for weeks has such gaps, and its segments span them.
        """
        gaps = rows.gaps_of(self.source_id, wall)
        known = [(gap.start_us, gap.end_us) for gap in gaps if gap.end_us is not None]
        return subtract(wall, [TimeRange(start_us=start_us, end_us=end_us) for start_us, end_us in known])

    def _refuse_unsettled(self, rows: IntakeRows, wall: TimeRange) -> None:
        """Files of the ring that wait for their rows, such as the rest of an intake that was interrupted."""
        ring = self._aside.root.parent
        files = {path.relative_to(ring).as_posix(): path for path in (ring / self.source_id).rglob("*.mp4*")}
        known, left = rows.known_paths(files), self._outside_gaps(rows, wall)
        for path in (path for place, path in files.items() if place not in known):
            there = _readable(path)
            if there is None:
                continue
            in_the_way = left if there.label.origin is RunOrigin.LIVE else [wall]
            if any(there.wall.intersect(part) for part in in_the_way):
                raise IntakeRefused(
                    f"the ring holds {path.name}, which is not settled yet, and the file would lie over it.",
                    hint="Nothing of it was taken. Start the recorder: it settles what a crash left.",
                )

    def _refuse_open_run(self, rows: IntakeRows, wall: TimeRange, left: list[TimeRange]) -> None:
        """What is being recorded, or waits for ``recover``, has no row yet and would come on top.

        An agent may take back a gap that it told: its runs must be over.
        """
        for run in rows.unfinished_runs():
            if run.origin is RunOrigin.LIVE and not left:
                continue
            if run.source_id == self.source_id and run.started_us < wall.end_us:
                raise IntakeRefused(
                    f"source {self.source_id} has a run since {iso_utc(run.started_us)} that is not over, "
                    f"and the file would lie over it ({iso_utc(wall.start_us)} to {iso_utc(wall.end_us)}).",
                    hint="Nothing of it was taken. Cut it to the run's gaps, or take it in when that run is "
                    "over: stop this source. If no recorder runs, start it: it settles what a crash left.",
                )

    def _follow(self, demuxer: Demuxer, progress: Callable[[int], None]) -> None:
        for made in demuxer.deliveries():
            for one in made:
                self._take(one)
            if self._origin_us is not None:
                progress(self._newest_us - self._origin_us)

    def _take(self, one: Delivery) -> None:
        if isinstance(one, PacketsLost):
            self._damaged += one.count
        elif isinstance(one, TrackStarted):
            self._track(one)
        elif self._video is not None:
            self._packet(one, self._video)

    def _track(self, track: TrackStarted) -> None:
        if not track.info.codec.is_video:
            self._audio = self._audio or track.info
        elif self._video is None:
            self._video = track
        else:
            raise IntakeRefused(
                f"file {self._handed.path.name} changes its format {self._at()}.",
                hint="Cut it there and take the parts in one by one; nothing of it was taken.",
            )

    def _packet(self, packet: Packet, video: TrackStarted) -> None:
        info = video.info if packet.codec.is_video else self._audio
        if info is None:
            return
        media_us = packet.pts * SECOND_US // info.timescale
        if self._origin_us is None:
            if not packet.codec.is_video:
                return  # before the first picture there is nothing to lie beside
            self._origin_us = self._newest_us = media_us
        wall_us = self._start_us + media_us - self._origin_us
        told = packet._replace(wall_us=wall_us, arrival_us=wall_us)
        fragmenter = self._fragmenter = self._fragmenter or self._begin(video)
        if not packet.codec.is_video:
            fragmenter.add_audio(told)
            return
        self._check_order(media_us)
        self._pictures += 1
        self._write(fragmenter.add_video(told))

    def _check_order(self, media_us: int) -> None:
        if media_us < self._newest_us - _BACKWARD_US:
            raise IntakeRefused(
                f"the time stamps of file {self._handed.path.name} jump back {self._at()}.",
                hint="Cut it there and take each part in with its own start; nothing of it was taken.",
            )
        self._newest_us = max(self._newest_us, media_us)

    def _at(self) -> str:
        return f"{(self._newest_us - (self._origin_us or 0)) / SECOND_US:.3f} s after its first picture"

    def _begin(self, video: TrackStarted) -> Fragmenter:
        self.rows.start_run(
            Run(id=self.run_id, source_id=self.source_id, started_us=0, ended_us=None, end_reason=None)
        )
        self._writer = SegmentWriter(
            ring=self._aside,
            rows=self.rows,
            run_id=self.run_id,
            source_id=self.source_id,
            video=video.info,
            audio=self._audio,
            origin=RunOrigin.INTAKE,
        )
        return Fragmenter(
            video=video.info,
            reorder=video.reorder,
            audio=self._audio,
            clock=ToldClock(video.info.timescale, ClockBasis.DECLARED),
            fragment_seconds=self._aside.settings.fragment_seconds,
            hole_seconds=self._hole_seconds,
        )

    def _write(self, fragments: list[Fragment]) -> None:
        for fragment in fragments:
            assert self._writer is not None  # made with the fragmenter
            self._writer.write(fragment)
            self.holes += fragment.silences

    def receipt(self, sha256: str, size_bytes: int) -> IntakeReceipt:
        """What there is to say, once all is read."""
        assert self._video is not None and self._fragmenter is not None  # ``read`` saw to it
        info = self._video.info
        sound = self._audio.codec.value if self._audio else self._sound_left_out or "none"
        return IntakeReceipt(
            run_id=self.run_id,
            source_id=self.source_id,
            file=self._handed.path.name,
            sha256=sha256,
            size_bytes=size_bytes,
            principal=self._handed.principal,
            at_us=self._clock.now_us(),
            told_by=self._handed.told_by,
            offset_us=self._handed.offset_us,
            wall_start_us=self.wall.start_us,
            wall_end_us=self.wall.end_us,
            video=f"{info.codec.value} {info.width}x{info.height}",
            sound=sound,
            pictures=self._pictures - self._fragmenter.skipped,
            skipped=self._fragmenter.skipped,
            damaged=self._damaged,
            holes=len(self.holes),
            segments=tuple(one.sha256 for one in self.rows.segments),
        )


def _store(taking: _Taking, receipt: IntakeReceipt, root: Path, rows: IntakeRows, progress: Progress) -> None:
    """Everything is read and sealed: move it into the ring, with its rows. The order of invariant 1.

    The gaps come before the first segment, which would span a hole: what comes in between may be a crash.
    """
    segments = taking.rows.segments
    holes = [_hole(taking.source_id, wall) for wall in taking.holes]
    rows.start_intake(
        taking.run,
        holes,
        _filled(taking, rows),
        sha256=receipt.sha256,
        principal=receipt.principal,
        at_us=receipt.at_us,
    )
    for number, segment in enumerate(segments):
        with one_at_a_time(root, CHAIN_LOCK):  # a recorder that starts must not settle a file in between
            _move(root / ASIDE / segment.path, root / segment.path, root)
            chain = chain_value(rows.last_chain(segment.source_id), bytes.fromhex(segment.sha256))
            rows.add_segment(replace(segment, chain=chain))
        progress("store", (number + 1) / len(segments))


def _move(aside: Path, final: Path, root: Path) -> None:
    with _translated():
        make_directory(final.parent, root)
        aside.rename(final)
        fsync_directory(final.parent)


def _filled(taking: _Taking, rows: IntakeRows) -> dict[str, Backfill]:
    """A declared gap beats what lies in it, unless it is marked as filled; it stays visible all the same."""
    pictures = subtract(taking.wall, taking.holes)
    return {gap.id: gap.filled_by(pictures) for gap in rows.gaps_of(taking.source_id, taking.wall)}


def _hole(source_id: str, wall: TimeRange) -> Gap:
    """Invariant 5: no picture stands for the time in which the file has none."""
    return Gap(
        id=new_id("gap"),
        source_id=source_id,
        start_us=wall.start_us,
        end_us=wall.end_us,
        cause=GapCause.NOT_RECORDING,
        detail=_HOLE,
    )


def _in_the_way(segment: Segment, left: list[TimeRange]) -> bool:
    """What was fetched or taken in lies in gaps itself; live footage is in the way outside them."""
    if segment.clock_basis in (ClockBasis.REPLAY, ClockBasis.DECLARED):
        return True
    return any(segment.wall.intersect(part) for part in left)


def _readable(path: Path) -> Readable | None:
    """A file of the ring; None: nothing in it can be read, or it has just been sealed or removed."""
    with _translated():
        try:
            return read_segment(path)
        except FileNotFoundError:
            return None


def _keep_receipt(receipt: IntakeReceipt, directory: Path) -> None:
    """Durable before the first row: what is in the ring can be traced to the file that was handed in."""
    text = json.dumps(asdict(receipt), ensure_ascii=False, indent=1)
    with _translated():
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / f"{receipt.run_id}.json").open("x", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fsync_directory(directory)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error
