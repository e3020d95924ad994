"""A project that is archived over its budget, with a file below a floor, and one that is being archived.

Only rows: for tests of what shows them. Nothing of it was ever encoded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US
from kernel.model.archive import Archive, ArchiveObject, OverrunCause, Progress, Quality, Rendition
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import ClockBasis, EndReason, GapCause, Segment
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_segments, add_session

START = 1_772_420_400 * SECOND_US  # 2026-03-02 11:00 in Beijing
END = START + 80 * SECOND_US
LOST = TimeRange(start_us=START + 40 * SECOND_US, end_us=START + 60 * SECOND_US)
SIZES = {"cam": 600_000, "screen": 300_000}
BESIDE = 10_000
BUDGET = 800_000
CLEAR = Quality(
    recorded_us=60 * SECOND_US,
    frames=1500,
    frames_seen=1500,
    vmaf_mean=84.04,
    vmaf_p5=75.5,
    text_agreement=None,
    vmaf_floor=70,
    vmaf_ceiling=95,
    text_floor=None,
    floors_reached=True,
)
ILLEGIBLE = replace(
    CLEAR, recorded_us=80 * SECOND_US, frames=90, text_agreement=0.912, text_floor=0.95, floors_reached=False
)
QUALITIES = {"cam": CLEAR, "screen": ILLEGIBLE}
REASON = "The floors of legibility need 110000 bytes more."


PROBING = Progress(session_id="W-O", step="probe", fraction=0.11, detail="3/9", updated_us=END)


def segment(source: str) -> Segment:
    return Segment(
        id=f"s-{source}",
        run_id=f"run-{source}",
        source_id=source,
        sequence=0,
        wall=TimeRange(start_us=START, end_us=END),
        media_start=0,
        media_duration=7_200_000,
        timescale=90_000,
        clock_basis=ClockBasis.ARRIVAL,
        clock_offset_us=0,
        path=f"{source}.mp4",
        size_bytes=9_000_000,
        sha256="0" * 64,
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )


def clip(source: str) -> Clip:
    whole = TimeRange(start_us=START, end_us=END)
    return Clip(
        id=f"P-O.{source}.1",
        session_id="P-O",
        source_id=source,
        part=1,
        wall=whole,
        slices=(SegmentSlice(segment_id=f"s-{source}", wall=whole),),
        gaps=(ClipGap(wall=LOST, cause=GapCause.CAMERA_LOST, detail="no answer"),) if source == "cam" else (),
    )


def told(one: Clip) -> dict[str, Any]:
    """A receipt with two chunks on each side of what may be missing."""
    spans = [(START, LOST.start_us, 45), (LOST.end_us, END, 38)]
    gaps = [{"cause": gap.cause, "detail": gap.detail, "wall": wall(gap.wall)} for gap in one.gaps]
    return {
        "format": "jianzheng-transcode-receipt/3",
        "clip": {"slices": [{"segment": used.segment_id} for used in one.slices], "gaps": gaps},
        "encoder": {
            "video": "libsvtav1",
            "video_options": {"preset": "10"},
            "audio": None,
            "libraries": {"libavcodec": "62.28.102"},
        },
        "chunks": [
            {"start_us": start, "end_us": end, "crf": crf, "size_bytes": 150_000} for start, end, crf in spans
        ],
        "measured": {
            "without_picture": [],
            "undecodable_units": 0,
            "quality": {
                "stretches": [wall(TimeRange(start_us=START + SECOND_US, end_us=START + 4 * SECOND_US))]
            },
        },
        "result": {"file": f"{one.source_id}.mp4", "sm3": "5" * 64},
    }


def wall(one: TimeRange) -> dict[str, int]:
    return {"start_us": one.start_us, "end_us": one.end_us}


def rendition(one: Clip) -> Rendition:
    return Rendition(
        id=f"r-{one.source_id}",
        clip_id=one.id,
        session_id=one.session_id,
        source_id=one.source_id,
        wall=one.wall,
        object_key=f"P-O/v1/{one.source_id}.mp4",
        video_codec="av01.0.05M.08",
        audio_codec=None,
        width=1280,
        height=720,
        size_bytes=SIZES[one.source_id],
        sha256=f"{one.source_id:a<64}",
        quality=QUALITIES[one.source_id],
        receipt=told(one),
    )


def fill(catalogue: Catalogue) -> None:
    """Projects P, archived, and W, on its way."""
    session = add_session(catalogue, START, END)
    add_segments(catalogue, [segment(source) for source in SIZES])
    clips = tuple(clip(source) for source in SIZES)
    catalogue.clips.record(CutList(session_id="P-O", clips=clips, change_number=2))
    archive(catalogue)
    other = replace(PROJECT, id="W", project_code="530602-A-2")
    catalogue.projects.add_project(other, [replace(session, id="W-O", project_id="W")])
    for event in catalogue.sessions.events_of("P-O"):
        catalogue.sessions.record_event(replace(event, id=f"W {event.id}", session_id="W-O"))
    waiting = replace(clip("cam"), id="W-O.cam.1", session_id="W-O")
    catalogue.clips.record(CutList(session_id="W-O", clips=(waiting,), change_number=2))
    catalogue.archives.report_progress(PROBING)


def archive(catalogue: Catalogue) -> None:
    renditions = [rendition(clip(source)) for source in SIZES]
    objects = [
        ArchiveObject(key=one.object_key, size_bytes=one.size_bytes, sha256=one.sha256) for one in renditions
    ]
    size = sum(SIZES.values()) + BESIDE
    made = Archive(
        id="A",
        session_id="P-O",
        version=1,
        key_prefix="P-O/v1",
        budget_bytes=BUDGET,
        size_bytes=size,
        raw_bytes=18_000_000,
        verified_us=END,
        principal="test",
        overrun_reason=REASON,
        objects=(
            *objects,
            ArchiveObject(key="P-O/v1/manifest-sha256.txt", size_bytes=BESIDE, sha256="b" * 64),
        ),
        cut_number=1,
        overrun_cause=OverrunCause.FLOORS,
    )
    catalogue.archives.record(made, renditions)
