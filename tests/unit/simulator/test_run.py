"""The command's lines on standard input, and the centre it ships with."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import pytest

from kernel.clock import SystemClock
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from simulator.centre import SimulatedCentre
from simulator.faults import Faults
from simulator.run import SimulatorSettings, obey
from simulator.source import DEFAULT_CENTRE, SimulatedSource


class RecordingCentre(SimulatedCentre):
    """A centre that only notes what it is told."""

    def __init__(self) -> None:
        super().__init__(clock=SystemClock())
        self.told: list[str] = []

    def lose(self, source_id: str) -> None:
        self.told.append(f"lose {source_id}")

    def restore(self, source_id: str) -> None:
        self.told.append(f"restore {source_id}")


@pytest.mark.parametrize(
    ("line", "told", "ends"),
    [
        ("lose hall-camera\n", ["lose hall-camera"], False),
        ("restore hall-camera\n", ["restore hall-camera"], False),
        ("lose nobody\n", [], False),
        ("lose\n", [], False),
        ("\n", [], False),
        ("quit\n", [], True),
    ],
)
async def test_a_line_does_what_it_says_or_nothing(line: str, told: list[str], ends: bool) -> None:
    centre, ended = RecordingCentre(), asyncio.Event()
    obey(line, centre, ended)
    assert (centre.told, ended.is_set()) == (told, ends)


def test_the_password_is_not_shown_with_the_settings() -> None:
    assert "geheim" not in repr(SimulatorSettings(username="viewer", password="geheim"))


def test_the_default_centre_has_its_nine_sources_and_both_codecs() -> None:
    assert [source.id for source in DEFAULT_CENTRE] == [
        "hall-camera",
        "hall-screen",
        "extraction-room",
        "seat-01-face",
        "seat-01-desktop",
        "seat-02-face",
        "seat-02-desktop",
        "seat-03-face",
        "seat-03-desktop",
    ]
    assert Counter(source.codec for source in DEFAULT_CENTRE) == {Codec.H264: 8, Codec.H265: 1}
    assert all(
        (source.width >= 1280 and source.fps >= 5)
        for source in DEFAULT_CENTRE
        if source.content_kind is ContentKind.SEAT_DESKTOP
    )


def test_an_address_escapes_what_would_end_it_early() -> None:
    centre = SimulatedCentre(clock=SystemClock(), username="us:er", password="p@ss/word")
    assert centre.url("hall-camera") == "rtsp://us%3Aer:p%40ss%2Fword@127.0.0.1:0/hall-camera"
    assert centre.url("hall-camera", with_credentials=False) == "rtsp://127.0.0.1:0/hall-camera"


@pytest.mark.parametrize("wrong", [{"codec": Codec.AAC}, {"audio": Codec.H264}, {"width": 641}])
def test_a_source_that_cannot_be_made_is_refused(wrong: dict[str, object]) -> None:
    values: dict[str, object] = {"id": "cam", "content_kind": ContentKind.ROOM, "label_zh": "房间"} | wrong
    with pytest.raises(ValueError, match="cam"):
        SimulatedSource(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("freeze cam", Faults(frozen=True)),
        ("garbage cam", Faults(garbage=True)),
        ("hang cam", Faults(hanging=True)),
        ("mute cam", Faults(mute=True)),
        ("skew cam -3600", Faults(skew_us=-3_600_000_000)),
        ("skew cam 1.5 200", Faults(skew_us=1_500_000, drift_ppm=200)),
        ("freeze nobody", Faults()),
        ("freeze cam twice", Faults()),
        ("skew cam a-lot", Faults()),
        ("explode cam", Faults()),
    ],
)
async def test_faults_come_by_lines_and_are_healed_by_one(line: str, expected: Faults) -> None:
    source = SimulatedSource(id="cam", content_kind=ContentKind.ROOM, label_zh="房间", width=64, height=64)
    async with SimulatedCentre([source], clock=SystemClock()) as centre:
        obey(line, centre, asyncio.Event())
        faults = centre.faults("cam")
        assert replace(faults, drifting_since_us=0) == expected
        obey("heal cam", centre, asyncio.Event())
        assert faults == Faults()


async def test_a_source_is_dropped_and_its_time_stamps_jump_by_lines() -> None:
    source = SimulatedSource(id="cam", content_kind=ContentKind.ROOM, label_zh="房间", width=64, height=64)
    async with SimulatedCentre([source], clock=SystemClock()) as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        request = "SETUP rtsp://h/cam/trackID=0 RTSP/1.0", "CSeq: 1", "Transport: RTP/AVP/TCP;interleaved=0-1"
        writer.write("\r\n".join([*request, "", ""]).encode())
        await reader.readuntil(b"\r\n\r\n")
        broadcast = centre.server.broadcasts["cam"]
        before = broadcast.timestamp(0, 0)
        obey("jump cam 2", centre, asyncio.Event())
        assert (broadcast.timestamp(0, 0) - before) & 0xFFFFFFFF == 180_000
        obey("drop cam", centre, asyncio.Event())
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
