"""A camera's second stream that is small enough is archived as it is, and proven back to its segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from archiver.equipment import Tools
from archiver.findings import Silent
from archiver.rules import archive_rules
from archiver.steps import StepRunner
from archiver.verify import Verification, verify_package
from archiver.verify_proof import Trust
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.model.archive import Rendition
from kernel.settings import ArchiveCodec, ArchiveSettings, CamerasFile, CutSettings
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session
from tests.support.packages import chained
from tests.support.segments import Recipe, make_segment
from tests.support.signing import signer

START = 1_772_420_400 * SECOND_US
CAMERAS = CamerasFile.model_validate(
    {
        "sites": [
            {
                "id": "ZT",
                "region": "530602",
                "name_zh": "ZT",
                "rooms": [
                    {
                        "id": "OH",
                        "kind": "opening_hall",
                        "name_zh": "OH",
                        "sources": [
                            {
                                "id": name,
                                "content_kind": "room",
                                "uri": f"rtsp://127.0.0.1:9/{name}",
                                "label_zh": name,
                                "archive_source": second,
                            }
                            for name, second in (("cam", "cam-second"), ("cam-second", ""))
                        ],
                    }
                ],
            }
        ]
    }
)


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    """Rules under which the plan would give more than the second stream weighs."""
    rules = archive_rules().model_dump(mode="json")
    room = {"ceiling": 100, "most_kbps": 5000, "copy_below_kbps": 1000, "heights": [1], "key_seconds": 0.2}
    rules["kinds"]["room"] |= room
    camera = rules["codecs"]["h264"]["camera"]
    camera |= {"best_crf": 1, "worst_crf": 3, "probe_crfs": [1, 3]}
    camera["options"]["preset"] = "ultrafast"
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules), encoding="utf-8")
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    catalogue.places.register(CAMERAS)
    runner = StepRunner(2)
    yield Tools(
        catalogue=catalogue,
        store=DirectoryStore(tmp_path / "store"),
        runner=runner,
        settings=ArchiveSettings(budget_kbps=3000, rules=path, codec=ArchiveCodec.H264),
        ring=tmp_path / "ring",
        work=tmp_path / "work",
        clock=FakeClock(START + 100 * SECOND_US),
        principal="test",
        signer=signer(tmp_path, FakeClock()),
        archive_sources=CAMERAS.archive_sources(),
    )
    runner.close()
    catalogue.close()


def archived(tools: Tools, seconds_of_second: int) -> tuple[Path, list[Rendition]]:
    """The package and its files, of seven seconds of which the second stream has so many."""
    segments = [
        make_segment(tools.ring, Recipe(frames=200, sound=True)),
        make_segment(
            tools.ring,
            Recipe(source_id="cam-second", run_id="run-2", frames=25 * seconds_of_second, sound=True),
        ),
    ]
    add_segments(tools.catalogue, chained(segments))
    add_session(tools.catalogue, START + 1_300_000, START + 6 * SECOND_US)
    rules = CutSettings(pre_roll_seconds=1, post_roll_seconds=1, settle_seconds=0)
    Segmenter(tools.catalogue, rules, tools.clock).run_once()
    archive = Archiver(tools).run_once()
    assert archive is not None
    package = tools.ring.parent / "store" / archive.key_prefix
    return package, list(tools.catalogue.archives.renditions_of(archive.id))


def faults(tools: Tools, package: Path) -> list[str]:
    asked = Verification(package=package, trust=Trust(), ring=tools.ring)
    return [str(one) for one in verify_package(asked, Silent()).faults]


def test_the_second_stream_is_kept_bit_by_bit_in_the_main_sources_file(tools: Tools) -> None:
    package, (made,) = archived(tools, seconds_of_second=8)
    told = made.receipt
    assert (made.source_id, told["clip"]["footage_of"]) == ("cam", "cam-second")
    assert told["encoder"]["video"] == "copied"
    assert [one["end_us"] for one in told["chunks"][0]["copied"]["encoded"]] == [START + SECOND_US]
    assert told["chunks"][0]["copied"]["units"] == 6 * 25
    assert (made.audio_codec, told["sound"]["in"]) == ("mp4a.40.2", ["room-cam-p1.mp4"])
    assert faults(tools, package) == []


def test_a_second_stream_that_lacks_a_second_is_archived_beside_the_first(tools: Tools) -> None:
    package, made = archived(tools, seconds_of_second=6)
    told = {one.source_id: one.receipt["clip"].get("footage_of") for one in made}
    assert told == {"cam": "cam", "cam-second": None}
    assert faults(tools, package) == []
