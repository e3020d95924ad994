"""What was measured, compared with the limits of its kind."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from capture.checkup.judge import REMEDIES, Measured, judge, judge_disk
from capture.checkup.limits import LIMITS
from capture.checkup.measures import NOTHING_DB, PictureMeasures, SoundMeasures
from kernel.errors import SourceRefused
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.model.source import ContentKind

PICTURE = PictureMeasures(black=0.02, changed=0.5, detail=0.4, blur=6.0, saturation=15.0, cast=9.0)
SOUND = SoundMeasures(level_db=-40.0, hum_db=NOTHING_DB, hum_hz=0, clipped=0.0)
GOOD = Measured(
    source_id="cam",
    kind=ContentKind.ROOM,
    error=None,
    delivered="h264",
    picture=PICTURE,
    has_sound=True,
    sound=SOUND,
    clock_offset_us=30_000,
    key_frame_seconds=2.0,
    lost=0,
)


def verdicts(measured: Measured) -> dict[Aspect, Verdict]:
    return {one.aspect: one.verdict for one in judge(measured)}


def failed(measured: Measured) -> list[Aspect]:
    return [aspect for aspect, verdict in verdicts(measured).items() if verdict is Verdict.FAILED]


def test_a_good_source_is_good_in_every_aspect() -> None:
    found = verdicts(GOOD)
    assert set(found) == set(Aspect) - {Aspect.DISK}
    assert set(found.values()) == {Verdict.GOOD}


@pytest.mark.parametrize("kind", ContentKind)
def test_every_kind_has_a_limit_with_a_reason_for_every_aspect(kind: ContentKind) -> None:
    assert set(LIMITS[kind]) == set(Aspect) - {Aspect.DELIVERS, Aspect.DISK}
    assert all(limit.reason for limit in LIMITS[kind].values())


def test_every_aspect_has_a_remedy() -> None:
    assert set(REMEDIES) == set(Aspect)


@pytest.mark.parametrize(
    ("changed", "aspect"),
    [
        ({"picture": replace(PICTURE, black=0.95)}, Aspect.PICTURE_BLACK),
        ({"picture": replace(PICTURE, changed=0.0)}, Aspect.PICTURE_FROZEN),
        ({"picture": replace(PICTURE, detail=0.01)}, Aspect.PICTURE_COVERED),
        ({"picture": replace(PICTURE, blur=12.0)}, Aspect.PICTURE_BLURRED),
        ({"picture": replace(PICTURE, saturation=0.5)}, Aspect.PICTURE_COLOUR),
        ({"picture": replace(PICTURE, cast=30.0)}, Aspect.PICTURE_COLOUR),
        ({"sound": replace(SOUND, level_db=NOTHING_DB)}, Aspect.SOUND_SILENT),
        ({"sound": replace(SOUND, hum_db=-30.0, hum_hz=50)}, Aspect.SOUND_HUMMING),
        ({"sound": replace(SOUND, clipped=0.02)}, Aspect.SOUND_CLIPPING),
        ({"clock_offset_us": -3_000_000}, Aspect.CLOCK),
        ({"key_frame_seconds": 6.0}, Aspect.KEY_FRAMES),
        ({"lost": 1}, Aspect.LOSS),
    ],
)
def test_each_fault_fails_its_aspect_alone_with_figure_limit_and_remedy(
    changed: dict[str, object], aspect: Aspect
) -> None:
    measured = replace(GOOD, **changed)  # type: ignore[arg-type]
    assert failed(measured) == [aspect]
    (told,) = (one for one in judge(measured) if one.verdict is Verdict.FAILED)
    assert all((told.measured, told.limit, told.remedy))


def test_every_figure_says_of_what_it_is() -> None:
    """A "99.5 %" beside the word "frozen" was read as its opposite."""
    hum = replace(SOUND, hum_db=-50.0, hum_hz=50)
    for one in judge(replace(GOOD, sound=hum, delivered="h264 640x360, aac")):
        assert re.search("[a-zA-Z]{2}", one.measured), one
    told = {one.aspect: one.measured for one in judge(GOOD)}
    assert told[Aspect.PICTURE_FROZEN] == "50.0 % 的画面在变化 of picture moves"
    assert told[Aspect.LOSS] == "丢失 0 包 packets lost"


def test_a_source_that_does_not_deliver_is_that_and_nothing_else() -> None:
    (told,) = judge(replace(GOOD, error=SourceRefused("source cam: the device refuses the credentials.")))
    assert (told.aspect, told.verdict) == (Aspect.DELIVERS, Verdict.FAILED)
    assert "refuses" in told.measured
    assert "cameras.yaml" in told.remedy


def test_pictures_that_nobody_can_decode_are_no_delivery() -> None:
    assert failed(replace(GOOD, picture=None)) == [Aspect.DELIVERS]


def test_of_a_black_picture_nothing_else_is_said() -> None:
    dark = PictureMeasures(black=1.0, changed=0.0, detail=0.0, blur=None, saturation=0.0, cast=0.0)
    found = verdicts(replace(GOOD, picture=dark))
    others = (
        Aspect.PICTURE_COVERED,
        Aspect.PICTURE_FROZEN,
        Aspect.PICTURE_BLURRED,
        Aspect.PICTURE_COLOUR,
    )
    assert found[Aspect.PICTURE_BLACK] is Verdict.FAILED
    assert {found[one] for one in others} == {Verdict.NOT_JUDGED}


def test_a_still_room_fails_and_a_still_desktop_does_not() -> None:
    still = replace(GOOD, picture=replace(PICTURE, changed=0.0))
    for kind in ContentKind:
        expected = [Aspect.PICTURE_FROZEN] if LIMITS[kind][Aspect.PICTURE_FROZEN].value is not None else []
        assert failed(replace(still, kind=kind)) == expected
    assert failed(replace(still, kind=ContentKind.SEAT_DESKTOP)) == []


def test_a_source_without_sound_is_not_judged_by_it() -> None:
    found = verdicts(replace(GOOD, sound=None, has_sound=False))
    assert found[Aspect.SOUND_SILENT] is Verdict.NOT_JUDGED


def test_a_source_that_tells_no_time_is_not_judged_by_its_clock() -> None:
    assert verdicts(replace(GOOD, clock_offset_us=None))[Aspect.CLOCK] is Verdict.NOT_JUDGED


@pytest.mark.parametrize(
    ("days", "verdict"), [(None, Verdict.NOT_JUDGED), (0.4, Verdict.FAILED), (30.0, Verdict.GOOD)]
)
def test_a_disk_that_will_be_full_soon_fails(days: float | None, verdict: Verdict) -> None:
    told = judge_disk(days)
    assert (told.aspect, told.verdict, told.source_id) == (Aspect.DISK, verdict, "")


def test_a_checkup_passes_unless_something_failed() -> None:
    def checkup(*results: CheckResult) -> Checkup:
        return Checkup(id="c", room_id="r", at_us=0, principal="p", results=results)

    assert checkup(*judge(GOOD), judge_disk(None)).passed
    assert not checkup(*judge(GOOD), judge_disk(0.0)).passed
