"""Sources that change while they are recorded: who is not meant goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from capture.desires import BookedSources, EverySource
from capture.disk import WriterThread
from capture.gap_ledger import CONNECTING
from capture.groups import Group, assign, reassign
from capture.health import HealthBoard
from capture.memory_rows import MemoryRows
from capture.orders import Orders
from capture.roster import Roster, SourceLocks, same_connection, source_lock
from capture.worker import record
from kernel.clock import SECOND_US, FakeClock
from kernel.desired import Around
from kernel.errors import CatalogError, StorageError
from kernel.lock import in_use, sole_user
from kernel.model.footage import Booking, EndReason, Gap, GapCause, SourceState
from kernel.model.source import RecordMode, Wish
from kernel.settings import CaptureSettings, SourceSpec
from tests.unit.capture.conftest import EncodedVideo
from tests.unit.capture.test_recorder import Script, batches, later, settings_in

SETTINGS = CaptureSettings(sources_per_process=2, libav_sources_per_process=1)
AROUND = Around(before_us=0, after_us=0)


def spec(source_id: str, uri: str = "rtsp://h/x", **more: object) -> SourceSpec:
    return SourceSpec(id=source_id, content_kind="room", uri=uri, label_zh="x", **more)


def wish(source_id: str, record: RecordMode = RecordMode.BOOKED) -> Wish:
    return Wish(source_id=source_id, room_id="room", record=record)


async def test_of_a_source_that_is_added_nothing_was_expected_before() -> None:
    roster = Roster([spec("old")])
    roster.change([spec("old"), spec("new")], [], 5_000)
    wants = {one: desire.want.since_us for one, desire in (await EverySource(roster)()).items()}
    assert wants == {"old": None, "new": 5_000}
    roster.change([spec("old"), spec("new")], [], 9_000)
    assert roster.entered["new"].since_us == 5_000


class NoBookings:
    """A catalogue that may fail."""

    fails = False

    def touching(self, wall: object) -> list[Booking]:
        if self.fails:
            raise CatalogError
        return []

    def uses_since(self, since_us: int) -> list[object]:
        return []


async def test_what_the_catalogue_could_not_be_asked_of_is_wanted() -> None:
    roster, rows, thread = Roster([spec("a")], [wish("a")]), NoBookings(), WriterThread()
    desired = BookedSources(roster, rows, AROUND, FakeClock(), thread)
    assert await desired() == {}
    rows.fails = True
    roster.change([spec("a"), spec("b")], [wish("a"), wish("b")], 1)
    assert list(await desired()) == ["b"]
    rows.fails = False
    assert await desired() == {}
    roster.change([spec("a")], [wish("a", RecordMode.ALWAYS)], 2)
    assert list(await desired()) == ["a"]
    thread.close()


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"label_zh": "y"}, True),
        ({"replay_uri": "rtsp://h/kept"}, True),
        ({"uri": "rtsp://h/y"}, False),
        ({"password": "other"}, False),
        ({"transport": "udp"}, False),
        ({"certificate_sha256": "0" * 64}, False),
    ],
)
def test_only_what_changes_the_connection_makes_a_new_one(changed: dict[str, str], same: bool) -> None:
    before = {"id": "a", "content_kind": "room", "uri": "rtsp://h/x", "label_zh": "x", "password": "s3cret"}
    one, other = SourceSpec.model_validate(before), SourceSpec.model_validate({**before, **changed})
    assert same_connection(one, other) is same


def names(groups: list[Group]) -> dict[str, list[str]]:
    return {group.name: [one.id for one in group.specs] for group in groups}


def test_who_is_in_a_group_stays_in_it() -> None:
    groups = assign([spec(one) for one in "abcd"], SETTINGS)
    without_a = reassign(groups, [spec(one) for one in "bcd"], SETTINGS)
    assert names(without_a) == {"rtsp-1": ["b"], "rtsp-2": ["c", "d"]}
    with_more = reassign(without_a, [spec(one) for one in "fedcb"], SETTINGS)
    assert names(with_more) == {"rtsp-1": ["b", "f"], "rtsp-2": ["c", "d"], "rtsp-3": ["e"]}


def test_a_group_that_has_nobody_left_is_filled_again() -> None:
    groups = reassign(assign([spec("a")], SETTINGS), [], SETTINGS)
    assert names(groups) == {"rtsp-1": []}
    assert names(reassign(groups, [spec("b")], SETTINGS)) == {"rtsp-1": ["b"]}


def test_a_source_that_is_read_in_another_way_moves() -> None:
    groups = assign([spec("a"), spec("b")], SETTINGS)
    moved = reassign(groups, [spec("a", "rtmp://h/x/y"), spec("b")], SETTINGS)
    assert names(moved) == {"rtsp-1": ["b"], "libav-1": ["a"]}
    assert names(reassign([], [spec("p", "push+rtsp:///p"), spec("desk", "agent:")], SETTINGS)) == {
        "push-1": ["p"]
    }


def test_orders_tell_all_that_recording_needs_and_show_nothing_of_it() -> None:
    told = Orders(specs=[spec("a", username="admin", password="s3cret\n中")], wishes=[wish("a")])
    line = told.line()
    assert line.count(b"\n") == 1
    read = Orders.read(line)
    assert (read.specs, read.wishes) == (told.specs, told.wishes)
    assert "s3cret" not in repr(read)


def test_a_source_that_another_program_records_is_waited_for_and_told_of_once(tmp_path: Path) -> None:
    locks = SourceLocks(tmp_path)
    with capture_logs() as logged:
        with sole_user(tmp_path, source_lock("a")):
            assert [locks.holds("a"), locks.holds("a")] == [False, False]
            with pytest.raises(StorageError):
                locks.take("a")
        assert locks.holds("a")
    assert [one["action"] for one in logged] == ["source.taken"]
    other = SourceLocks(tmp_path)
    assert not other.holds("a")
    locks.keep(())
    assert other.holds("a")
    other.close()


def test_of_a_source_that_left_nothing_more_is_said() -> None:
    """Another process may tell of it."""
    board = HealthBoard(FakeClock())
    board.introduce(["a", "b"])
    rows = board.take_changed()
    board.keep_only({"a"})
    board.put_back(rows)
    board.still_here()
    assert [row.source_id for row in board.take_changed()] == ["a"]


def test_what_a_device_complains_of_is_told_while_it_is_recorded_and_its_rate_is_kept() -> None:
    board = HealthBoard(FakeClock())
    board.say("a", SourceState.RECORDING)
    board.note("a", "covered")
    board.say("a", SourceState.RECORDING)
    board.say("a", SourceState.LOST, "gone")
    assert board.take_changed()[0].detail == "gone"
    board.say("a", SourceState.RECORDING)
    assert board.take_changed()[0].detail == "covered"
    board.note("a", "")
    board.say("a", SourceState.RECORDING)
    assert board.take_changed()[0].detail == ""


class Ring:
    """What a recorder of two sources does while its roster changes."""

    def __init__(self, root: Path, clock: FakeClock, video: EncodedVideo) -> None:
        self.rows = MemoryRows()
        self.roster = Roster([spec("stays"), spec("goes")])
        self.clock = clock
        packets = video.packets(200)
        steps = [[video.started], *batches(packets)]
        again = [[video.started], *batches(later(packets, 20))]
        self.scripts = {one: Script(clock, list(steps), list(again)) for one in ("stays", "goes")}
        self.stop = asyncio.Event()
        self.work = asyncio.create_task(
            record(
                self.roster,
                settings_in(root),
                self.rows,
                clock,
                self.stop,
                open_source=self.open,
                principal="王工",
            )
        )

    async def open(self, one: SourceSpec, *rest: object):
        return await self.scripts[one.id].open(one, *rest)

    async def until(self, what) -> None:
        async with asyncio.timeout(20):
            while not what():  # noqa: ASYNC110 - it looks at rows that nobody signals
                await asyncio.sleep(0.02)

    def reasons(self, source_id: str) -> list[EndReason | None]:
        return [run.end_reason for run in self.rows.runs.values() if run.source_id == source_id]

    def gaps(self, source_id: str) -> list[Gap]:
        return [one for one in self.rows.gaps if one.source_id == source_id and one.detail != CONNECTING]

    async def finish(self) -> None:
        self.stop.set()
        await self.work


async def test_a_source_that_leaves_ends_without_a_gap_and_the_other_goes_on(
    tmp_path: Path, clock: FakeClock, video: EncodedVideo
) -> None:
    ring = Ring(tmp_path, clock, video)
    await ring.until(lambda: len(ring.rows.runs) == 2)
    ring.roster.change([spec("stays")], [], clock.now_us())
    await ring.until(lambda: ring.reasons("goes") == [EndReason.STOPPED])
    await ring.until(lambda: not in_use(tmp_path / "locks", source_lock("goes")))
    assert ring.reasons("stays") == [None]
    await ring.finish()
    assert ring.gaps("goes") == []
    assert ring.reasons("stays") == [EndReason.STOPPED]


async def test_a_source_that_is_changed_is_connected_anew_and_says_why(
    tmp_path: Path, clock: FakeClock, video: EncodedVideo
) -> None:
    ring = Ring(tmp_path, clock, video)
    await ring.until(lambda: len(ring.rows.runs) == 2 and ring.scripts["goes"].done.is_set())
    ring.roster.change([spec("stays"), spec("goes", "rtsp://h/other")], [], clock.now_us())
    await ring.until(lambda: len(ring.reasons("goes")) == 2)
    await ring.finish()
    assert ring.scripts["stays"].opened == 1
    [gap] = [one for one in ring.gaps("goes") if one.end_us is not None]
    assert (gap.cause, "cameras.yaml" in gap.detail) == (GapCause.STOPPED, True)
    assert gap.end_us is not None
    assert gap.end_us - gap.start_us < 60 * SECOND_US
