"""Clips that weigh no more than they would be given are kept as they are, and their receipts say so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from archiver.archive_file import JoinStep, join
from archiver.chunk_encoder import ChunkEncoder, EncodedChunk
from archiver.clip_work import Chunk, ClipWork
from archiver.encode_sound import AudioResult
from archiver.keeper import Keeper
from archiver.receipt import made_file, quality_of, receipt
from archiver.ring_reader import picture_format
from archiver.rules import archive_rules
from archiver.steps import StepRunner
from archiver.stretches import stretches
from archiver.within_budget import EncodedClip
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.footage import Segment
from kernel.model.source import ContentKind, Source
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange
from tests.support.segments import Recipe, make_segment

START = 1_772_420_400_000_000
SILENT = AudioResult(path=None, size_bytes=0, padded_us=0, trimmed_us=0, undecodable_units=0, decoders=())


class Here:
    """Runs steps in this process."""

    def run(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        done: Callable[[Any], None] = lambda _result: None,
    ) -> list[Any]:
        return [function(item) for item in items]


class Planned:
    """Stands for the encoder of chunks: what the plan would give each clip."""

    def __init__(self, given: float) -> None:
        self.given = given
        self.copied: dict[Chunk, EncodedChunk] = {}

    def planned(self, _room: int, kept: Collection[str]) -> dict[str, float]:
        return dict.fromkeys({"cam.1"} - set(kept), self.given)


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return make_segment(tmp_path / "ring", Recipe(frames=100))


@pytest.fixture
def work(tmp_path: Path, segment: Segment) -> ClipWork:
    """From the middle of a group of pictures to four seconds."""
    wall = TimeRange(start_us=START + 500_000, end_us=segment.wall.end_us)
    clip = Clip(
        id="cam.1",
        session_id="S",
        source_id="cam",
        part=1,
        wall=wall,
        slices=(SegmentSlice(segment_id=segment.id, wall=wall),),
        gaps=(),
    )
    source = Source(
        id="cam", room_id="R", seat_id=None, content_kind=ContentKind.ROOM, label_zh="", label_en=""
    )
    directory = tmp_path / "work"
    directory.mkdir()
    return ClipWork(
        clip=clip,
        source=source,
        pieces=tuple(stretches(clip, {segment.id: segment}, str(tmp_path / "ring"))),
        picture=picture_format([tmp_path / "ring" / segment.path]),
        directory=directory,
        rules=archive_rules(),
        codec=ArchiveCodec.AV1,
    )


def keep(work: ClipWork, given: float) -> tuple[list[ClipWork], Planned]:
    planned = Planned(given)
    keeper = Keeper(cast(StepRunner, Here()), cast(ChunkEncoder, planned))
    return keeper.keep([work], 10**9), planned


def test_a_clip_that_would_be_given_less_is_encoded(work: ClipWork) -> None:
    assert keep(work, 10_000)[0] == []


def test_the_receipt_of_a_kept_clip_names_its_units_and_segments(work: ClipWork, segment: Segment) -> None:
    (kept,), planned = keep(work, 10**9)
    chunks = tuple(planned.copied.values())
    files = tuple((one.video.path,) for one in chunks if one.video.path)
    target = work.directory / kept.file_name
    join(JoinStep(stretches=files, audio=None, clip_start_us=work.clip.wall.start_us, target=target))
    encoded = EncodedClip(
        work=kept,
        chunks=chunks,
        path=target,
        size_bytes=target.stat().st_size,
        audio=SILENT,
        measured=(),
        unreachable=False,
    )
    told = receipt(encoded, {segment.id: segment}, made_file(target))
    assert told["encoder"]["video"] == "copied"
    (chunk,) = told["chunks"]
    assert (chunk["copied"]["units"], chunk["copied"]["segments"]) == (75, [segment.sha256])
    assert [one["end_us"] for one in chunk["copied"]["encoded"]] == [START + 1_000_000]
    assert told["measured"]["frames"] == 87
    quality = quality_of(told)
    assert quality is not None
    assert (quality.vmaf_mean, quality.vmaf_p5, quality.floors_reached) == (100, 100, True)
    assert told["measured"]["quality"]["pictures_measured"] == 0
    assert told["sound"] == {"in": [], "digital_silence_only": False}


def test_footage_that_turns_out_not_to_be_copyable_is_encoded(
    work: ClipWork, segment: Segment, tmp_path: Path
) -> None:
    path = tmp_path / "ring" / segment.path
    data = bytearray(path.read_bytes())
    place = data.rindex(b"trun") + 16
    data[place + 12 : place + 16] = (3600).to_bytes(4, "big")  # a picture that is shown later
    path.write_bytes(data)
    kept, planned = keep(work, 10**9)
    assert (kept, planned.copied) == ([], {})
