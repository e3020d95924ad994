"""Real footage passes; the same footage, spoilt in one way, fails for that reason and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.checkup.judge import Measured, judge
from capture.checkup.limits import LIMITS
from capture.checkup.measures import PictureMeasures
from capture.libav.looks import measure_pictures, measure_sound
from kernel.model.checkup import Aspect, Verdict
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from tests.support.peers import REPOSITORY, missing
from tests.support.spoilt import Stream, from_zero, read, repeat, sound, spoil

FOOTAGE = REPOSITORY.parent / "shared" / "footage"
SEAT = FOOTAGE / "seat-face-h264.mp4"
ROOM = FOOTAGE / "room-panorama-h264-aac.mp4"
NOISE = "noise=alls=3:allf=t"
CAMERAS = (ContentKind.ROOM, ContentKind.SEAT_FACE, ContentKind.SUPERVISION)
DESKTOPS = (ContentKind.SCREEN, ContentKind.EXTRACTION_TERMINAL, ContentKind.SEAT_DESKTOP)


@pytest.fixture(autouse=True)
def _footage_is_there() -> None:
    if not SEAT.exists():
        missing(str(SEAT), "the footage that comes with the project's tests")


GOOD = PictureMeasures(black=0.02, changed=0.5, detail=0.4, blur=6.0, saturation=15.0, cast=9.0)


def failed(kind: ContentKind, pictures: Stream | None, heard: Stream | None = None) -> list[Aspect]:
    """What a check-up of this stream complains of; without pictures, those are good."""
    moving = LIMITS[kind][Aspect.PICTURE_FROZEN].value is not None
    stream = from_zero(pictures) if pictures is not None else None
    measured = Measured(
        source_id="cam",
        kind=kind,
        error=None,
        delivered="",
        picture=measure_pictures(stream.info, stream.packets, moving=moving) if stream else GOOD,
        has_sound=heard is not None,
        sound=measure_sound(heard.info, heard.packets) if heard is not None else None,
        clock_offset_us=0,
        key_frame_seconds=2.0,
        lost=0,
    )
    return [one.aspect for one in judge(measured) if one.verdict is Verdict.FAILED]


def test_cameras_are_judged_alike_and_desktops_alike() -> None:
    """So that one kind of each is enough below."""
    for kinds in (CAMERAS, DESKTOPS):
        assert all(LIMITS[kind] == LIMITS[kinds[0]] for kind in kinds)
    assert {*CAMERAS, *DESKTOPS} == set(ContentKind)


@pytest.mark.parametrize(
    "name",
    [
        "seat-face-h264.mp4",
        "seat-face-h265.mp4",
        "seat-face-h264-g711a.mkv",
        "room-panorama-h264-aac.mp4",
        "small/cam-h264-aac.mp4",
        "small/cam-h264b-aac.mp4",
        "small/cam-h265-aac.mp4",
        "small/cam-h264-pcma.mkv",
        "small/cam-h264-pcmu.mkv",
    ],
)
def test_a_real_camera_passes(name: str) -> None:
    pictures, heard = read(FOOTAGE / name, seconds=7)
    assert failed(ContentKind.SEAT_FACE, pictures, heard) == []


@pytest.mark.parametrize("name", ["desktop-a-h264.mp4", "desktop-b-h264.mp4"])
def test_a_real_desktop_passes(name: str) -> None:
    pictures, _ = read(FOOTAGE / name, seconds=7)
    assert failed(ContentKind.SEAT_DESKTOP, pictures) == []


SPOILT = {
    "black": ("lutyuv=y=18:u=128:v=128", Aspect.PICTURE_BLACK),
    "unlit": ("lutyuv=y=16+(val-16)*0.08:u=128+(val-128)*0.2:v=128+(val-128)*0.2", Aspect.PICTURE_BLACK),
    "hand": ("gblur=sigma=120,lutyuv=y=val*0.6", Aspect.PICTURE_COVERED),
    "paper": ("gblur=sigma=200,lutyuv=y=val*0.5+120", Aspect.PICTURE_COVERED),
    "blurred": ("gblur=sigma=4", Aspect.PICTURE_BLURRED),
    "grey": ("hue=s=0", Aspect.PICTURE_COLOUR),
    "cast": ("colorchannelmixer=rr=.5:bb=.5", Aspect.PICTURE_COLOUR),
}


@pytest.mark.parametrize("camera", [SEAT, ROOM], ids=["seat", "room"])
@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_camera_fails_for_the_right_reason(tmp_path: Path, camera: Path, fault: str) -> None:
    filters, aspect = SPOILT[fault]
    pictures, _ = read(spoil(camera, tmp_path / "x.mp4", f"{filters},{NOISE}"))
    assert failed(ContentKind.SEAT_FACE, pictures) == [aspect]


def test_encoding_again_alone_spoils_nothing(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    for camera in (SEAT, ROOM):
        pictures, _ = read(spoil(camera, tmp_path / "x.mp4", NOISE))
        assert failed(ContentKind.SEAT_FACE, pictures) == []


@pytest.mark.parametrize("clock", [False, True], ids=["plain", "with a clock drawn in"])
@pytest.mark.parametrize("camera", [SEAT, ROOM], ids=["seat", "room"])
def test_a_frozen_camera_fails(tmp_path: Path, camera: Path, clock: bool) -> None:
    pictures, _ = read(repeat(camera, tmp_path / "x.mp4", clock=clock))
    assert failed(ContentKind.ROOM, pictures) == [Aspect.PICTURE_FROZEN]


def test_a_stream_of_key_frames_alone_is_judged_too() -> None:
    """MJPEG, and H.264 of some encoders."""
    pictures, _ = read(FOOTAGE / "small" / "cam-h264-aac.mp4", seconds=6)
    key = from_zero(pictures).packets[0]
    still = [key._replace(pts=number * pictures.info.timescale // 10) for number in range(60)]
    assert failed(ContentKind.ROOM, replace(pictures, packets=still)) == [Aspect.PICTURE_FROZEN]


def test_a_still_desktop_passes(tmp_path: Path) -> None:
    pictures, _ = read(repeat(FOOTAGE / "desktop-a-h264.mp4", tmp_path / "x.mp4"))
    assert failed(ContentKind.SEAT_DESKTOP, pictures) == []


def test_a_desktop_without_signal_fails(tmp_path: Path) -> None:
    desktop = FOOTAGE / "desktop-a-h264.mp4"
    for filters, aspect in (
        ("lutyuv=y=16:u=128:v=128", Aspect.PICTURE_BLACK),
        ("lutyuv=y=60:u=200:v=110", Aspect.PICTURE_COVERED),
    ):
        pictures, _ = read(spoil(desktop, tmp_path / "x.mp4", filters, frames=60))
        assert failed(ContentKind.SEAT_DESKTOP, pictures) == [aspect]


def test_a_screen_saver_is_no_black_desktop(tmp_path: Path) -> None:
    """Dark, with something that moves in it."""
    logo = "lutyuv=y=16:u=128:v=128,drawbox=x=300:y=200:w=200:h=120:color=white:t=fill"
    pictures, _ = read(spoil(FOOTAGE / "desktop-a-h264.mp4", tmp_path / "x.mp4", logo, frames=60))
    assert failed(ContentKind.SEAT_DESKTOP, pictures) == []


# --- sound


def noise(level: float) -> Callable[[Any], Any]:
    return lambda time: np.random.default_rng(1).standard_normal(len(time)) * level


def speech(time: Any) -> Any:
    """Voiced sounds of a pitch that moves, with pauses."""
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) * (time[1] - time[0])
    voice = sum(np.sin(number * pitch) / number for number in range(1, 12))
    return 0.1 * voice * (np.sin(2 * np.pi * 2.3 * time) > -0.2) + noise(0.002)(time)


def hum(mains: int, level: float) -> Callable[[Any], Any]:
    def wave(time: Any) -> Any:
        lines = sum(np.sin(2 * np.pi * mains * number * time + number) / number for number in (1, 2, 3, 5))
        return speech(time) + level * lines

    return wave


SOUNDS: dict[str, tuple[Callable[[Any], Any], list[Aspect]]] = {
    "speech": (speech, []),
    "quiet room": (noise(0.0015), []),
    "a tone": (lambda time: 0.2 * np.sin(2 * np.pi * 440 * time), []),
    "a tone at a harmonic": (lambda time: 0.2 * np.sin(2 * np.pi * 300 * time) + noise(0.002)(time), []),
    "dead": (lambda time: 0 * time, [Aspect.SOUND_SILENT]),
    "nearly dead": (noise(0.0001), [Aspect.SOUND_SILENT]),
    "50 Hz": (hum(50, 0.02), [Aspect.SOUND_HUMMING]),
    "60 Hz": (hum(60, 0.02), [Aspect.SOUND_HUMMING]),
    "faint hum": (hum(50, 0.001), []),
    "clipped": (lambda time: 30 * speech(time), [Aspect.SOUND_CLIPPING]),
}


@pytest.mark.parametrize("codec", [Codec.AAC, Codec.G711A, Codec.G711U])
@pytest.mark.parametrize("name", SOUNDS)
def test_sound_fails_for_the_right_reason(name: str, codec: Codec) -> None:
    wave, expected = SOUNDS[name]
    assert failed(ContentKind.SEAT_FACE, None, sound(wave, codec)) == expected


def test_a_silent_desktop_passes() -> None:
    assert failed(ContentKind.SEAT_DESKTOP, None, sound(SOUNDS["dead"][0])) == []
