"""The codecs: pictures to access units, sound to a loop of audio frames. The only module that encodes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from kernel.model.footage import Codec
from simulator.media import Track, parameter_sets, split_nals
from simulator.picture import Picture

VIDEO_CLOCK_RATE = 90_000  # RFC 6184, 8.2.1; RFC 7798, 7.1
_NO_SCENECUT_H264 = (
    "scenecut=0:bframes=0:sliced-threads=0:colormatrix=smpte170m:colorprim=smpte170m:transfer=smpte170m"
)
_SINGLE_H265 = (
    "pools=none:frame-threads=1:wpp=0:log-level=none:open-gop=0:scenecut=0:bframes=0:repeat-headers=1:"
    "colormatrix=smpte170m:colorprim=smpte170m:transfer=smpte170m:keyint={keyint}:min-keyint={keyint}"
)
AAC_RATE = 16_000  # Hz
AAC_FRAME = 1024  # samples
G711_RATE = 8_000  # Hz
G711_FRAME = 160  # samples: 20 ms, RFC 3551, 4.2


class VideoEncoder:
    """Encodes pictures one by one, without delay: a key frame every second, no B pictures, one thread."""

    def __init__(self, codec: Codec, width: int, height: int, fps: int) -> None:
        name = "libx264" if codec is Codec.H264 else "libx265"
        context = av.CodecContext.create(name, "w")
        if not isinstance(context, VideoCodecContext):
            raise TypeError(f"{name} is no video encoder")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate, context.time_base = Fraction(fps), Fraction(1, fps)
        context.thread_count = 1
        context.gop_size = fps
        context.options = _video_options(codec, fps)
        self._context = context

    def encode(self, picture: Picture, number: int) -> tuple[bytes, ...]:
        """NAL units of the access unit of picture ``number`` (counted from 0)."""
        frame = av.VideoFrame.from_ndarray(picture.data, format="yuv420p")
        frame.pts = number
        return split_nals(b"".join(bytes(packet) for packet in self._context.encode(frame)))


def _video_options(codec: Codec, fps: int) -> dict[str, str]:
    """Fast first: nine of these share a machine with the recorder and its AV1 encoders."""
    common = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec is Codec.H264:
        return common | {"crf": "24", "x264-params": f"keyint={fps}:min-keyint={fps}:{_NO_SCENECUT_H264}"}
    return common | {"crf": "27", "x265-params": _SINGLE_H265.format(keyint=fps)}


def video_track(codec: Codec, width: int, height: int, fps: int) -> Track:
    """The description of what such an encoder will send, learnt from a picture thrown away."""
    picture = Picture(width, height)
    picture.data[:] = 128
    nals = VideoEncoder(codec, width, height, fps).encode(picture, 0)
    return Track(
        codec=codec, clock_rate=VIDEO_CLOCK_RATE, frame_rate=fps, parameter_sets=parameter_sets(codec, nals)
    )


def encode_aac_loop(samples: NDArray[np.int16]) -> tuple[bytes, list[bytes]]:
    """AudioSpecificConfig and raw AAC-LC frames of a sound that repeats seamlessly, 16 kHz mono.

    The sound is encoded twice and the second pass kept: its first frame overlaps the end of the pass before,
    as it will each time the loop comes round. ``samples`` is a whole number of frames long.
    """
    context = av.CodecContext.create("aac", "w")
    if not isinstance(context, av.AudioCodecContext):
        raise TypeError("aac is no audio encoder")
    context.sample_rate, context.layout, context.format = AAC_RATE, "mono", "fltp"
    context.bit_rate = 32_000
    context.time_base = Fraction(1, AAC_RATE)
    packets: dict[int, bytes] = {}
    for start in range(0, 2 * len(samples) + 4 * AAC_FRAME, AAC_FRAME):
        chunk = samples[start % len(samples) :][:AAC_FRAME].astype(np.float32) / 32768
        frame = av.AudioFrame.from_ndarray(chunk.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AAC_RATE, start, Fraction(1, AAC_RATE)
        packets |= {packet.pts: bytes(packet) for packet in context.encode(frame) if packet.pts is not None}
    frames = [packets[len(samples) + start] for start in range(0, len(samples), AAC_FRAME)]
    return bytes(context.extradata or b""), frames


def encode_g711_loop(codec: Codec, samples: NDArray[np.int16]) -> list[bytes]:
    """G.711 packets of 20 ms, 8 kHz mono."""
    context = av.CodecContext.create("pcm_alaw" if codec is Codec.G711A else "pcm_mulaw", "w")
    if not isinstance(context, av.AudioCodecContext):
        raise TypeError("G.711 is no audio encoder")
    context.sample_rate, context.layout, context.format = G711_RATE, "mono", "s16"
    context.time_base = Fraction(1, G711_RATE)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts = G711_RATE, 0
    coded = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    return [coded[at : at + G711_FRAME] for at in range(0, len(coded), G711_FRAME)]
