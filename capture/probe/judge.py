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
REPORT_WAIT_S = 13.0
"""A sender's reports are up to 6.2 s apart (RFC 3550, 6.2 and 6.3.1: 5 s times at most 1.5, by 1.21828): long
enough for two, so that one may be lost."""
_BEGINNING_S = 2.0  # from the opening to the first packet, of which the look's length does not tell
_OFF_RATE = 0.1  # more than a tenth beside what is declared
_RATE_SECONDS = 5.0  # in less, one picture or 87 ms of gathering (docs/design/time.md) change too much
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
    """Where a recording would suffer, or what is worth knowing."""

    aspect: Aspect
    said: str  # what is wrong
    remedy: str  # what to do at the device
    warning: bool = False  # it is recorded whole all the same


_NO_CLOCK = Verdict(
    aspect=Aspect.CLOCK,
    said="RTMP carries no clock: pictures are dated by arrival.",
    remedy="Use the device's RTSP stream if it has one.",
)


_CODEC_REMARKS = {
    Codec.H265: Verdict(
        aspect=Aspect.VIDEO,
        said="It is recorded and kept as it is, but Chromium and other browsers often cannot play H.265: "
        "to be seen live in a browser it has to be converted.",
        remedy="Set the device to H.264 if it is to be watched live in every browser.",
        warning=True,
    ),
    Codec.MJPEG: Verdict(
        aspect=Aspect.VIDEO,
        said="It is recorded, but MJPEG takes many times the room.",
        remedy="Set the device to H.264.",
        warning=True,
    ),
}


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
            said="B-frames: it is recorded whole, but comes later, and some players show it late.",
            remedy="Turn B-frames off at the device if it can.",
            warning=True,
        )
    if video.codec in _CODEC_REMARKS:
        yield _CODEC_REMARKS[video.codec]
    if seconds >= _RATE_SECONDS:
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
        yield _no_reports(measured.seconds)
    if offset_us is not None and abs(offset_us) > BELIEVED_US:
        yield Verdict(
            aspect=Aspect.CLOCK,
            said=f"Its clock is {offset_us / SECOND_US:+.1f} s off and is not believed.",
            remedy="Set the device to an NTP server.",
        )


def _no_reports(seconds: float) -> Verdict:
    """Too short a look proves nothing: reports come seconds apart."""
    said = f"No sender report (RTCP) in {seconds:.0f} s: pictures are dated by arrival."
    if seconds < REPORT_WAIT_S - _BEGINNING_S:
        remedy = f"Probe it again for longer: a report may take {REPORT_WAIT_S:.0f} s."
        return Verdict(aspect=Aspect.CLOCK, said=said, remedy=remedy, warning=True)
    return Verdict(aspect=Aspect.CLOCK, said=said, remedy="Turn RTCP on at the device.")
