"""Looks at the sources of a room, and the check-up that is made of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from capture.checkup.look import take_look
from capture.checkup.ring_source import also_from_ring
from capture.checkup.room import RoomChecker, Surroundings
from capture.packets import Delivery, PacketsLost, PacketSource
from capture.recorder import OpenSource
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock, FakeClock
from kernel.errors import DiskFull, SettingsError, SourceRefused, SourceUnreachable
from kernel.model.checkup import Aspect, Verdict
from kernel.model.footage import Codec, Packet, Segment, SourceHealth, SourceState
from kernel.settings import CamerasFile, CaptureSettings, SourceSpec
from kernel.timerange import TimeRange
from tests.support.catalogue import CAMERAS, open_catalogue
from tests.support.segments import Recipe, make_segment
from tests.unit.capture.conftest import START_US, EncodedVideo

SETTINGS = CaptureSettings()


class Played:
    """A source that delivers what it was given, ten deliveries a read, then nothing or an error."""

    def __init__(self, deliveries: Sequence[Delivery], clock: FakeClock, error: Exception | None) -> None:
        self._rest = list(deliveries)
        self._clock = clock
        self._error = error
        self.closed = False

    async def read(self) -> Sequence[Delivery]:
        self._clock.advance(0.1)
        if not self._rest and self._error is not None:
            raise self._error
        now, self._rest = self._rest[:10], self._rest[10:]
        return now

    async def close(self) -> None:
        self.closed = True


class Silent:
    """A source that is connected and sends nothing."""

    def __init__(self) -> None:
        self.closed = False

    async def read(self) -> Sequence[Delivery]:
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        self.closed = True


def opener(clock: FakeClock, deliveries: Sequence[Delivery], error: Exception | None = None) -> OpenSource:
    async def open_it(spec: SourceSpec, settings: CaptureSettings, _clock: Clock) -> PacketSource:
        return Played(deliveries, clock, error)

    return open_it


def spec(uri: str = "rtsp://127.0.0.1:9/cam") -> SourceSpec:
    return SourceSpec(id="cam", content_kind="room", uri=uri, label_zh="x")


async def test_a_look_begins_with_a_key_frame_and_counts_what_was_lost(
    video: EncodedVideo, clock: FakeClock
) -> None:
    packets = video.packets()
    lost = PacketsLost(codec=Codec.H264, count=3)
    deliveries = [video.started, *packets[10:60], lost, *packets[60:]]
    look = await take_look(spec(), opener(clock, deliveries), SETTINGS, clock, 4.0)
    assert look.error is None
    assert look.pictures[0].key
    assert look.pictures[0].pts == 0
    assert 4.0 <= look.seconds < 5.0
    assert look.lost == 3
    assert look.key_frame_seconds() == pytest.approx(1.0)
    assert look.clock_offset_us == pytest.approx(80_000, abs=100)


async def test_a_source_that_tells_no_time_has_no_offset(video: EncodedVideo, clock: FakeClock) -> None:
    deliveries = [video.started, *video.packets(reported=False)]
    look = await take_look(spec(), opener(clock, deliveries), SETTINGS, clock, 4.0)
    assert look.clock_offset_us is None


async def test_a_key_frame_that_never_comes_again_is_as_long_as_the_look(
    video: EncodedVideo, clock: FakeClock
) -> None:
    packets = video.packets()
    only_one = [packets[0], *(one for one in packets[1:] if not one.key)]
    look = await take_look(spec(), opener(clock, [video.started, *only_one]), SETTINGS, clock, 4.0)
    assert look.key_frame_seconds() == pytest.approx(look.seconds)


async def test_a_source_that_breaks_in_the_look_is_told(video: EncodedVideo, clock: FakeClock) -> None:
    error = SourceUnreachable("source cam: it cut the connection.")
    deliveries = [video.started, *video.packets()[:30]]
    look = await take_look(spec(), opener(clock, deliveries, error), SETTINGS, clock, 4.0)
    assert look.error is error


async def test_a_source_that_sends_no_key_frame_is_given_up(video: EncodedVideo, clock: FakeClock) -> None:
    deliveries = [video.started, *(one for one in video.packets() if not one.key)]
    look = await take_look(spec(), opener(clock, deliveries), SETTINGS, clock, 4.0)
    assert look.error is not None


# --- a room


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path)
    yield made
    made.close()


def checker(
    catalogue: Catalogue,
    root: Path,
    clock: FakeClock,
    open_source: OpenSource,
    cameras: CamerasFile = CAMERAS,
) -> RoomChecker:
    return RoomChecker(
        Surroundings(
            cameras=cameras,
            settings=SETTINGS,
            open_source=open_source,
            rows=catalogue.checkups,
            days_left=lambda: 12.0,
            pictures=root / "checkups",
            clock=clock,
            look_seconds=4.0,
        )
    )


async def test_a_room_is_checked_whole_and_kept_with_its_pictures(
    catalogue: Catalogue, tmp_path: Path, video: EncodedVideo, clock: FakeClock
) -> None:
    playing = opener(clock, [video.started, *video.packets()])
    checkup = await checker(catalogue, tmp_path, clock, playing).check("OH", "clerk")
    assert catalogue.checkups.of_room("OH") == [checkup]
    assert {one.source_id for one in checkup.results} == {"cam", "screen", ""}
    for source in ("cam", "screen"):
        picture = tmp_path / "checkups" / checkup.id / f"{source}.jpg"
        assert picture.read_bytes()[:2] == b"\xff\xd8"
    # One flat grey, as the generated pictures are: of a camera, covered; of a screen, no signal.
    failed = {(one.source_id, one.aspect) for one in checkup.results if one.verdict is Verdict.FAILED}
    assert failed == {("cam", Aspect.PICTURE_COVERED), ("screen", Aspect.PICTURE_COVERED)}


async def test_one_source_that_refuses_fails_alone(
    catalogue: Catalogue, tmp_path: Path, video: EncodedVideo, clock: FakeClock
) -> None:
    playing = opener(clock, [video.started, *video.packets()])

    async def open_it(one: SourceSpec, settings: CaptureSettings, its: Clock) -> PacketSource:
        if one.id == "cam":
            raise SourceRefused("source cam: the device refuses the credentials.")
        return await playing(one, settings, its)

    checkup = await checker(catalogue, tmp_path, clock, open_it).check("OH", "clerk")
    assert [one.aspect for one in checkup.results if one.source_id == "cam"] == [Aspect.DELIVERS]
    assert len([one for one in checkup.results if one.source_id == "screen"]) > 1


async def test_bytes_that_are_no_pictures_fail_and_harm_nothing(
    catalogue: Catalogue, tmp_path: Path, video: EncodedVideo, clock: FakeClock
) -> None:
    rubbish = [
        Packet(
            codec=Codec.H264,
            pts=number * 3600,
            data=bytes(range(200)),
            key=True,
            arrival_us=START_US + number * 40_000,
            wall_us=None,
        )
        for number in range(150)
    ]
    playing = opener(clock, [video.started, *rubbish])
    checkup = await checker(catalogue, tmp_path, clock, playing).check("OH", "clerk")
    assert {one.aspect for one in checkup.results if one.verdict is Verdict.FAILED} == {Aspect.DELIVERS}


async def test_an_unknown_room_is_refused_with_the_names_there_are(
    catalogue: Catalogue, tmp_path: Path, clock: FakeClock
) -> None:
    with pytest.raises(SettingsError, match="OH"):
        await checker(catalogue, tmp_path, clock, opener(clock, [])).check("X", "clerk")


async def test_a_check_that_is_cancelled_holds_up_nobody_while_a_picture_is_decoded(
    catalogue: Catalogue,
    tmp_path: Path,
    video: EncodedVideo,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs on the loop that serves all pages."""
    loop, decoding, cancelled = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    in_time: list[bool] = []
    threads: set[threading.Thread] = set()

    def decode(*_: object) -> None:
        threads.add(threading.current_thread())
        loop.call_soon_threadsafe(decoding.set)
        in_time.append(cancelled.wait(5))

    monkeypatch.setattr("capture.checkup.room._see", decode)
    playing = opener(clock, [video.started, *video.packets()])
    check = asyncio.ensure_future(checker(catalogue, tmp_path, clock, playing).check("OH", "clerk"))
    await decoding.wait()
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    cancelled.set()
    for thread in threads:
        thread.join()
    assert all(in_time)
    assert in_time


async def test_a_check_that_fails_lets_go_of_all_sources(
    catalogue: Catalogue,
    tmp_path: Path,
    video: EncodedVideo,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = Silent()

    async def open_it(one: SourceSpec, settings: CaptureSettings, its: Clock) -> PacketSource:
        if one.id == "screen":
            return silent
        return Played([video.started, *video.packets()], clock, None)

    def full(*_: object) -> None:
        raise DiskFull

    monkeypatch.setattr("capture.checkup.room.keep_picture", full)
    with pytest.raises(DiskFull):
        await checker(catalogue, tmp_path, clock, open_it).check("OH", "clerk")
    assert silent.closed
    assert catalogue.checkups.of_room("OH") == []


# --- sources that push have one connection, which the recorder has


class Rows:
    """A recorder that saw the newest picture so many seconds ago."""

    def __init__(self, found: list[Segment], ago: float = 1.0) -> None:
        self._found = found
        self._seen_us = START_US - round(ago * SECOND_US)

    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]:
        return [one for one in self._found if one.wall.intersect(wall)]

    def health(self) -> dict[str, SourceHealth]:
        health = SourceHealth(
            source_id="cam",
            state=SourceState.RECORDING,
            detail="",
            since_us=0,
            updated_us=self._seen_us,
            last_frame_us=self._seen_us,
        )
        return {"cam": health}


PUSHED = "push+rtmp://127.0.0.1:9/live/x"


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return make_segment(tmp_path, Recipe(frames=150, sound=True, wall_start_us=START_US - 20 * SECOND_US))


async def test_a_source_that_pushes_is_looked_at_in_the_ring(
    tmp_path: Path, clock: FakeClock, segment: Segment
) -> None:
    either = also_from_ring(opener(clock, []), Rows([segment]), tmp_path)
    look = await take_look(spec(PUSHED), either, SETTINGS, clock, 5.0)
    assert look.error is None
    assert look.seconds == pytest.approx(149 / 25)
    assert look.audio is not None
    assert look.audio.codec is Codec.G711A
    assert look.clock_offset_us == 0


async def test_what_was_recorded_a_minute_ago_says_nothing_of_now(
    tmp_path: Path, clock: FakeClock, segment: Segment
) -> None:
    """A device that has died since must not pass."""
    either = also_from_ring(opener(clock, []), Rows([segment], ago=60), tmp_path)
    look = await take_look(spec(PUSHED), either, SETTINGS, clock, 4.0)
    assert isinstance(look.error, SourceUnreachable)


async def test_a_recording_that_has_just_begun_is_told(tmp_path: Path, clock: FakeClock) -> None:
    either = also_from_ring(opener(clock, []), Rows([]), tmp_path)
    look = await take_look(spec(PUSHED), either, SETTINGS, clock, 4.0)
    assert "no segment of it is sealed yet" in str(look.error)


async def test_a_camera_that_refuses_a_second_connection_is_looked_at_in_the_ring(
    tmp_path: Path, clock: FakeClock, segment: Segment
) -> None:
    refusal = SourceUnreachable("source cam: it takes no more connections.")

    async def refuse(one: SourceSpec, settings: CaptureSettings, its: Clock) -> PacketSource:
        raise refusal

    recorded = also_from_ring(refuse, Rows([segment]), tmp_path)
    assert (await take_look(spec(), recorded, SETTINGS, clock, 4.0)).error is None
    lost = also_from_ring(refuse, Rows([segment], ago=60), tmp_path)
    assert (await take_look(spec(), lost, SETTINGS, clock, 4.0)).error is refusal


async def test_a_source_that_is_called_is_looked_at_live(
    tmp_path: Path, video: EncodedVideo, clock: FakeClock
) -> None:
    live = opener(clock, [video.started, *video.packets()])
    look = await take_look(spec(), also_from_ring(live, Rows([]), tmp_path), SETTINGS, clock, 4.0)
    assert look.error is None
    assert look.video == video.started.info
