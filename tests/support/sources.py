"""Rows of sources without any footage: how they are doing, what they recorded, what they missed."""

from __future__ import annotations

from kernel.clock import SECOND_US
from kernel.model.footage import (
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Segment,
    SourceHealth,
    SourceState,
)
from kernel.model.source import RecordMode, Wish
from kernel.timerange import TimeRange


def health(source_id: str, now_us: int, **changed: object) -> SourceHealth:
    """Of a source that is being recorded well, but for what is changed."""
    fields: dict[str, object] = {
        "state": SourceState.RECORDING,
        "detail": "",
        "since_us": now_us - 60 * SECOND_US,
        "updated_us": now_us - SECOND_US // 2,
        "last_frame_us": now_us - SECOND_US,
        "codec": "h264",
        "width": 1280,
        "height": 720,
        "bit_rate_kbps": 4000.0,
        "frame_rate": 25.0,
        "lost_packets": 3,
        "clock_offset_us": -12_000,
    }
    return SourceHealth(source_id=source_id, **{**fields, **changed})  # type: ignore[arg-type]


def wish(source_id: str, record: RecordMode = RecordMode.ALWAYS, room_id: str = "OH") -> Wish:
    return Wish(source_id=source_id, room_id=room_id, record=record)


def gap(name: str, start_us: int, end_us: int | None, cause: GapCause = GapCause.CAMERA_LOST) -> Gap:
    """Of the camera."""
    return Gap(id=name, source_id="cam", start_us=start_us, end_us=end_us, cause=cause, detail="no answer")


def segment(
    number: int, start_us: int, end_us: int, *, run_id: str = "run-1", source_id: str = "cam"
) -> Segment:
    """A row of a segment whose file may not exist."""
    return Segment(
        id=f"segment-{run_id}-{number}",
        run_id=run_id,
        source_id=source_id,
        sequence=number,
        wall=TimeRange(start_us=start_us, end_us=end_us),
        media_start=number * 90_000,
        media_duration=90_000,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=f"{source_id}/{run_id}-{number:06d}.mp4",
        size_bytes=1000,
        sha256="ab" * 32,
        chain="cd" * 32,
        end_reason=EndReason.LENGTH,
    )
