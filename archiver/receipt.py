"""The transcode receipt: which segments became which file, by what, with what result (invariant 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archiver.encode import libraries
from archiver.quality import MODEL, percentile
from archiver.sound import AUDIO_KBPS, AUDIO_RATE_HZ
from archiver.within_budget import EncodedChunk, EncodedClip
from kernel.clock import SECOND_US, iso_utc
from kernel.model.cut import Clip, ClipGap
from kernel.model.footage import Segment
from kernel.timerange import TimeRange

RECEIPT_FORMAT = "jianzheng-transcode-receipt/2"


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


def receipt(encoded: EncodedClip, segments: Mapping[str, Segment], sha256: str) -> dict[str, Any]:
    """The receipt of one rendition."""
    work, video, audio = encoded.work, [one.video for one in encoded.chunks], encoded.audio
    seconds = sum(used.wall.duration_us for used in work.clip.slices) / SECOND_US
    return {
        "format": RECEIPT_FORMAT,
        "clip": clip_json(work.clip, dict(segments)),
        "encoder": {
            "video": work.encoder.encoder,
            "video_options": work.encoder.options(work.kind, 0) | {"crf": "by chunk"},
            "still_fps": work.kind.still_fps,
            "moving_fps": work.kind.moving_fps,
            "audio": f"aac, {AUDIO_RATE_HZ} Hz mono, {AUDIO_KBPS} kbit/s" if audio.path else None,
            "libraries": libraries(),
        },
        "chunks": [_chunk_json(one) for one in encoded.chunks],
        "measured": {
            "seconds": round(seconds, 6),
            "frames": sum(result.frames for result in video),
            "frames_seen": sum(result.frames_seen for result in video),
            "kbit_per_second": round(encoded.size_bytes * 8 / 1000 / seconds, 3) if seconds else None,
            "undecodable_units": sum(result.undecodable_units for result in video) + audio.undecodable_units,
            "silence_added_us": audio.padded_us,
            "sound_left_out_us": audio.trimmed_us,
            "without_picture": [wall_json(made.wall) for made in video if made.path is None],
            "decoders": sorted({*audio.decoders, *(name for made in video for name in made.decoders)}),
            "quality": quality_json(encoded),
        },
        "result": {"file": work.file_name, "size_bytes": encoded.size_bytes, "sha256": sha256},
    }


def _chunk_json(one: EncodedChunk) -> dict[str, Any]:
    """A chunk as short as can be: there are ninety in an hour."""
    made = one.video
    return {
        "start_us": made.wall.start_us,
        "end_us": made.wall.end_us,
        "crf": one.choice.crf,
        "size_bytes": made.size_bytes,
        "fingerprints": [f"{mark.wall_us} {mark.source} {mark.archived}" for mark in made.fingerprints],
    }


def quality_json(encoded: EncodedClip) -> dict[str, Any]:
    """What is left of the picture, as measured on sampled stretches of the finished file."""
    scores = [score for one in encoded.measured for score in one.scores]
    texts = [one.text for one in encoded.measured if one.text is not None]
    return {
        "vmaf_mean": round(sum(scores) / len(scores), 2) if scores else None,
        "vmaf_p5": round(percentile(scores, 0.05), 2) if scores else None,
        "vmaf_model": MODEL,
        "text_agreement": round(min(texts), 4) if texts else None,
        "pictures_measured": len(scores),
        "height": encoded.chunks[0].choice.height,
        "floors_reached": not encoded.unreachable,
        "stretches": [wall_json(one.wall) for one in encoded.measured],
    }
