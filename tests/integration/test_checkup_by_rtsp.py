"""A check-up of a room whose sources come by RTSP from the simulated centre, spoilt ones among them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.checkup.room import RoomChecker, Surroundings
from capture.openers import open_source
from catalog.catalogue import Catalogue
from kernel.clock import SystemClock
from kernel.model.checkup import Aspect, Verdict
from kernel.model.source import ContentKind
from kernel.settings import CamerasFile, CaptureSettings
from simulator.centre import SimulatedCentre, SimulatedSource
from tests.support.peers import REPOSITORY, missing
from tests.support.spoilt import repeat, spoil

FOOTAGE = REPOSITORY.parent / "shared" / "footage"
SEAT = FOOTAGE / "seat-face-h264-g711a.mkv"
DESKTOP = FOOTAGE / "desktop-a-h264.mp4"
KINDS = {
    "seat": ContentKind.SEAT_FACE,
    "black": ContentKind.SEAT_FACE,
    "frozen": ContentKind.ROOM,
    "desktop": ContentKind.SEAT_DESKTOP,
    "lost": ContentKind.ROOM,
}


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SEAT.exists():
        missing(str(SEAT), "the footage that comes with the project's tests")
    directory = tmp_path_factory.mktemp("footage")
    shutil.copy(SEAT, directory / "seat.mkv")
    spoil(SEAT, directory / "black.mp4", "lutyuv=y=18:u=128:v=128,noise=alls=3:allf=t", frames=150)
    repeat(SEAT, directory / "frozen.mp4", clock=True)
    repeat(DESKTOP, directory / "desktop.mp4")
    return directory


def cameras(centre: SimulatedCentre) -> CamerasFile:
    sources = [
        {
            "id": name,
            "content_kind": kind,
            "uri": centre.url(name, with_credentials=False),
            "label_zh": name,
            "seat": "seat-01" if kind.value.startswith("seat_") else None,
        }
        for name, kind in KINDS.items()
    ]
    seats = [{"id": "seat-01", "ordinal": 1}]
    room = {"id": "R", "kind": "evaluation_room", "name_zh": "室", "seats": seats, "sources": sources}
    site = {"id": "S", "region": "530602", "name_zh": "样例", "rooms": [room]}
    return CamerasFile.model_validate({"sites": [site]})


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    yield made
    made.close()


async def test_every_source_of_a_room_is_judged_for_what_it_is(
    footage: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    sources = [SimulatedSource(id=name, content_kind=kind, label_zh=name) for name, kind in KINDS.items()]
    async with SimulatedCentre(sources, clock=SystemClock(), footage=footage) as centre:
        centre.lose("lost")
        places = cameras(centre)
        catalogue.places.register(places)
        checker = RoomChecker(
            Surroundings(
                cameras=places,
                settings=CaptureSettings(connect_seconds=3),
                open_source=open_source,
                rows=catalogue.checkups,
                days_left=lambda: 100.0,
                pictures=tmp_path / "checkups",
                clock=SystemClock(),
            )
        )
        checkup = await checker.check("R", "clerk")
    failed = {(one.source_id, one.aspect) for one in checkup.results if one.verdict is Verdict.FAILED}
    assert failed == {
        ("black", Aspect.PICTURE_BLACK),
        ("frozen", Aspect.PICTURE_FROZEN),
        ("lost", Aspect.DELIVERS),
    }
    judged = {
        one.aspect for one in checkup.results if one.source_id == "seat" and one.verdict is Verdict.GOOD
    }
    assert judged == set(Aspect) - {Aspect.DISK}
    assert {path.stem for path in (tmp_path / "checkups").rglob("*.jpg")} == set(KINDS) - {"lost"}
