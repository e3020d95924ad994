"""The screen, by FFmpeg's grabbers, and its pictures as H.264: the one place of the agent that knows PyAV.

The encoder is set for desktops: no B-frames and no look-ahead (a picture is out as soon as it is in),
constant quality, one thread. Key frames come when they are asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.video.frame import PictureType
from av.video.reformatter import Colorspace, VideoReformatter

from agent.run_writer import TIMESCALE
from agent.settings import AgentSettings
from kernel.codec.sample_entry import visual_sample_entry
from kernel.errors import SourceError, SourceUnreachable
from kernel.isobmff.boxes import box
from kernel.model.footage import Codec, TrackInfo

_GRABBERS = {"linux": "x11grab", "win32": "gdigrab", "darwin": "avfoundation"}
_DEVICES = {"win32": "desktop", "darwin": "Capture screen 0:none"}
_CURSOR = {"linux": "draw_mouse", "win32": "draw_mouse", "darwin": "capture_cursor"}
_BT709 = "colorprim=bt709:transfer=bt709:colormatrix=bt709"
_LOST = "Check that somebody is logged in and the screen is on; recording resumes by itself."


class Desktop:
    """A screen that is being grabbed."""

    def __init__(self, settings: AgentSettings) -> None:
        """Raises: SourceUnreachable: the screen cannot be grabbed. SourceError: this FFmpeg cannot do it."""
        self._settings = settings
        self._container = _open(settings)
        self._pictures: Iterator[Any] = self._container.decode(video=0)
        self._picture: Any = None
        self._reformat = VideoReformatter()
        context = self._container.streams.video[0].codec_context
        # 4:2:0 has no odd sizes; one pixel is scaled away.
        self._width, self._height = context.width & ~1, context.height & ~1
        self._encoder = self._open_encoder()
        self._encoded = 0

    @property
    def video(self) -> TrackInfo:
        """The pictures, as an init segment describes them."""
        config = box("avcC", bytes(self._encoder.extradata or b""))
        return TrackInfo(
            codec=Codec.H264,
            timescale=TIMESCALE,
            sample_entry=visual_sample_entry("avc1", self._width, self._height, config),
            width=self._width,
            height=self._height,
        )

    def _open_encoder(self) -> Any:
        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = self._width, self._height, "yuv420p"
        encoder.time_base, encoder.framerate = (
            Fraction(1, TIMESCALE),
            Fraction(self._settings.frames_per_second),
        )
        encoder.options = {
            "preset": self._settings.preset,
            "tune": "zerolatency",
            "crf": str(self._settings.quality),
            "forced-idr": "1",
            # annexb=0: NAL units come behind their lengths, as MP4 wants them.
            "x264-params": f"annexb=0:keyint=infinite:scenecut=0:threads=1:{_BT709}",
        }
        encoder.flags |= Flags.global_header
        encoder.open()
        return encoder

    def next(self) -> bool:
        """Wait for the next picture; whether it differs from the one before.

        Raises:
            SourceUnreachable: no more pictures come.
        """
        before = self._picture
        try:
            self._picture = next(self._pictures)
        except (av.FFmpegError, StopIteration) as error:
            reason = type(error).__name__
            raise SourceUnreachable(
                f"the screen cannot be grabbed any more ({reason}).", hint=_LOST
            ) from None
        return before is None or not _same(before, self._picture)

    def encode(self, key: bool) -> bytes:
        """The newest picture as H.264, each NAL unit behind four bytes of length."""
        picture = self._reformat.reformat(
            self._picture, self._width, self._height, "yuv420p", dst_colorspace=Colorspace.ITU709
        )
        picture.pts, self._encoded = self._encoded, self._encoded + 1
        picture.time_base = self._encoder.time_base
        picture.pict_type = PictureType.I if key else PictureType.NONE
        return b"".join(bytes(packet) for packet in self._encoder.encode(picture))

    def close(self) -> None:
        """Let go of the screen."""
        self._container.close()


def _open(settings: AgentSettings) -> Any:
    platform = sys.platform
    grabber = _GRABBERS.get(platform)
    if grabber is None or grabber not in av.formats_available:
        hint = "Install the wheel of 'av' from the package index; a self-built one may lack it."
        raise SourceError(f"FFmpeg cannot grab screens here ({grabber or platform}).", hint=hint)
    device = settings.device or _DEVICES.get(platform) or os.environ.get("DISPLAY", ":0")
    options = {"framerate": str(settings.frames_per_second), _CURSOR[platform]: "1"}
    try:
        return av.open(device, format=grabber, options=options)
    except (av.FFmpegError, OSError) as error:
        reason = type(error).__name__
        raise SourceUnreachable(f"the screen {device} cannot be grabbed ({reason}).", hint=_LOST) from None


def screen_size(settings: AgentSettings) -> tuple[int, int]:
    """Width and height of the screen as it is now, pixels. Raises: as ``Desktop``."""
    with _open(settings) as container:
        context = container.streams.video[0].codec_context
        return context.width & ~1, context.height & ~1


def _same(one: Any, other: Any) -> bool:
    """Whether two pictures are equal, byte for byte."""
    return all(np.array_equal(_bytes(a), _bytes(b)) for a, b in zip(one.planes, other.planes, strict=True))


def _bytes(plane: Any) -> Any:
    """Eight at a time where that comes out even."""
    return np.frombuffer(plane, np.uint64 if plane.buffer_size % 8 == 0 else np.uint8)
