"""Segments: written, read back, decoded, torn at every place, recovered; a disk that is full."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.fragmenter import Fragment, Fragmenter
from capture.memory_rows import MemoryRows
from capture.recover import QUARANTINE, recover
from capture.run_clock import Anchors, RunClock
from capture.segment_writer import Ring, SegmentWriter
from capture.sound_timeline import SoundTimeline
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.clock import FakeClock
from kernel.codec import aac
from kernel.errors import CatalogError, DiskFull
from kernel.isobmff.reader import read_fragments, read_init
from kernel.model.footage import ClockBasis, Codec, EndReason, GapCause, Packet, Run, TrackInfo
from kernel.segments.segment_file import RawFile, open_new
from kernel.settings import RingSettings

START_US = 1_772_420_400_000_000
SOUND = TrackInfo(
    codec=Codec.AAC,
    timescale=16_000,
    sample_entry=aac.mp4a(bytes.fromhex("1408")),
    sample_rate=16_000,
    channels=1,
)


def fragments_of(video, packets, *, audio=()):
    fragmenter = Fragmenter(
        video=video.started.info,
        reorder=video.started.reorder,
        audio=SOUND if audio else None,
        clock=RunClock(90_000, 5),
        fragment_seconds=1,
        hole_seconds=2,
    )
    made, waiting = [], list(audio)
    for packet in packets:
        while waiting and waiting[0].arrival_us <= packet.arrival_us:
            fragmenter.add_audio(waiting.pop(0))
        made += fragmenter.add_video(packet)
    return made + fragmenter.flush()


def sound(seconds: int) -> list[Packet]:
    """Frames of 64 ms, from the moment of the first picture on, by the same clock."""
    return [
        Packet(
            codec=Codec.AAC,
            pts=77 + n * 1024,
            data=bytes([33, n % 256]) * 20,
            key=True,
            arrival_us=START_US + n * 64_000 + 30_000,
            wall_us=START_US + n * 64_000 + 100_000,
        )
        for n in range(seconds * 1000 // 64)
    ]


def writer(ring: Ring, rows: MemoryRows, video, *, audio=None, run="run-1") -> SegmentWriter:
    rows.start_run(Run(id=run, source_id="seat-1", started_us=START_US, ended_us=None, end_reason=None))
    return SegmentWriter(
        ring=ring, rows=rows, run_id=run, source_id="seat-1", video=video.started.info, audio=audio
    )


@pytest.fixture
def ring(tmp_path: Path, clock: FakeClock) -> Ring:
    return Ring(root=tmp_path, settings=RingSettings(segment_seconds=3, reserve_bytes=0), clock=clock)


def write_all(ring: Ring, rows: MemoryRows, video, *, audio=()) -> SegmentWriter:
    made = writer(ring, rows, video, audio=SOUND if audio else None)
    for fragment in fragments_of(video, video.packets(), audio=audio):
        made.write(fragment)
    return made


def test_every_frame_is_written_once_and_decodes(ring: Ring, video, count_frames) -> None:
    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    counts = [count_frames(ring.root / one.path) for one in rows.segments]
    assert (sum(counts), counts[0]) == (250, 75)
    assert [one.end_reason.value for one in rows.segments] == ["length", "length", "length", "stopped"]


def test_segments_join_in_wall_time_and_in_media_time(ring: Ring, video) -> None:
    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    for one, after in pairwise(rows.segments):
        assert one.wall.end_us == after.wall.start_us
        assert one.media_start + one.media_duration == after.media_start
    assert rows.segments[0].wall.start_us == START_US + 100_000
    assert rows.segments[-1].wall.end_us == START_US + 100_000 + 250 * 40_000
    assert {one.clock_basis for one in rows.segments} == {ClockBasis.SENDER_REPORT}
    assert {one.clock_offset_us for one in rows.segments} == {80_000}


def test_a_row_says_what_the_file_is(ring: Ring, video) -> None:
    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    chain = GENESIS_CHAIN
    for one in rows.segments:
        data = (ring.root / one.path).read_bytes()
        digest = hashlib.sha256(data)
        chain = chain_value(chain, digest.digest())
        assert (one.size_bytes, one.sha256, one.chain) == (len(data), digest.hexdigest(), chain)
    assert not list(ring.root.rglob("*.part"))


def test_fragments_are_short_begin_with_their_wall_time_and_with_key_frames(ring: Ring, video) -> None:
    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    one = rows.segments[1]
    with (ring.root / one.path).open("rb") as file:
        init = read_init(file)
        fragments = list(read_fragments(file, init.size))
    for fragment in fragments:
        samples = fragment.runs[1]
        assert sum(sample.duration for sample in samples) <= 90_000
        assert fragment.producer_time.captured
        passed_us = (samples[0].dts - one.media_start) * 100 // 9
        assert fragment.producer_time.wall_us == one.wall.start_us + passed_us
    assert fragments[0].starts_with_key(1)


def test_b_frames_keep_their_presentation_times(ring: Ring, bframe_video, count_frames) -> None:
    rows = MemoryRows()
    write_all(ring, rows, bframe_video).close(EndReason.STOPPED)
    shown = []
    for one in rows.segments:
        with (ring.root / one.path).open("rb") as file:
            for fragment in read_fragments(file, read_init(file).size):
                samples = fragment.runs[1]
                assert min(s.pts for s in samples) == samples[0].dts  # nothing reaches over the cut
                shown += [sample.pts for sample in samples]
    assert shown == [pts * 3600 for pts, _, _ in bframe_video.units]
    assert sum(count_frames(ring.root / one.path) for one in rows.segments) == 100


def test_sound_lies_beside_the_picture_of_its_time(ring: Ring, video) -> None:
    rows = MemoryRows()
    frames = sound(10)
    write_all(ring, rows, video, audio=frames).close(EndReason.STOPPED)
    times, data = [], []
    for one in rows.segments:
        path = ring.root / one.path
        with path.open("rb") as file:
            for fragment in read_fragments(file, read_init(file).size):
                for sample in fragment.runs.get(2, ()):
                    times.append(sample.dts)
                    file.seek(sample.offset)
                    data.append(file.read(sample.size))
    assert times[0] == 0
    assert {after - before for before, after in pairwise(times)} == {1024}
    assert data == [one.data for one in frames[: len(data)]]
    with av.open(ring.root / rows.segments[0].path) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]


def test_sound_whose_reports_come_late_loses_no_frame(ring: Ring, video) -> None:
    """Laid by arrival first, by reports later: another place, but every frame stays."""
    rows = MemoryRows()
    late = [
        one._replace(wall_us=one.wall_us + 300_000 if n > 100 else None) for n, one in enumerate(sound(10))
    ]
    write_all(ring, rows, video, audio=late).close(EndReason.STOPPED)
    kept = 0
    for one in rows.segments:
        with (ring.root / one.path).open("rb") as file:
            for fragment in read_fragments(file, read_init(file).size):
                kept += len(fragment.runs.get(2, ()))
    assert kept >= len(late) - 7  # those that belong behind the last picture are left


@pytest.mark.parametrize("off_s", [30, -30, 86_400, -86_400])
def test_sound_reported_by_a_clock_that_is_off_is_laid_by_arrival(video, off_s: int) -> None:
    off = [one._replace(wall_us=one.wall_us + off_s * 1_000_000) for one in sound(10)]
    made = fragments_of(video, video.packets(), audio=off)
    kept = [one.data for each in made if each.audio for one in each.audio.samples]
    assert kept == [one.data for one in off[: len(kept)]]
    assert len(kept) >= len(off) - 7
    assert made[0].audio.base_dts < SOUND.timescale // 10


def test_sound_whose_stamps_jump_away_is_bounded_counted_and_laid_anew() -> None:
    """No picture of tomorrow comes: what waits for it must not wait until the run ends."""
    pictures = Anchors(90_000)
    timeline = SoundTimeline(SOUND, fragment_seconds=1)
    kept = 0
    for second, frames in groupby(sound(90), key=lambda one: (one.arrival_us - START_US) // 1_000_000):
        at_us = START_US + second * 1_000_000
        pictures.add(
            Packet(
                codec=Codec.H264,
                pts=second * 90_000,
                data=b"",
                key=True,
                arrival_us=at_us + 30_000,
                wall_us=None,
            )
        )
        for one in frames:
            jumped = one.pts + (86_400 * SOUND.timescale if second >= 10 else 0)
            timeline.add(one._replace(pts=jumped, wall_us=None))
        taken = timeline.take_until((second + 1) * 1_000_000, pictures, 0)
        kept += len(taken.samples) if taken else 0
    assert timeline.dropped > 0
    assert kept + timeline.dropped + timeline.trimmed == len(sound(90))
    assert kept > len(sound(90)) // 2


def test_frames_before_the_first_key_frame_are_left_out(video) -> None:
    made = fragments_of(video, video.packets()[10:60])
    assert made[0].key
    assert sum(len(one.video.samples) for one in made) == 35


def test_lost_frames_are_told_as_a_stretch_of_wall_time(video) -> None:
    made = fragments_without(video, {40, 41}, packets_lost=True)
    losses = [loss for one in made for loss in one.losses]
    assert [(loss.start_us - START_US, loss.end_us - START_US) for loss in losses] == [(1_700_000, 1_780_000)]
    assert not [wall for one in made for wall in one.silences]


def test_a_source_that_sends_no_picture_for_a_while_leaves_a_gap_not_a_frozen_frame(video) -> None:
    """Invariant 5: nothing was lost on the way, and yet nobody saw these three seconds."""
    made = fragments_without(video, set(range(20, 95)), packets_lost=False)
    silences = [wall for one in made for wall in one.silences]
    assert [(wall.start_us - START_US, wall.end_us - START_US) for wall in silences] == [(900_000, 3_900_000)]
    assert not [loss for one in made for loss in one.losses]


def test_a_still_screen_that_sends_a_picture_a_second_has_no_gap(video) -> None:
    made = fragments_without(video, {n for n in range(100) if n % 25}, packets_lost=False)
    assert not [wall for one in made for wall in (*one.silences, *one.losses)]


def test_a_steady_picture_slower_than_a_hole_is_usual_after_its_first_few(video) -> None:
    """A slide show of a picture every 2.4 seconds is there all the time."""
    packets = [
        packet._replace(
            pts=n * 60 * 3600,
            key=True,
            arrival_us=START_US + n * 2_400_000 + 20_000,
            wall_us=START_US + n * 2_400_000,
        )
        for n, packet in enumerate(video.packets(100))
    ]
    made = fragments_of(video, packets)
    missing = [wall for one in made for wall in (*one.silences, *one.losses)]
    assert not [wall for wall in missing if wall.start_us > START_US + 3 * 2_400_000]
    assert sum(len(one.video.samples) for one in made) == 100
    assert made[-1].wall.end_us == START_US + 100 * 2_400_000


def test_a_slow_source_that_is_silent_for_long_has_a_gap_all_the_same(video) -> None:
    """A picture a second, then none for nine seconds."""
    kept = {n for n in range(0, 1000, 25) if not 250 < n < 475}
    made = fragments_of(video, [paced(video, n) for n in sorted(kept)])
    silences = [wall for one in made for wall in one.silences]
    assert [(wall.start_us - START_US, wall.end_us - START_US) for wall in silences] == [
        (11_000_000, 19_000_000)
    ]


def test_holes_do_not_become_usual(video) -> None:
    """Three seconds without a picture, twice, at the very beginning and a few pictures later."""
    kept = [0, *range(75, 78), *range(153, 180)]
    made = fragments_of(video, [paced(video, n) for n in kept])
    silences = [wall for one in made for wall in one.silences]
    assert [(wall.start_us - START_US, wall.end_us - START_US) for wall in silences] == [
        (40_000, 3_000_000),
        (3_120_000, 6_120_000),
    ]


def test_a_run_that_ends_right_behind_a_hole_does_not_last_as_long_as_the_hole(video) -> None:
    made = fragments_of(video, [paced(video, n) for n in (0, 75)])
    assert made[-1].wall.end_us == START_US + 3_040_000


def paced(video, number: int) -> Packet:
    """A picture that stands at that place in 25 a second."""
    (first,) = video.packets(1)
    at_us = START_US + number * 40_000
    return first._replace(pts=number * 3600, key=True, arrival_us=at_us + 20_000, wall_us=at_us)


def fragments_without(video, missing: set[int], packets_lost: bool) -> list[Fragment]:
    """The fragments of a hundred pictures of which some never came."""
    fragmenter = Fragmenter(
        video=video.started.info,
        reorder=0,
        audio=None,
        clock=RunClock(90_000, 5),
        fragment_seconds=1,
        hole_seconds=2,
    )
    made, after_loss = [], False
    for number, packet in enumerate(video.packets(100)):
        if number in missing:
            after_loss = packets_lost
        else:
            made += fragmenter.add_video(packet, after_loss)
            after_loss = False
    return made + fragmenter.flush()


def test_a_run_of_one_frame_has_a_length(video) -> None:
    (only,) = fragments_of(video, video.packets(1))
    assert only.wall.duration_us == 40_000


class FullDisk:
    """A file that takes so many bytes and no more."""

    def __init__(self, path: Path, room: int) -> None:
        self._file = path.open("xb", buffering=0)
        self._room = room

    def write(self, data) -> int:
        taken = bytes(data)[: self._room]
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= len(taken)
        return self._file.write(taken)

    def truncate(self, size: int) -> int:
        return self._file.truncate(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def test_a_full_disk_seals_what_is_readable_and_deletes_nothing(ring: Ring, video, count_frames) -> None:
    rows, small = MemoryRows(), replace(ring, opener=lambda path: FullDisk(path, 8_000))
    made = writer(small, rows, video)
    written = 0
    with pytest.raises(DiskFull):
        for fragment in fragments_of(video, video.packets()):
            made.write(fragment)
            written += len(fragment.video.samples)
    made.close(EndReason.DISK_FULL)
    assert written > 0
    assert sum(count_frames(ring.root / one.path) for one in rows.segments) == written
    last = rows.segments[-1]
    assert last.end_reason is EndReason.DISK_FULL
    assert (ring.root / last.path).stat().st_size == last.size_bytes
    assert hashlib.sha256((ring.root / last.path).read_bytes()).hexdigest() == last.sha256


def test_the_reserve_stays_free(ring: Ring, video) -> None:
    guarded = replace(ring, settings=RingSettings(reserve_bytes=1000), free=lambda _: 999)
    with pytest.raises(DiskFull, match="1000 are to stay free"):
        writer(guarded, MemoryRows(), video).write(fragments_of(video, video.packets(30))[0])


def crashed(ring: Ring, video) -> tuple[MemoryRows, Path]:
    """A ring whose recorder ended in the middle of its second segment."""
    rows, handles = MemoryRows(), []

    def remembering(path: Path) -> RawFile:
        handles.append(open_new(path))
        return handles[-1]

    made = writer(replace(ring, opener=remembering), rows, video)
    for fragment in fragments_of(video, video.packets(120)):
        made.write(fragment)
    handles[-1].close()
    (part,) = ring.root.rglob("*.part")
    return rows, part


def test_a_crash_costs_no_whole_fragment(ring: Ring, video, count_frames) -> None:
    rows, part = crashed(ring, video)
    part.write_bytes(part.read_bytes() + b"\0\0\x40\0moof torn")
    found = recover(ring.root, rows)
    assert (found.segments, found.quarantined, found.runs) == (1, 1, 1)
    last = rows.segments[-1]
    assert last.end_reason is EndReason.CRASH
    assert last.wall.start_us == rows.segments[0].wall.end_us
    assert last.wall.end_us == START_US + 100_000 + 120 * 40_000
    assert count_frames(ring.root / last.path) == 45
    assert last.chain == chain_value(rows.segments[0].chain, bytes.fromhex(last.sha256))
    assert (rows.runs["run-1"].ended_us, rows.runs["run-1"].end_reason) == (last.wall.end_us, EndReason.CRASH)
    (gap,) = rows.open_gaps()
    assert (gap.start_us, gap.cause) == (last.wall.end_us, GapCause.CRASH)
    (tail,) = (ring.root / QUARANTINE).glob("*.tail")
    assert tail.read_bytes() == b"\0\0\x40\0moof torn"
    assert recover(ring.root, rows).segments == 0  # settled is settled


def test_a_sealed_file_without_a_row_gets_one(ring: Ring, video) -> None:
    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    lost = rows.segments.pop()
    recover(ring.root, rows)
    found = rows.segments[-1]
    assert replace(found, end_reason=lost.end_reason) == lost


def test_an_unreadable_file_is_put_aside_with_the_reason(ring: Ring, video) -> None:
    rows, part = crashed(ring, video)
    part.write_bytes(b"nothing of ours")
    found = recover(ring.root, rows)
    assert (found.segments, found.quarantined) == (0, 1)
    aside = ring.root / QUARANTINE / part.name
    assert aside.read_bytes() == b"nothing of ours"
    assert "no whole fragment" in aside.with_name(aside.name + ".reason.txt").read_text()
    assert rows.runs["run-1"].ended_us == rows.segments[0].wall.end_us


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), garbage=st.binary(max_size=40))
def test_torn_anywhere_no_whole_fragment_is_lost(
    tmp_path_factory: pytest.TempPathFactory, video, share: float, garbage: bytes
) -> None:
    root = tmp_path_factory.mktemp("torn")
    ring = Ring(
        root=root, settings=RingSettings(segment_seconds=3, reserve_bytes=0), clock=FakeClock(START_US)
    )
    rows, part = crashed(ring, video)
    whole = part.read_bytes()
    with part.open("rb") as file:
        ends = [one.offset + one.size for one in read_fragments(file, read_init(file).size)]
    cut = round(share * len(whole))
    part.write_bytes(whole[:cut] + garbage)
    expected = max((end for end in ends if end <= cut), default=0)
    recover(root, rows)
    kept = [one for one in rows.segments if one.end_reason is EndReason.CRASH]
    assert sum(one.size_bytes for one in kept) >= expected
    if kept and not garbage:
        assert kept[0].size_bytes == expected
    assert sum(
        path.stat().st_size for path in root.rglob("*") if "part" in path.name or path.suffix == ".mp4"
    ) >= (len(garbage) + cut - len(whole))
    assert not [path for path in root.rglob("*.part") if QUARANTINE not in path.parts]


@pytest.fixture(scope="module")
def good_segment(tmp_path_factory: pytest.TempPathFactory, video) -> bytes:
    """What a recorder left behind when it ended."""
    root = tmp_path_factory.mktemp("good")
    ring = Ring(
        root=root, settings=RingSettings(segment_seconds=60, reserve_bytes=0), clock=FakeClock(START_US)
    )
    _, part = crashed(ring, video)
    return part.read_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_never_keeps_the_recorder_from_starting(
    tmp_path_factory: pytest.TempPathFactory, good_segment: bytes, data: st.DataObject
) -> None:
    damaged = damage(good_segment, data)
    root = tmp_path_factory.mktemp("damaged")
    (root / "seat-1").mkdir()
    (root / "seat-1" / "a.mp4.part").write_bytes(damaged)
    (root / "seat-1" / "b.mp4").write_bytes(good_segment)
    rows = MemoryRows()
    found = recover(root, rows)
    assert found.left == 0
    assert found.segments + found.quarantined >= 2
    assert (root / rows.segments[-1].path).name == "b.mp4" or len(rows.segments) == 2
    kept = sum(path.stat().st_size for path in root.rglob("*.mp4*") if path.suffix != ".txt")
    assert kept == len(damaged) + len(good_segment)
    for one in rows.segments:
        assert (
            max(map(abs, (one.wall.start_us, one.wall.end_us, one.media_start, one.media_duration))) < 1 << 63
        )
        assert one.timescale > 0
        assert one.media_duration >= 0


def damage(whole: bytes, data: st.DataObject) -> bytes:
    """Bytes changed, most of them in the boxes of the beginning, and perhaps the end torn off."""
    damaged = bytearray(whole)
    places = st.one_of(st.integers(0, min(1500, len(whole) - 1)), st.integers(0, len(whole) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        damaged[place] = value
    cut = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))
    return bytes(damaged[:cut])


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_file_that_the_disk_does_not_give_stays_where_it_is(
    ring: Ring, video, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What cannot be read now may be whole: it is no case for quarantine, and costs no other file."""
    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    hidden, other = (ring.root / rows.segments.pop().path for _ in range(2))
    whole = Path.open

    def failing(path: Path, *args: Any, **more: Any) -> Any:
        if path == hidden:
            raise OSError(code, os.strerror(code))
        return whole(path, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", failing)
        found = recover(ring.root, rows)
    assert (found.segments, found.left, found.quarantined) == (1, 1, 0)
    assert ring.root / rows.segments[-1].path == other
    assert hidden.is_file()
    assert not (ring.root / QUARANTINE).exists()
    assert recover(ring.root, rows).segments == 1  # the disk gives it again
    assert ring.root / rows.segments[-1].path == hidden


def test_a_directory_that_cannot_be_listed_costs_only_itself(
    ring: Ring, video, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = crashed(ring, video)
    scandir = os.scandir
    (ring.root / "another").mkdir()

    def failing(path: Any = ".") -> Any:
        if Path(path) == ring.root / "another":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    assert recover(ring.root, rows).segments == 1


def test_a_file_whose_row_the_catalogue_refuses_costs_only_itself(ring: Ring, video) -> None:
    class Refusing(MemoryRows):
        def add_segment(self, segment) -> None:
            if segment.sequence == 2:
                raise CatalogError("UNIQUE constraint failed: segment.id")
            super().add_segment(segment)

    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    refusing = Refusing()
    refusing.runs = rows.runs
    found = recover(ring.root, refusing)
    assert (found.segments, found.left) == (3, 1)
    assert (ring.root / rows.segments[2].path).is_file()


def test_a_file_that_is_refused_does_not_end_a_run_that_has_ended_already(ring: Ring, video) -> None:
    """A copy that somebody laid into the ring: no crash, no gap."""

    class Refusing(MemoryRows):
        def add_segment(self, segment) -> None:
            raise CatalogError("UNIQUE constraint failed: segment.id")

    rows = MemoryRows()
    write_all(ring, rows, video).close(EndReason.STOPPED)
    rows.end_run("run-1", START_US + 10_000_000, EndReason.STOPPED)
    refusing = Refusing()
    refusing.runs = dict(rows.runs)
    assert recover(ring.root, refusing).left == 4
    assert refusing.runs == rows.runs
    assert refusing.gaps == []
