"""The codecs: pictures to access units, sound to a loop of audio frames. The only module that encodes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange
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
OPUS_RATE = 48_000  # RFC 7587, 4.1
OPUS_FRAME = 960  # samples: 20 ms


_ENCODERS = {Codec.H264: "libx264", Codec.H265: "libx265", Codec.MJPEG: "mjpeg"}
_FORMATS = {Codec.H264: "yuv420p", Codec.H265: "yuv420p", Codec.MJPEG: "yuvj420p"}


class VideoEncoder:
    """Encodes pictures one by one, without delay: a key frame every second, no B pictures, one thread."""

    def __init__(self, codec: Codec, width: int, height: int, fps: int) -> None:
        name = _ENCODERS[codec]
        context = av.CodecContext.create(name, "w")
        if not isinstance(context, VideoCodecContext):
            raise TypeError(f"{name} is no video encoder")
        context.width, context.height, context.pix_fmt = width, height, _FORMATS[codec]
        context.framerate, context.time_base = Fraction(fps), Fraction(1, fps)
        context.thread_count = 1
        context.gop_size = fps
        context.options = _video_options(codec, fps)
        self._context = context
        self._codec = codec

    def encode(self, picture: Picture, number: int) -> tuple[bytes, ...]:
        """NAL units of the access unit of picture ``number`` (counted from 0), or one JPEG picture."""
        frame = av.VideoFrame.from_ndarray(picture.data, format="yuv420p")
        if self._codec is Codec.MJPEG:  # which uses all levels from black to white
            frame = frame.reformat(format="yuvj420p", dst_color_range=ColorRange.JPEG)
        frame.pts = number
        data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        return (data,) if self._codec is Codec.MJPEG else split_nals(data)


def _video_options(codec: Codec, fps: int) -> dict[str, str]:
    """Fast first: nine of these share a machine with the recorder and its AV1 encoders."""
    if codec is Codec.MJPEG:
        return {"huffman": "default", "qmin": "4", "qmax": "4"}  # RTP carries no other entropy tables
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
    context = _sound_encoder("aac", AAC_RATE, "fltp")
    context.bit_rate = 32_000
    packets: dict[int, bytes] = {}
    for start in range(0, 2 * len(samples) + 4 * AAC_FRAME, AAC_FRAME):
        chunk = samples[start % len(samples) :][:AAC_FRAME].astype(np.float32) / 32768
        frame = av.AudioFrame.from_ndarray(chunk.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AAC_RATE, start, Fraction(1, AAC_RATE)
        packets |= {packet.pts: bytes(packet) for packet in context.encode(frame) if packet.pts is not None}
    frames = [packets[len(samples) + start] for start in range(0, len(samples), AAC_FRAME)]
    return bytes(context.extradata or b""), frames


def encode_telephone_loop(codec: Codec, samples: NDArray[np.int16]) -> list[bytes]:
    """Packets of 20 ms of G.711, or of G.726 at 32 kbit/s in RTP's packing, 8 kHz mono."""
    name = {Codec.G711A: "pcm_alaw", Codec.G711U: "pcm_mulaw", Codec.G726: "g726le"}[codec]
    context = _sound_encoder(name, G711_RATE, "s16")
    if codec is Codec.G726:
        context.options = {"code_size": "4"}
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts = G711_RATE, 0
    coded = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    size = G711_FRAME // 2 if codec is Codec.G726 else G711_FRAME
    return [coded[at : at + size] for at in range(0, len(coded), size)]


def encode_opus_loop(samples: NDArray[np.int16]) -> list[bytes]:
    """Opus packets of 20 ms, mono; the loop's seam is a jump that an ear may hear."""
    context = _sound_encoder("libopus", OPUS_RATE, "s16")
    context.bit_rate = 32_000
    packets = []
    for start in range(0, len(samples), OPUS_FRAME):
        block = samples[start : start + OPUS_FRAME].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = OPUS_RATE, start, Fraction(1, OPUS_RATE)
        packets += context.encode(frame)
    return [bytes(one) for one in packets][: len(samples) // OPUS_FRAME]


def _sound_encoder(name: str, rate: int, sample_format: str) -> AudioCodecContext:
    context = av.CodecContext.create(name, "w")
    if not isinstance(context, AudioCodecContext):
        raise TypeError(f"{name} is no audio encoder")
    context.sample_rate, context.layout, context.format = rate, "mono", sample_format
    context.time_base = Fraction(1, rate)
    return context
