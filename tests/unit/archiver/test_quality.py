"""Measuring what is left: of pictures by VMAF, of text by reading it again; and fingerprints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from archiver.fingerprint import distance, fingerprint
from archiver.legibility import TextReader, matching
from archiver.quality import Film, percentile, vmaf
from kernel.errors import EncodeError
from tests.support.segments import HEIGHT, WIDTH, picture

START = 1_772_420_400_000_000


def pictures(count: int = 10, noise: int = 0) -> list[bytes]:
    """A moving scene, with noise of so many levels."""
    chance = np.random.default_rng(1)
    found = []
    for number in range(count):
        planes = picture(START + number * 40_000).to_ndarray().astype(np.int16)
        planes += chance.integers(-noise, noise + 1, planes.shape, dtype=np.int16)
        found.append(planes.clip(0, 255).astype(np.uint8).tobytes())
    return found


def film(found: list[bytes]) -> Film:
    return Film(width=WIDTH, height=HEIGHT, pictures=found)


def test_more_noise_is_a_lower_score() -> None:
    clean, little, much = (
        sum(vmaf(film(pictures()), film(pictures(noise=noise)))) / 10 for noise in (0, 8, 60)
    )
    assert clean > 95
    assert clean > little > much


def test_each_fifth_picture_is_measured_where_that_is_asked_for() -> None:
    assert len(vmaf(film(pictures(20)), film(pictures(20)), every=5)) == 4


def test_smaller_pictures_are_judged_at_the_size_of_the_source() -> None:
    small = [
        VideoFrame.from_ndarray(
            np.frombuffer(one, np.uint8).reshape(HEIGHT * 3 // 2, WIDTH), format="yuv420p"
        )
        .reformat(width=WIDTH // 2, height=HEIGHT // 2)
        .to_ndarray()
        .tobytes()
        for one in pictures()
    ]
    scores = vmaf(film(pictures()), Film(width=WIDTH // 2, height=HEIGHT // 2, pictures=small))
    assert len(scores) == 10
    assert max(scores) < 95


def test_a_maker_of_pictures_that_fails_is_heard() -> None:
    def broken() -> Iterator[bytes]:
        yield pictures(1)[0]
        raise EncodeError("the file ends in mid-picture.")

    with pytest.raises(EncodeError, match="mid-picture"):
        vmaf(film(pictures()), Film(width=WIDTH, height=HEIGHT, pictures=broken()))


def test_a_program_that_cannot_measure_is_an_error_with_its_words() -> None:
    with pytest.raises(EncodeError, match="VMAF"):
        vmaf(film(pictures(2)), Film(width=0, height=0, pictures=[b""]))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_is_a_score_that_was_measured_with_so_many_below_it(
    scores: list[float], share: float
) -> None:
    found = percentile(scores, share)
    assert found in scores
    assert sum(one < found for one in scores) <= share * len(scores)


@dataclass
class Found:
    """What an OCR engine says."""

    boxes: Any = None
    txts: Any = None
    scores: Any = None


class Engine:
    """Reads a line from the level of its pixels: a grey line is text, a dark one is lost."""

    def __init__(self, lines: list[tuple[int, str, float]]) -> None:
        self._lines = lines  # top, text, how sure
        self.detections = 0

    def __call__(self, shown: Any, *, use_det: bool, use_cls: bool, use_rec: bool) -> Found:
        if use_det:
            self.detections += 1
            boxes = [[(0, top), (200, top), (200, top + 10), (0, top + 10)] for top, _, _ in self._lines]
            return Found(boxes=boxes)
        level = int(shown[4, 4, 0])
        text, sure = next((text, sure) for top, text, sure in self._lines if abs(top - level) <= 100)
        return Found(txts=[text if shown[4, 100, 0] else text[: len(text) // 2]], scores=[sure])


def page(lost: int | None = None) -> Any:
    """Lines at 0 and 200; pixels hold the place of their line, and a lost one is half black."""
    shown = np.full((400, 400, 3), 1, np.uint8)
    shown[190:] = 200
    if lost is not None:
        shown[lost : lost + 100, 50:] = 0
    return shown


def test_all_text_that_is_read_again_is_full_agreement() -> None:
    reader = TextReader(Engine([(5, "投标文件", 0.9), (205, "评分", 0.99)]))
    assert reader.agreement(page(), page()) == 1


def test_characters_that_are_lost_are_counted_against_all() -> None:
    reader = TextReader(Engine([(5, "投标文件", 0.9), (205, "评分", 0.99)]))
    assert reader.agreement(page(), page(lost=0)) == pytest.approx(4 / 6)


def test_lines_that_are_not_sure_in_the_original_say_nothing() -> None:
    reader = TextReader(Engine([(5, "投标文件", 0.3), (205, "评分", 0.99)]))
    assert reader.agreement(page(), page(lost=0)) == 1


def test_a_screen_without_text_has_no_agreement_to_tell() -> None:
    assert TextReader(Engine([])).agreement(page(), page()) is None


def test_one_original_is_read_once_for_all_its_encodings() -> None:
    engine = Engine([(5, "投标文件", 0.9)])
    reader = TextReader(engine)
    for _ in range(3):
        reader.agreement(page(), page())
    assert engine.detections == 1


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_more_characters_match_than_there_are(original: str, read: str) -> None:
    assert 0 <= matching(original, read) <= min(len(original), len(read))
    assert matching(original, original) == len(original)


def test_a_character_that_is_read_as_another_is_one_that_is_lost() -> None:
    assert matching("评标委员会", "评标委贝会") == 4


def test_another_picture_has_another_fingerprint_and_the_same_one_has_the_same() -> None:
    one = picture(START)
    other = VideoFrame.from_ndarray(255 - one.to_ndarray(), format="yuv420p")
    small = one.reformat(width=WIDTH // 2, height=HEIGHT // 2)
    assert len(fingerprint(one)) == 16
    assert distance(fingerprint(one), fingerprint(one)) == 0
    assert distance(fingerprint(one), fingerprint(small)) <= 6
    assert distance(fingerprint(one), fingerprint(other)) >= 20
