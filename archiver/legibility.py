"""Whether text on a screen can still be read: OCR of the same picture before and after encoding.

``rapidocr`` (optional extra ``ocr``; its models come in its wheel) finds lines of text in the original; the
same lines are read in both pictures and compared character by character.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

_SURE = 0.8  # lines that are not read for sure even in the original say nothing about its encoding
_MOST_LINES = 24  # of a picture; those that are widest for their height hold most characters

Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class TextReader:
    """Reads text; keeps what it read in the last original, for several encodings are compared with one."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._original: Picture | None = None
        self._lines: list[tuple[tuple[int, int, int, int], str]] = []

    def agreement(self, original: Picture, encoded: Picture) -> float | None:
        """Which share of the characters of the original are read in the encoded picture too.

        None where there is no text to read.
        """
        if self._original is None or not np.array_equal(self._original, original):
            self._original, self._lines = original, self._read(original)
        texts = [
            self._one(encoded[top:bottom, left:right])[0] for (left, top, right, bottom), _ in self._lines
        ]
        total = sum(len(text) for _, text in self._lines)
        if not total:
            return None
        return sum(matching(text, read) for (_, text), read in zip(self._lines, texts, strict=True)) / total

    def _read(self, picture: Picture) -> list[tuple[tuple[int, int, int, int], str]]:
        """The longest lines that are read for sure, each where it stands."""
        found = self._engine(picture, use_det=True, use_cls=False, use_rec=False)
        if found.boxes is None:
            return []
        boxes = [_upright(box, picture) for box in found.boxes]
        boxes.sort(key=lambda box: (box[0] - box[2]) / (box[3] - box[1]))
        lines: list[tuple[tuple[int, int, int, int], str]] = []
        for box in boxes:
            left, top, right, bottom = box
            text, sure = self._one(picture[top:bottom, left:right])
            if text and sure >= _SURE:
                lines.append((box, text))
            if len(lines) == _MOST_LINES:
                break
        return lines

    def _one(self, line: Picture) -> tuple[str, float]:
        """What a line says, without white space, and how sure that is."""
        found = self._engine(np.ascontiguousarray(line), use_det=False, use_cls=False, use_rec=True)
        return "".join("".join(found.txts or ()).split()), min(found.scores or (0.0,))


def _upright(box: Any, picture: Picture) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a box of four corners, with a little air."""
    height, width = picture.shape[:2]
    xs, ys = [float(corner[0]) for corner in box], [float(corner[1]) for corner in box]
    return (
        max(0, int(min(xs)) - 2),
        max(0, int(min(ys)) - 2),
        min(width, int(max(xs)) + 3),
        min(height, int(max(ys)) + 3),
    )


def matching(original: str, read: str) -> int:
    """How many characters of a line are read again, in their order."""
    blocks = SequenceMatcher(None, original, read, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


@cache
def text_reader() -> TextReader | None:
    """The reader of this process; None where the extra is not installed."""
    if find_spec("rapidocr") is None:
        return None
    from rapidocr import RapidOCR

    return TextReader(
        RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
    )
