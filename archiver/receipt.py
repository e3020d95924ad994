"""The transcode receipt: which segments became which file, by what, with what result (invariant 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archiver.chunk_encoder import EncodedChunk
from archiver.clip_work import ClipWork
from archiver.copy_stream import BORDER_CRF
from archiver.digests import SM3, digests_of, has_sm3
from archiver.encode import libraries
from archiver.file_facts import file_facts
from archiver.quality import MODEL, percentile
from archiver.within_budget import EncodedClip
from kernel.clock import SECOND_US, iso_utc
from kernel.model.archive import Quality
from kernel.model.cut import Clip, ClipGap
from kernel.model.footage import Segment
from kernel.timerange import TimeRange

RECEIPT_FORMAT = "jianzheng-transcode-receipt/3"


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeFile:
    """A finished file, as its receipt tells of it."""

    sha256: str
    sm3: str | None  # None where this machine's OpenSSL has no SM3
    duration_us: int


def made_file(path: Path) -> MadeFile:
    """Hash and measure a finished file.

    Raises:
        BoxError: it is no archived file.
    """
    digests = digests_of(path, ["sha256", SM3] if has_sm3() else ["sha256"])
    duration_us = file_facts(path).duration_us
    return MadeFile(sha256=digests["sha256"], sm3=digests.get(SM3), duration_us=duration_us)


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
        **({"footage_of": clip.footage_of} if clip.footage_of else {}),
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


def receipt(encoded: EncodedClip, segments: Mapping[str, Segment], made: MadeFile) -> dict[str, Any]:
    """The receipt of one rendition."""
    work, video, audio = encoded.work, [one.video for one in encoded.chunks], encoded.audio
    seconds = sum(used.wall.duration_us for used in work.clip.slices) / SECOND_US
    sound, own_sound = work.sound, work.file_name in encoded.sound_in
    return {
        "format": RECEIPT_FORMAT,
        "clip": clip_json(work.clip, dict(segments)),
        # Nobody must think it was lost: which files have it, or that the microphone sent nothing at all.
        "sound": {"in": list(encoded.sound_in), "digital_silence_only": audio.mute},
        "encoder": {
            **_video_json(work),
            "audio": sound.told() if own_sound else None,
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
        "result": {
            "file": work.file_name,
            "size_bytes": encoded.size_bytes,
            "sha256": made.sha256,
            "sm3": made.sm3,
            "duration_us": made.duration_us,
        },
    }


def _video_json(work: ClipWork) -> dict[str, Any]:
    """What was done to the pictures: nothing at all where the footage was small enough."""
    if work.copied:
        return {"video": "copied", "borders": f"libx264, crf {BORDER_CRF}"}
    return {
        "video": work.encoder.encoder,
        "video_options": work.encoder.options(work.kind, 0) | {"crf": "by chunk"},
        "still_fps": work.kind.still_fps,
        "moving_fps": work.kind.moving_fps,
    }


def _copied_json(one: EncodedChunk) -> dict[str, Any]:
    """The units that are the source's own, and the segments that they are from."""
    kept = one.copied
    if kept is None:
        return {}
    return {
        "copied": {
            "units": kept.units,
            "units_sha256": kept.units_sha256,
            "segments": [used.sha256 for used in one.chunk.stretch.slices],
            "encoded": [wall_json(wall) for wall in kept.encoded],
        }
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
        **_copied_json(one),
    }


def quality_json(encoded: EncodedClip) -> dict[str, Any]:
    """What is left of the picture, by sampled stretches of the finished file, and what was wanted."""
    kind = encoded.work.kind
    scores = [score for one in encoded.measured for score in one.scores]
    texts = [one.text for one in encoded.measured if one.text is not None]
    if encoded.work.copied:  # nothing is measured: it is the source's own
        scores, texts = [100.0], [] if kind.text_floor is None else [1.0]
    return {
        "vmaf_mean": round(sum(scores) / len(scores), 2) if scores else None,
        "vmaf_p5": round(percentile(scores, 0.05), 2) if scores else None,
        "vmaf_model": MODEL,
        "text_agreement": round(min(texts), 4) if texts else None,
        "pictures_measured": 0 if encoded.work.copied else len(scores),
        "height": encoded.chunks[0].choice.height,
        "wanted": {"vmaf_p5": kind.floor, "vmaf_mean": kind.ceiling, "text_agreement": kind.text_floor},
        "floors_reached": not encoded.unreachable,
        "stretches": [wall_json(one.wall) for one in encoded.measured],
    }


def quality_of(told: Mapping[str, Any]) -> Quality | None:
    """What a receipt says of quality, for the catalogue; None of one that is older than measuring."""
    measured = told["measured"]
    quality = measured.get("quality")
    if quality is None:
        return None
    wanted = quality["wanted"]
    return Quality(
        recorded_us=round(measured["seconds"] * SECOND_US),
        frames=measured["frames"],
        frames_seen=measured["frames_seen"],
        vmaf_mean=quality["vmaf_mean"],
        vmaf_p5=quality["vmaf_p5"],
        text_agreement=quality["text_agreement"],
        vmaf_floor=wanted["vmaf_p5"],
        vmaf_ceiling=wanted["vmaf_mean"],
        text_floor=wanted["text_agreement"],
        floors_reached=quality["floors_reached"],
    )
