"""What a browser cannot play, made into what it can, as it comes: a program of its own.

``python -m capture.libav.live_encode picture|sound`` reads pieces on standard input and writes pieces on
standard output until the input ends. Times stay those of the source: nothing is evened out, nothing filled.
"""

from __future__ import annotations

import io
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Protocol

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from kernel.clock import SECOND_US
from kernel.codec import h264, opus
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import channel_count, decoder_config
from kernel.isobmff.tracks import Sample, SampleRef, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment
from kernel.timerange import TimeRange

_HEADER = struct.Struct(">IBBQQq")  # bytes of data; whether an init segment; key; wall from, to; media time
_DECODERS = {
    "hvc1": "hevc",
    "avc1": "h264",
    "jpeg": "mjpeg",
    "alaw": "pcm_alaw",
    "ulaw": "pcm_mulaw",
}
_KEY_US = SECOND_US  # a key frame at least so often: whoever comes waits no longer
_MOST_WIDTH = 1280  # for looking at; what is recorded is as it was sent
_OPUS_FRAME = 960  # samples, 20 ms
_APART = opus.RATE // 20  # sound this far from its place begins there anew
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """An init segment or a fragment of one track."""

    init: bool
    data: bytes
    key: bool = True
    wall: TimeRange
    media_us: int = 0

    def packed(self) -> bytes:
        head = _HEADER.pack(
            len(self.data), self.init, self.key, self.wall.start_us, self.wall.end_us, self.media_us
        )
        return head + self.data


HEADER_BYTES = _HEADER.size


def unpacked(head: bytes) -> tuple[int, Piece]:
    """How many bytes of data follow a header, and the piece still without them."""
    size, init, key, start_us, end_us, media_us = _HEADER.unpack(head)
    wall = TimeRange(start_us=start_us, end_us=end_us)
    return size, Piece(init=bool(init), data=b"", key=bool(key), wall=wall, media_us=media_us)


class Encoder(Protocol):
    """Takes pieces of one source, gives pieces of another kind."""

    def begin(self, track: Track) -> None: ...

    def take(self, samples: Sequence[SampleRef], piece: Piece) -> Iterator[Piece]: ...


class PictureEncoder:
    """H.264 without reordering, of anything that FFmpeg decodes."""

    def __init__(self) -> None:
        self._scale = 1
        self._decoder: Any = None
        self._encoder: Any = None
        self._key_ticks: int | None = None  # when the last one was made
        self._track: Track | None = None

    def begin(self, track: Track) -> None:
        """Another format follows."""
        self._decoder, self._scale = _decoder(track), track.timescale
        self._encoder, self._track, self._key_ticks = None, None, None

    def take(self, samples: Sequence[SampleRef], piece: Piece) -> Iterator[Piece]:
        """The same pictures; a damaged one is passed over."""
        durations = {one.pts: one.duration for one in samples}
        made: list[Sample] = []
        base = 0
        for one in samples:
            for frame in _decoded(self._decoder, one, piece.data, self._scale):
                data, key, pts = self._encode(frame)
                if key and made:
                    yield self._fragment(base, made, piece)
                    made = []
                if not made:
                    base = pts
                if key and self._track is None:
                    yield self._begin_track(data, piece.wall)
                made.append(Sample(_without_sets(data), durations.get(pts, one.duration), key))
        if made and self._track is not None:
            yield self._fragment(base, made, piece)

    def _encode(self, frame: Any) -> tuple[bytes, bool, int]:
        width = min(frame.width, _MOST_WIDTH) // 2 * 2
        height = frame.height * width // frame.width // 2 * 2
        picture = frame.reformat(width=width, height=height, format="yuv420p")
        picture.pts, picture.time_base = frame.pts, Fraction(1, self._scale)
        if self._encoder is None:
            self._encoder = _x264(width, height, self._scale)
        due = self._key_ticks is None or frame.pts - self._key_ticks >= self._scale * _KEY_US // SECOND_US
        picture.pict_type = PictureType.I if due else PictureType.NONE
        (packet,) = self._encoder.encode(picture)
        if packet.is_keyframe:
            self._key_ticks = frame.pts
        return bytes(packet), bool(packet.is_keyframe), int(packet.pts)

    def _begin_track(self, data: bytes, wall: TimeRange) -> Piece:
        sets = {nal[0] & 31: nal for nal in _nals(data) if nal[0] & 31 in (7, 8)}
        width, height = self._encoder.width, self._encoder.height
        entry = h264.avc1([sets[7]], [sets[8]])
        self._track = Track(id=1, timescale=self._scale, sample_entry=entry, width=width, height=height)
        return Piece(init=True, data=init_segment([self._track]), wall=wall)

    def _fragment(self, base: int, made: list[Sample], piece: Piece) -> Piece:
        media_us = base * SECOND_US // self._scale
        length_us = sum(one.duration for one in made) * SECOND_US // self._scale
        start_us = piece.wall.start_us + media_us - piece.media_us
        return Piece(
            init=False,
            data=fragment(1, [TrackRun(track_id=1, base_dts=base, samples=tuple(made))]),
            key=made[0].key,
            wall=TimeRange(start_us=start_us, end_us=start_us + length_us),
            media_us=media_us,
        )


class SoundEncoder:
    """Opus, 20 ms a packet, of telephone sound."""

    def __init__(self) -> None:
        self._decoder: Any = None
        self._scale = 1
        self._next: int | None = None  # tick of the next packet, 48 kHz
        self._resampler: Any = None
        self._encoder: Any = None
        self._begun = False
        self._channels = 1

    def begin(self, track: Track) -> None:
        """Another format follows."""
        self._decoder, self._scale = _decoder(track), track.timescale
        self._channels = min(2, channel_count(track.sample_entry))
        self._begun, self._next = False, None

    def take(self, samples: Sequence[SampleRef], piece: Piece) -> Iterator[Piece]:
        """The same sound, each piece where it belongs."""
        if not self._begun:
            self._begun = True
            entry = opus.opus_entry(self._channels)
            track = Track(id=2, timescale=opus.RATE, sample_entry=entry)
            yield Piece(init=True, data=init_segment([track]), wall=piece.wall)
        self._place(samples[0].dts * opus.RATE // self._scale)
        made = []
        for one in samples:
            for frame in _decoded(self._decoder, one, piece.data, self._scale):
                frame.pts = None  # the resampler counts; where sound lies is said below
                for part in self._resampler.resample(frame):
                    made += [Sample(bytes(packet), _OPUS_FRAME) for packet in self._encoder.encode(part)]
        if made:
            yield self._fragment(tuple(made), piece)

    def _place(self, tick: int) -> None:
        if self._next is None or abs(tick - self._next) > _APART:
            self._next = tick
            layout = "stereo" if self._channels == 2 else "mono"
            self._resampler = av.AudioResampler(
                format="flt", layout=layout, rate=opus.RATE, frame_size=_OPUS_FRAME
            )
            self._encoder = _opus(layout)

    def _fragment(self, made: tuple[Sample, ...], piece: Piece) -> Piece:
        assert self._next is not None
        base, self._next = self._next, self._next + _OPUS_FRAME * len(made)
        media_us = base * SECOND_US // opus.RATE
        start_us = piece.wall.start_us + media_us - piece.media_us
        length_us = _OPUS_FRAME * len(made) * SECOND_US // opus.RATE
        return Piece(
            init=False,
            data=fragment(1, [TrackRun(track_id=2, base_dts=base, samples=made)]),
            wall=TimeRange(start_us=start_us, end_us=start_us + length_us),
            media_us=media_us,
        )


def _decoder(track: Track) -> Any:
    config = decoder_config(track.sample_entry)
    context: Any = av.CodecContext.create(_DECODERS[config.kind], "r")
    if config.extradata:
        context.extradata = config.extradata
    if not track.is_video:
        context.sample_rate = track.timescale
        context.layout = "stereo" if channel_count(track.sample_entry) == 2 else "mono"
    else:
        context.thread_count = 1
        context.flags |= av.codec.context.Flags.low_delay
    return context


def _decoded(decoder: Any, one: SampleRef, data: bytes, scale: int) -> list[Any]:
    packet: Any = av.Packet(data[one.offset : one.offset + one.size])
    packet.pts, packet.dts, packet.time_base = one.pts, one.dts, Fraction(1, scale)
    try:
        return list(decoder.decode(packet))
    except FFmpegError:
        return []


def _x264(width: int, height: int, scale: int) -> Any:
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, scale), Fraction(25)
    context.thread_count = 1
    context.gop_size = 1000  # key frames are asked for one by one
    x264 = "scenecut=0:repeat-headers=1:annexb=1"
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "25", "x264-params": x264}
    return context


def _opus(layout: str) -> Any:
    context: Any = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = opus.RATE, layout, "flt"
    context.bit_rate = 32_000
    context.options = {"application": "lowdelay"}
    return context


def _nals(data: bytes) -> list[bytes]:
    return [nal for part in _START_CODE.split(data) if (nal := part.rstrip(b"\0"))]


def _without_sets(data: bytes) -> bytes:
    """With lengths in place of start codes; parameter sets are in the sample entry."""
    kept = [nal for nal in _nals(data) if nal[0] & 31 not in (7, 8, 9)]
    return b"".join(struct.pack(">I", len(nal)) + nal for nal in kept)


def encode_all(incoming: BinaryIO, outgoing: BinaryIO, encoder: Encoder) -> None:
    """Until the input ends. What makes no sense is left out: the next key frame begins anew."""
    track_id = 1
    while len(head := incoming.read(HEADER_BYTES)) == HEADER_BYTES:
        size, piece = unpacked(head)
        data = incoming.read(size)
        if piece.init:
            (track,) = read_init(io.BytesIO(data)).tracks
            track_id = track.id
            encoder.begin(track)
            continue
        whole = Piece(init=False, data=data, key=piece.key, wall=piece.wall, media_us=piece.media_us)
        for one in read_fragments(io.BytesIO(data)):
            for made in encoder.take(one.runs.get(track_id, ()), whole):
                outgoing.write(made.packed())
        outgoing.flush()


if __name__ == "__main__":
    chosen: Encoder = PictureEncoder() if sys.argv[1] == "picture" else SoundEncoder()
    encode_all(sys.stdin.buffer, sys.stdout.buffer, chosen)
