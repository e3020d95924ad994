"""What was measured, compared with what is well for that kind of content. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from capture.checkup.limits import DISK_DAYS, GREY, LIMITS, Limit, Limits
from capture.checkup.measures import NOTHING_DB, PictureMeasures, SoundMeasures
from kernel.clock import SECOND_US
from kernel.errors import JianzhengError
from kernel.model.checkup import Aspect, CheckResult, Verdict
from kernel.model.source import ContentKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """All that a look at one source has found."""

    source_id: str
    kind: ContentKind
    error: JianzhengError | None  # why it does not deliver
    delivered: str  # what it sends, for people
    picture: PictureMeasures | None  # None: nothing could be decoded
    has_sound: bool  # whether it sends sound
    sound: SoundMeasures | None  # None: it sends none, or none that could be decoded
    clock_offset_us: int | None
    key_frame_seconds: float | None
    lost: int


Figure = Callable[[float], str]
"""Writes a value with its unit."""

REMEDIES = {
    Aspect.DELIVERS: "检查设备电源、网线和地址。Check the device's power, cable and address.",
    Aspect.PICTURE_BLACK: "开灯,取下镜头盖;桌面则唤醒电脑、检查视频线。"
    "Switch on the light, take off the lens cap; of a desktop, wake the computer and check the cable.",
    Aspect.PICTURE_FROZEN: "重启摄像机。Restart the camera.",
    Aspect.PICTURE_COVERED: "移开镜头前的遮挡物;桌面则检查视频线。"
    "Remove what is in front of the lens; of a desktop, check the cable.",
    Aspect.PICTURE_BLURRED: "清洁镜头,重新对焦。Clean the lens and focus it.",
    Aspect.PICTURE_COLOUR: "关闭夜视模式,校正白平衡。Switch off night mode and set the white balance.",
    Aspect.SOUND_SILENT: "检查话筒、接线和音量。Check microphone, wiring and gain.",
    Aspect.SOUND_HUMMING: "检查音频线的接地和屏蔽,远离电源线。"
    "Check earth and shield of the sound cable; keep it away from mains cables.",
    Aspect.SOUND_CLIPPING: "调低话筒增益。Turn down the gain of the microphone.",
    Aspect.CLOCK: "为设备设置 NTP 校时。Set the device's clock by NTP.",
    Aspect.KEY_FRAMES: "将设备的关键帧间隔设为 1 至 2 秒。Set the device's key-frame interval to 1 to 2 s.",
    Aspect.LOSS: "检查网络;UDP 传输改为 TCP。Check the network; use TCP instead of UDP.",
    Aspect.DISK: "清理或扩充录像盘。Free space on the ring's disk or give it more.",
}
_NOT_DECODED = "不是可解码的画面 nothing that can be decoded"


def judge(measured: Measured) -> list[CheckResult]:
    """Every aspect of one source, in the order of ``Aspect``."""
    limits = LIMITS[measured.kind]
    if measured.error is not None or measured.picture is None:
        return [_no_delivery(measured)]
    said = _Verdicts(measured.source_id, limits)
    said.good(Aspect.DELIVERS, measured.delivered)
    _judge_picture(said, measured.picture, limits)
    _judge_sound(said, measured)
    _judge_stream(said, measured)
    return said.results


def _no_delivery(measured: Measured) -> CheckResult:
    error = measured.error
    remedy = (error.remedy if error is not None else "") or REMEDIES[Aspect.DELIVERS]
    return CheckResult(
        source_id=measured.source_id,
        aspect=Aspect.DELIVERS,
        verdict=Verdict.FAILED,
        measured=error.message if error is not None else _NOT_DECODED,
        limit="",
        remedy=remedy,
    )


class _Verdicts:
    """Collects what is said of one source."""

    def __init__(self, source_id: str, limits: Limits) -> None:
        self._source_id = source_id
        self._limits = limits
        self.results: list[CheckResult] = []

    def _say(self, aspect: Aspect, verdict: Verdict, measured: str, limit: str = "") -> None:
        self.results.append(
            CheckResult(
                source_id=self._source_id,
                aspect=aspect,
                verdict=verdict,
                measured=measured,
                limit=limit,
                remedy=REMEDIES[aspect] if verdict is Verdict.FAILED else "",
            )
        )

    def good(self, aspect: Aspect, measured: str) -> None:
        self._say(aspect, Verdict.GOOD, measured)

    def not_judged(self, aspect: Aspect, why: str) -> None:
        self._say(aspect, Verdict.NOT_JUDGED, why)

    def most(
        self, aspect: Aspect, value: float | None, figure: Figure, words: str = "{}", none: str = ""
    ) -> bool:
        """It is well up to the limit; whether it is.

        Args:
            figure: writes a value with its unit.
            words: what the figure is of, for people.
            none: why there is no value.
        """
        return self._compare(aspect, value, (figure, words, none), "≤", lambda found, limit: found <= limit)

    def least(
        self, aspect: Aspect, value: float | None, figure: Figure, words: str = "{}", none: str = ""
    ) -> bool:
        """It is well from the limit on."""
        return self._compare(aspect, value, (figure, words, none), "≥", lambda found, limit: found >= limit)

    def _compare(
        self,
        aspect: Aspect,
        value: float | None,
        told: tuple[Figure, str, str],
        sign: str,
        well: Callable[[float, float], bool],
    ) -> bool:
        limit: Limit = self._limits[aspect]
        figure, words, none = told
        if limit.value is None or value is None:
            self.not_judged(aspect, none if limit.value is not None else limit.reason)
            return True
        good = well(value, limit.value)
        verdict = Verdict.GOOD if good else Verdict.FAILED
        self._say(aspect, verdict, words.format(figure(value)), f"{sign} {figure(limit.value)}")
        return good

    def colour(self, picture: PictureMeasures) -> None:
        """Two limits: enough colour, and not all of one."""
        limit = self._limits[Aspect.PICTURE_COLOUR].value
        if limit is None or GREY.value is None:
            self.not_judged(Aspect.PICTURE_COLOUR, self._limits[Aspect.PICTURE_COLOUR].reason)
            return
        good = picture.saturation >= GREY.value and picture.cast <= limit
        self._say(
            Aspect.PICTURE_COLOUR,
            Verdict.GOOD if good else Verdict.FAILED,
            f"饱和度 saturation {picture.saturation:.1f}, 偏色 cast {picture.cast:.0f} (0-255)",
            f"≥ {GREY.value:.1f}, ≤ {limit:.0f}",
        )


_HIDDEN = "画面已被挡住或全黑,无法判断 nothing to be seen"


def _judge_picture(said: _Verdicts, picture: PictureMeasures, limits: Limits) -> None:
    """Of a picture in which nothing can be seen only that is said."""
    seen = said.most(Aspect.PICTURE_BLACK, picture.black, _percent, "{} 的画面是黑的 of picture is black")
    rest = [Aspect.PICTURE_COVERED, Aspect.PICTURE_FROZEN, Aspect.PICTURE_BLURRED, Aspect.PICTURE_COLOUR]
    if seen:
        seen = said.least(rest.pop(0), picture.detail, _percent, "{} 的画面有细节 of picture has detail")
    if not seen:
        for aspect in rest:
            said.not_judged(aspect, _HIDDEN)
        return
    moves = "{} 的画面在变化 of picture moves"
    few = "关键帧过密,无法比较 too few pictures to compare"
    said.least(Aspect.PICTURE_FROZEN, picture.changed, _percent, moves, few)
    said.most(Aspect.PICTURE_BLURRED, picture.blur, _pixels, "边缘宽 edges are {} wide", "没有边缘 no edges")
    said.colour(picture)


def _judge_sound(said: _Verdicts, measured: Measured) -> None:
    sound = measured.sound
    if sound is None:
        why = "声音无法解码 its sound cannot be decoded" if measured.has_sound else "无音轨 it sends no sound"
        for aspect in (Aspect.SOUND_SILENT, Aspect.SOUND_HUMMING, Aspect.SOUND_CLIPPING):
            said.not_judged(aspect, why)
        return
    said.least(Aspect.SOUND_SILENT, sound.level_db, _decibels, "音量 loudness {} (0 最响 is loudest)")
    said.most(Aspect.SOUND_HUMMING, sound.hum_db, lambda db: _hum(db, sound.hum_hz))
    overdriven = "{} 的声音过载 of sound is overdriven"
    said.most(Aspect.SOUND_CLIPPING, sound.clipped, lambda share: f"{100 * share:.2f} %", overdriven)


def _judge_stream(said: _Verdicts, measured: Measured) -> None:
    offset_us = measured.clock_offset_us
    if offset_us is None:
        said.not_judged(Aspect.CLOCK, "设备不报时,以到达时刻为准 it tells no time; arrival counts")
    else:
        said.most(Aspect.CLOCK, abs(offset_us) / SECOND_US, lambda off: f"{off:.3f} s", "偏差 off by {}")
    every = "最长相隔 {} at most between two"
    said.most(Aspect.KEY_FRAMES, measured.key_frame_seconds, lambda seconds: f"{seconds:.1f} s", every)
    said.most(Aspect.LOSS, float(measured.lost), lambda lost: f"{lost:.0f} 包 packets", "丢失 {} lost")


def judge_disk(days: float | None) -> CheckResult:
    """Whether the ring's disk holds out. ``days`` until it is full; None: nobody knows yet."""
    verdict, remedy, limit = Verdict.NOT_JUDGED, "", DISK_DAYS.value
    measured = "录像不足一小时,尚不能估计 not known yet: less than an hour was recorded"
    if days is not None and limit is not None:
        verdict = Verdict.GOOD if days >= limit else Verdict.FAILED
        measured = f"{days:.1f} 天后写满 days until full"
        remedy = "" if days >= limit else REMEDIES[Aspect.DISK]
    return CheckResult(
        source_id="",
        aspect=Aspect.DISK,
        verdict=verdict,
        measured=measured,
        limit=f"≥ {limit:.1f} 天 days",
        remedy=remedy,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _pixels(width: float) -> str:
    return f"{width:.1f} px"


def _decibels(level: float) -> str:
    return f"{level:.0f} dBFS"


def _hum(level: float, mains_hz: int) -> str:
    """The limit is shown without a frequency where there is no hum."""
    if level <= NOTHING_DB:
        return "无 none"
    return f"{level:.0f} dBFS" + (f" ({mains_hz} Hz)" if mains_hz else "")
