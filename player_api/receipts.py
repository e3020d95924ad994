"""Receipts of archived files: how each was made, of what, and how much is left of it (invariant 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from catalog.catalogue import Catalogue
from kernel.model.archive import Rendition
from player_api.gate import Gate, Subject
from player_api.schemas import ClipGapPublic


class SpanPublic(BaseModel):
    """A range of wall time."""

    start_us: int
    end_us: int


class ChunkPublic(SpanPublic):
    """A piece of a file that was encoded as one step."""

    crf: int
    """Quality setting of the encoder; lower is better."""
    size_bytes: int


class ReceiptPublic(BaseModel):
    """The transcode receipt of a file; of older formats what they have."""

    rendition_id: str
    format: str
    file: str
    size_bytes: int
    sha256: str
    sm3: str | None
    encoder: str
    options: dict[str, str]
    audio: str | None
    sound_in: list[str]
    """Files that have the sound of this one's source; one track may stand for several cameras of a room."""
    sound_mute: bool
    """The source sent sound that was nothing but digital silence: none was lost."""
    libraries: dict[str, str]
    still_fps: float | None
    """Pictures a second kept of a picture that does not change; 0: all."""
    moving_fps: float | None
    chunks: list[ChunkPublic]
    measured: list[SpanPublic]
    """The stretches that were compared with the footage."""
    pictures_measured: int
    vmaf_model: str | None
    segment_count: int
    gaps: list[ClipGapPublic]
    backfilled: list[ClipGapPublic]
    without_picture: list[SpanPublic]
    undecodable_units: int


def receipts_router(catalogue: Catalogue, gate: Gate) -> APIRouter:
    """The route of receipts."""
    router = APIRouter(prefix="/api", tags=["media"])

    @router.get(
        "/renditions/{rendition_id}/receipt", dependencies=[gate.needs("session.see", Subject.RENDITION)]
    )
    def receipt(rendition_id: str) -> ReceiptPublic:
        """How an archived file was made, chunk by chunk."""
        found = catalogue.archives.rendition(rendition_id)
        if found is None:
            raise HTTPException(404, "没有这个文件。No such file.")
        return receipt_public(found)

    return router


def receipt_public(rendition: Rendition) -> ReceiptPublic:
    """A receipt as people see it; the stored one, fingerprints and all, is in the package."""
    told = rendition.receipt
    encoder, measured, clip = told["encoder"], told["measured"], told["clip"]
    quality = measured.get("quality") or {}
    return ReceiptPublic(
        rendition_id=rendition.id,
        format=told["format"],
        file=told["result"]["file"],
        size_bytes=rendition.size_bytes,
        sha256=rendition.sha256,
        sm3=told["result"].get("sm3"),
        encoder=encoder["video"],
        options={name: str(value) for name, value in encoder["video_options"].items()},
        audio=encoder["audio"],
        sound_in=told.get("sound", {}).get("in", []),
        sound_mute=told.get("sound", {}).get("digital_silence_only", False),
        libraries=encoder["libraries"],
        still_fps=encoder.get("still_fps"),
        moving_fps=encoder.get("moving_fps"),
        chunks=[ChunkPublic.model_validate(one) for one in told.get("chunks", ())],
        measured=_spans(quality.get("stretches", ())),
        pictures_measured=quality.get("pictures_measured", 0),
        vmaf_model=quality.get("vmaf_model"),
        segment_count=len({used["segment"] for used in clip["slices"]}),
        gaps=_gaps(clip["gaps"]),
        backfilled=_gaps(clip.get("backfilled", ())),
        without_picture=_spans(measured["without_picture"]),
        undecodable_units=measured["undecodable_units"],
    )


def _spans(told: Sequence[Mapping[str, Any]]) -> list[SpanPublic]:
    return [SpanPublic(start_us=one["start_us"], end_us=one["end_us"]) for one in told]


def _gaps(told: Sequence[Mapping[str, Any]]) -> list[ClipGapPublic]:
    return [
        ClipGapPublic(
            start_us=one["wall"]["start_us"],
            end_us=one["wall"]["end_us"],
            cause=one["cause"],
            detail=one["detail"],
        )
        for one in told
    ]
