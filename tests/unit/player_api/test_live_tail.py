"""Following files that grow: nothing torn, nothing twice, nothing skipped."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.clock import SECOND_US
from kernel.errors import BoxError
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.writer import init_segment
from player_api.live_tail import Begun, LiveFragment, Place, SourceTail
from tests.support.growing import FRAME_US, FRAMES, START_US, GrowingRun


def place(sequence: int = 0, run_id: str = "run-1", wall_us: int = START_US) -> Place:
    return Place(run_id=run_id, sequence=sequence, wall_us=wall_us)


def fragments(events: list[Begun | LiveFragment]) -> list[LiveFragment]:
    return [one for one in events if isinstance(one, LiveFragment)]


def starts(events: list[Begun | LiveFragment]) -> list[int]:
    """Which picture each fragment begins with."""
    return [(one.wall.start_us - START_US) // FRAME_US for one in fragments(events)]


@pytest.fixture
def run(tmp_path: Path) -> GrowingRun:
    return GrowingRun(tmp_path)


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[SourceTail]:
    tail = SourceTail(tmp_path, "cam")
    yield tail
    tail.leave()


def test_it_begins_with_the_newest_key_frame(run: GrowingRun, tail: SourceTail) -> None:
    run.grow(2 * FRAMES + 3)
    first, *rest = tail.look_at(place())
    assert isinstance(first, Begun) and first.run_id == "run-1"
    assert starts(rest) == [10, 11, 12]
    assert [one.key for one in fragments(rest)] == [True, False, False]


def test_what_grows_is_told_once(run: GrowingRun, tail: SourceTail) -> None:
    run.grow()
    tail.look_at(place())
    assert tail.read() == []
    run.grow(2)
    assert starts(tail.read()) == [1, 2]
    assert tail.read() == []


@pytest.mark.parametrize("cut", [1, 9, 40, 60, 200])
def test_a_torn_fragment_waits_for_its_last_byte(run: GrowingRun, tail: SourceTail, cut: int) -> None:
    run.grow()
    tail.look_at(place())
    data = run.fragment()
    run.append(data[:cut])
    assert tail.read() == []
    run.append(data[cut:-1])
    assert tail.read() == []
    run.append(data[-1:])
    assert starts(tail.read()) == [1]


def test_a_file_whose_header_is_not_whole_is_not_there_yet(tmp_path: Path, tail: SourceTail) -> None:
    whole = GrowingRun(tmp_path / "elsewhere").part.read_bytes()
    run = GrowingRun(tmp_path)
    run.part.write_bytes(whole[: len(whole) // 2])
    assert tail.look_at(place()) == [] and tail.place is None
    run.part.write_bytes(whole)
    run.grow()
    assert starts(tail.look_at(place())) == [0]


def test_it_goes_on_into_the_next_segment_without_a_new_init(run: GrowingRun, tail: SourceTail) -> None:
    run.grow(FRAMES)
    tail.look_at(place())
    run.grow(2)  # not read yet when the segment is sealed
    run.roll()
    run.grow(1)
    events = tail.read() + tail.read() + tail.read()
    assert not any(isinstance(one, Begun) for one in events)
    assert starts(events) == [5, 6, 7]
    assert tail.place is not None and tail.place.sequence == 1


def test_a_segment_that_begins_after_midnight_is_found(tmp_path: Path, tail: SourceTail) -> None:
    midnight = (START_US // (86_400 * SECOND_US) + 1) * 86_400 * SECOND_US
    run = GrowingRun(tmp_path, wall_us=midnight - 4 * FRAME_US)
    run.grow(4)
    assert len(fragments(tail.look_at(place(wall_us=midnight - 4 * FRAME_US)))) == 4
    run.roll()
    run.grow(3)
    assert run.path.parent.name != "20260302"
    assert len(fragments(tail.read())) == 3


def test_a_new_run_brings_a_new_init(tmp_path: Path, run: GrowingRun, tail: SourceTail) -> None:
    run.grow(3)
    tail.look_at(place())
    run.seal()
    other = GrowingRun(tmp_path, run_id="run-2", wall_us=run.end_us + 5 * SECOND_US)
    other.grow(2)
    events = tail.read() + tail.look_at(place(run_id="run-2", wall_us=run.end_us + 5 * SECOND_US))
    assert [one.run_id for one in events if isinstance(one, Begun)] == ["run-2"]
    assert [one.media_us for one in fragments(events)] == [0, FRAME_US]


def test_a_file_that_is_removed_ends_quietly_and_is_looked_for_anew(
    tmp_path: Path, run: GrowingRun, tail: SourceTail
) -> None:
    run.grow(3)
    tail.look_at(place())
    run.part.unlink()
    assert tail.read() == []
    other = GrowingRun(tmp_path, run_id="run-2")
    other.grow()
    assert starts(tail.look_at(place(run_id="run-2"))) == [0]


def test_rows_that_are_owed_still_do_not_hide_the_open_file(run: GrowingRun, tail: SourceTail) -> None:
    run.grow(FRAMES)
    run.roll()
    run.grow(1)
    assert starts(tail.look_at(place(sequence=0))) == [FRAMES]  # the row of segment 0 has not come yet


def test_a_file_of_another_source_is_not_shown(tmp_path: Path, tail: SourceTail) -> None:
    """Names are labels, never truth (invariant 6)."""
    other = GrowingRun(tmp_path, "other")
    other.grow(2)
    wrong = tmp_path / "cam" / other.path.parent.name
    wrong.mkdir(parents=True)
    other.part.rename(wrong / other.part.name)
    assert tail.look_at(place()) == []


def test_garbage_in_the_file_is_said_and_not_shown(run: GrowingRun, tail: SourceTail) -> None:
    run.grow()
    tail.look_at(place())
    run.append((16).to_bytes(4, "big") + b"moof" + bytes(8) + (8).to_bytes(4, "big") + b"mdat")
    assert tail.read() == []  # a fragment without a picture is none
    run.append((24).to_bytes(4, "big") + b"prft" + bytes(2) + b"\xff" * 14)
    with pytest.raises(BoxError):
        tail.read()


def test_sound_and_picture_come_apart_byte_for_byte(tmp_path: Path, tail: SourceTail) -> None:
    run = GrowingRun(tmp_path, sound=True)
    run.grow(2)
    begun, *rest = tail.look_at(place())
    assert isinstance(begun, Begun) and begun.init.audio is not None
    init = init_segment([begun.init.video])
    picture = init + b"".join(one.picture for one in fragments(rest))
    sound = init_segment([begun.init.audio]) + b"".join(one.sound for one in fragments(rest))
    assert [track.id for track in read_init(io.BytesIO(picture)).tracks] == [1]
    (seen, again) = list(read_fragments(io.BytesIO(picture)))
    (heard, _) = list(read_fragments(io.BytesIO(sound)))
    whole = run.part.read_bytes()
    one = seen.runs[1][0]
    assert picture[one.offset : one.offset + one.size] in whole
    assert set(seen.runs) == {1} and set(heard.runs) == {2}
    assert again.runs[1][0].dts == FRAME_US * 9 // 100
    assert len(heard.runs[2]) == FRAME_US // 20_000


def test_where_nobody_records_nothing_is_found(tail: SourceTail) -> None:
    assert tail.look_at(None) == [] and tail.look_at(place()) == [] and tail.read() == []
