"""The transcode receipt: which segments became which file, by what, with what result (invariant 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archiver.encode import AudioResult, VideoResult, libraries
from archiver.profile import AUDIO_KBPS, AUDIO_RATE_HZ, Options, Profile
from kernel.clock import iso_utc
from kernel.model.cut import Clip, ClipGap
from kernel.model.footage import Segment
from kernel.timerange import TimeRange

RECEIPT_FORMAT = "jianzheng-transcode-receipt/1"


def wall_json(wall: TimeRange) -> dict[str, Any]:
    """A range for machines (microseconds) and for people (ISO 8601, UTC)."""
    return {
        "start_us": wall.start_us,
        "end_us": wall.end_us,
        "start": iso_utc(wall.start_us),
        "end": iso_utc(wall.end_us),
    }


def clip_json(clip: Clip, segments: dict[str, Segment]) -> dict[str, Any]:
    """A clip with its slices, each with the hash and chain value of its segment, and its gaps."""
    return {
        "id": clip.id,
        "source": clip.source_id,
        "part": clip.part,
        "wall": wall_json(clip.wall),
        "slices": [
            {
                "segment": used.segment_id,
                "sha256": segments[used.segment_id].sha256,
                "chain": segments[used.segment_id].chain,
                "clock_basis": segments[used.segment_id].clock_basis,
                "clock_offset_us": segments[used.segment_id].clock_offset_us,
                "wall": wall_json(used.wall),
            }
            for used in clip.slices
        ],
        "gaps": [_gap_json(gap) for gap in clip.gaps],
        "backfilled": [_gap_json(gap) for gap in clip.backfilled],
    }


def _gap_json(gap: ClipGap) -> dict[str, Any]:
    return {"cause": gap.cause, "detail": gap.detail, "wall": wall_json(gap.wall)}


def receipt(
    *,
    clip: Clip,
    segments: dict[str, Segment],
    profile: Profile,
    options: Options,
    video: Sequence[VideoResult],
    audio: AudioResult,
    file_name: str,
    size_bytes: int,
    sha256: str,
) -> dict[str, Any]:
    """The receipt of one rendition."""
    seconds = sum(used.wall.duration_us for used in clip.slices) / 1e6
    return {
        "format": RECEIPT_FORMAT,
        "clip": clip_json(clip, segments),
        "encoder": {
            "video": profile.encoder,
            "video_options": dict(options),
            "audio": f"aac, {AUDIO_RATE_HZ} Hz mono, {AUDIO_KBPS} kbit/s" if audio.path else None,
            "libraries": libraries(),
        },
        "measured": {
            "seconds": round(seconds, 6),
            "frames": sum(result.frames for result in video),
            "kbit_per_second": round(size_bytes * 8 / 1000 / seconds, 3) if seconds else None,
            "undecodable_units": sum(result.undecodable_units for result in video) + audio.undecodable_units,
            "silence_added_us": audio.padded_us,
            "sound_left_out_us": audio.trimmed_us,
            "without_picture": [wall_json(made.wall) for made in video if made.path is None],
            "decoders": sorted({*audio.decoders, *(name for made in video for name in made.decoders)}),
        },
        "result": {"file": file_name, "size_bytes": size_bytes, "sha256": sha256},
    }
