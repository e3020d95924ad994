"""What is well for which kind of content, as data, each with its reason.

The figures of the picture were found on recordings of real seat and room cameras, H.264 and H.265 at 0.3 to 5
Mbit/s, and on the same recordings spoilt on purpose (``tests/unit/capture/checkup``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kernel.model.checkup import Aspect
from kernel.model.source import ContentKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What one aspect is compared with."""

    value: float | None  # in the unit of what is measured; None: it is not judged for this kind
    reason: str  # why this value; or, for people, why it is not judged


Limits = Mapping[Aspect, Limit]

GREY = Limit(
    value=2.0, reason="mean saturation; rooms in colour have 12 and more, a camera in night mode below 1"
)
"""Of cameras, the other half of ``Aspect.PICTURE_COLOUR``."""

DISK_DAYS = Limit(value=3.0, reason="a weekend and a day: nobody may be there to free space")

_EVERY_KIND: dict[Aspect, Limit] = {
    Aspect.CLOCK: Limit(
        value=2.0, reason="seconds; beyond them its clock is not taken for evidence (docs/design/time.md)"
    ),
    Aspect.KEY_FRAMES: Limit(
        value=4.0, reason="seconds; cuts, segments and the first picture of a viewer wait for a key frame"
    ),
    Aspect.LOSS: Limit(
        value=0.0, reason="packets; a line that loses some in a few seconds loses many in a day"
    ),
}

_CAMERA: dict[Aspect, Limit] = {
    **_EVERY_KIND,
    Aspect.PICTURE_BLACK: Limit(
        value=0.9, reason="share of dark pixels; a lit room has up to a tenth, a room without light all"
    ),
    Aspect.PICTURE_FROZEN: Limit(
        value=0.02,
        reason="share of the picture that changes; the poorest live camera had 0.08 between two movements, "
        "a frozen picture with a clock drawn into it 0.003",
    ),
    Aspect.PICTURE_COVERED: Limit(
        value=0.05, reason="share of the picture with edges; a room has 0.4, a hand or a cloth 0"
    ),
    Aspect.PICTURE_BLURRED: Limit(
        value=10.0, reason="width of edges in pixels; focused cameras have 5 to 7, faces are lost beyond 10"
    ),
    Aspect.PICTURE_COLOUR: Limit(
        value=24.0, reason="distance of the mean colour from grey; warm light makes 13, a wrong filter 29"
    ),
    Aspect.SOUND_SILENT: Limit(
        value=-65.0,
        reason="dBFS; a microphone in a silent room has -55, one that is cut off the noise of its codec",
    ),
    Aspect.SOUND_HUMMING: Limit(value=-45.0, reason="dBFS; louder hum lies over quiet words"),
    Aspect.SOUND_CLIPPING: Limit(
        value=0.001, reason="share of samples at the end of the scale; loud speech alone rarely gets there"
    ),
}

_STILL = Limit(value=None, reason="桌面无人操作即静止 a desktop that nobody touches is still")
_NO_LENS = Limit(value=None, reason="经线缆接入,没有镜头 it comes by cable: there is no lens")
_OWN_COLOURS = Limit(value=None, reason="桌面颜色由程序决定 programs have the colours that they have")
_MAY_BE_SILENT = Limit(value=None, reason="电脑不播放即无声 a computer is silent until something plays")

_DESKTOP: dict[Aspect, Limit] = {
    **_EVERY_KIND,
    Aspect.KEY_FRAMES: Limit(
        value=12.0,
        reason="seconds; our agent sends one every 10: on a still desktop key frames are all that costs room",
    ),
    Aspect.PICTURE_BLACK: Limit(
        value=0.995,
        reason="share of dark pixels; a screen saver leaves a little, a cable without signal nothing",
    ),
    Aspect.PICTURE_FROZEN: _STILL,
    Aspect.PICTURE_COVERED: Limit(
        value=0.002, reason="share of the picture with edges; one flat colour is an encoder without signal"
    ),
    Aspect.PICTURE_BLURRED: _NO_LENS,
    Aspect.PICTURE_COLOUR: _OWN_COLOURS,
    Aspect.SOUND_SILENT: _MAY_BE_SILENT,
    Aspect.SOUND_HUMMING: _CAMERA[Aspect.SOUND_HUMMING],
    Aspect.SOUND_CLIPPING: Limit(
        value=None, reason="电脑播放的音视频本就响 computers play what was mastered loud"
    ),
}

LIMITS: Mapping[ContentKind, Limits] = MappingProxyType(
    {
        ContentKind.ROOM: _CAMERA,
        ContentKind.SEAT_FACE: _CAMERA,
        ContentKind.SUPERVISION: _CAMERA,
        ContentKind.SCREEN: _DESKTOP,
        ContentKind.EXTRACTION_TERMINAL: _DESKTOP,
        ContentKind.SEAT_DESKTOP: _DESKTOP,
    }
)
