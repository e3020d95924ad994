"""The label inside a segment file: what its row will say and the rest of the file cannot.

A ``uuid`` box behind ``moov`` with JSON in it. Players pass it over; ``recover`` needs it for a file that
never got its row, since names of files are no truth (invariant 6).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from typing import BinaryIO

from kernel.errors import BoxError
from kernel.isobmff.boxes import box
from kernel.isobmff.reader import top_level
from kernel.model.footage import RunOrigin

_KIND = uuid.UUID("3f2f6a51-94c7-4e0f-9d5b-6a7a6e7a6867")
_MAX_BYTES = 4096
_TOO_LARGE = 1 << 63  # for a catalogue


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentLabel:
    """Whose footage this is."""

    segment_id: str
    run_id: str
    source_id: str
    sequence: int
    clock_offset_us: int  # as known when the file was begun
    origin: RunOrigin = RunOrigin.LIVE  # who settles the file if it has no row: recorder or receiver


def label_box(label: SegmentLabel) -> bytes:
    return box("uuid", _KIND.bytes, json.dumps(asdict(label)).encode("utf-8"))


def read_label(file: BinaryIO) -> SegmentLabel:
    """Raises: BoxError: the file has none, or it makes no sense."""
    for header in top_level(file):
        if header.type == "uuid" and header.end - header.payload < _MAX_BYTES:
            file.seek(header.payload)
            body = file.read(header.end - header.payload)
            if body[:16] == _KIND.bytes:
                return _parse(body[16:])
        elif header.type == "moof":
            break
    raise BoxError("the file carries no label.")


def _parse(text: bytes) -> SegmentLabel:
    try:
        fields = json.loads(text)
        label = SegmentLabel(**{**fields, "origin": RunOrigin(fields.get("origin", RunOrigin.LIVE))})
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BoxError("the file's label makes no sense.") from None
    texts = (label.segment_id, label.run_id, label.source_id)
    numbers = (label.sequence, label.clock_offset_us)
    if not all(map(_is_text, texts)) or not all(map(_is_number, numbers)):
        raise BoxError("the file's label makes no sense.")
    return label


def _is_text(value: object) -> bool:
    """Text that a catalogue can keep: halves of surrogate pairs are none."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and abs(value) < _TOO_LARGE
