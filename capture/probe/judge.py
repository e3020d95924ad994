"""What the figures mean for a recording: a line each, with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from capture.probe.measure import Measured, VideoFigures
from capture.run_clock import BELIEVED_US
from kernel.clock import SECOND_US
from kernel.model.footage import Codec

LONGEST_KEY_INTERVAL_S = 4.0
_OFF_RATE = 0.1  # more than a tenth beside what is declared
_DRAWN_RATE = 0.05  # time stamps that run faster or slower than time


class Aspect(StrEnum):
    """What a verdict is about."""

    VIDEO = "video"
    FRAME_RATE = "frame_rate"
    KEY_FRAMES = "key_frames"
    ORDER = "order"
    SOUND = "sound"
    LOSS = "loss"
    CLOCK = "clock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Where a recording would suffer."""

    aspect: Aspect
    said: str  # what is wrong
    remedy: str  # what to do at the device


_NO_CLOCK = Verdict(
    aspect=Aspect.CLOCK,
    said="RTMP carries no clock: pictures are dated by arrival.",
    remedy="Use the device's RTSP stream if it has one.",
)


def judge(
    measured: Measured, declared_rate: float | None, device_offset_us: int | None, scheme: str = "rtsp"
) -> list[Verdict]:
    """All that a recording would suffer from.

    Args:
        scheme: of the source's uri: what can be asked of its clock.
        declared_rate: pictures a second that the device says it sends.
        device_offset_us: device clock minus ours, as ONVIF tells it.
    """
    if measured.video is None:
        said = "It connects and sends no picture."
        return [Verdict(aspect=Aspect.VIDEO, said=said, remedy="Check the stream's settings.")]
    found = [*_pictures(measured.video, measured.seconds, declared_rate), *_way(measured)]
    if scheme == "file":
        return found  # its start is declared by who hands it in
    if scheme.endswith("rtmp"):
        return [*found, _NO_CLOCK]
    return [*found, *_clock(measured, device_offset_us)]


def _pictures(video: VideoFigures, seconds: float, declared: float | None) -> Iterator[Verdict]:
    if video.key_interval_s is None:
        yield Verdict(
            aspect=Aspect.KEY_FRAMES,
            said=f"Fewer than two key frames in {seconds:.0f} s.",
            remedy="Set the key-frame (I-frame) interval to 1-2 s; turn smart coding off.",
        )
    elif video.key_interval_s > LONGEST_KEY_INTERVAL_S:
        yield Verdict(
            aspect=Aspect.KEY_FRAMES,
            said="Long between key frames: damage lasts longer and cuts are coarser.",
            remedy="Set the key-frame (I-frame) interval to 1-2 s.",
        )
    if video.b_frames:
        yield Verdict(
            aspect=Aspect.ORDER,
            said="B-frames: it comes later, and some players show it late.",
            remedy="Turn B-frames off at the device.",
        )
    if video.codec is Codec.MJPEG:
        yield Verdict(
            aspect=Aspect.VIDEO,
            said="MJPEG takes many times the room.",
            remedy="Set the device to H.264 or H.265.",
        )
    yield from _rates(video, declared)


def _rates(video: VideoFigures, declared: float | None) -> Iterator[Verdict]:
    if video.frame_rate is None:
        return
    if declared and abs(video.frame_rate - declared) > _OFF_RATE * declared:
        yield Verdict(
            aspect=Aspect.FRAME_RATE,
            said=f"The device declares {declared:g} a second.",
            remedy="Poor light or a busy line: check shutter and bandwidth.",
        )
    stamped = video.stamped_rate
    if stamped and abs(video.frame_rate - stamped) > _DRAWN_RATE * stamped:
        yield Verdict(
            aspect=Aspect.FRAME_RATE,
            said=f"Its time stamps run as if {stamped:.1f} came.",
            remedy="Update the firmware, or set a fixed frame rate.",
        )


def _way(measured: Measured) -> Iterator[Verdict]:
    if measured.packets_lost:
        yield Verdict(
            aspect=Aspect.LOSS,
            said="Packets are lost: each loss is a gap in the evidence.",
            remedy="Use TCP; check cable and switch.",
        )


def _clock(measured: Measured, device_offset_us: int | None) -> Iterator[Verdict]:
    offset_us = measured.clock_offset_us if measured.clock_offset_us is not None else device_offset_us
    if not measured.reports:
        yield Verdict(
            aspect=Aspect.CLOCK,
            said="No sender reports: pictures are dated by arrival.",
            remedy="Turn RTCP on at the device.",
        )
    if offset_us is not None and abs(offset_us) > BELIEVED_US:
        yield Verdict(
            aspect=Aspect.CLOCK,
            said=f"Its clock is {offset_us / SECOND_US:+.1f} s off and is not believed.",
            remedy="Set the device to an NTP server.",
        )
