"""From a media description to what takes its packets apart and what its packets are."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from capture.packets import TrackStarted
from capture.rtsp.aac import AacDepacketizer, AuHeaders
from capture.rtsp.access_unit import AccessUnit, Depacketizer
from capture.rtsp.g711 import G711Depacketizer
from capture.rtsp.g726 import G726Depacketizer
from capture.rtsp.h264 import H264Depacketizer
from capture.rtsp.h265 import H265Depacketizer
from capture.rtsp.latm import LatmDepacketizer
from capture.rtsp.mjpeg import MjpegDepacketizer
from capture.rtsp.opus import OpusDepacketizer
from capture.rtsp.sdp import MediaDescription
from kernel.codec import aac, g711, g726, h264, h265, mjpeg, opus
from kernel.errors import SourceProtocolError
from kernel.model.footage import Codec, TrackInfo


class Format(Protocol):
    """Turns access units into samples."""

    codec: Codec

    def started(self) -> TrackStarted | None:
        """What the track is, once: when it is known first and whenever it has changed."""

    def sample(self, unit: AccessUnit) -> tuple[bytes, bool] | None:
        """The bytes of an MP4 sample and whether decoding can start there; None for nothing to keep."""


class SoundFormat:
    """Sound: the same from beginning to end."""

    def __init__(self, info: TrackInfo) -> None:
        self.codec = info.codec
        self._news: TrackStarted | None = TrackStarted(info=info)

    def started(self) -> TrackStarted | None:
        news, self._news = self._news, None
        return news

    def sample(self, unit: AccessUnit) -> tuple[bytes, bool] | None:
        return unit.units[0], True


class JpegFormat:
    """JPEG pictures: each stands alone, and each says its size, which may change at any time."""

    codec = Codec.MJPEG

    def __init__(self) -> None:
        self._size = (0, 0)
        self._news: TrackStarted | None = None

    def started(self) -> TrackStarted | None:
        news, self._news = self._news, None
        return news

    def sample(self, unit: AccessUnit) -> tuple[bytes, bool] | None:
        data = unit.units[0]
        size = mjpeg.picture_size(data)
        if size != self._size:
            self._size = size
            entry = mjpeg.jpeg_entry(*size)
            info = TrackInfo(
                codec=self.codec, timescale=90_000, sample_entry=entry, width=size[0], height=size[1]
            )
            self._news = TrackStarted(info=info)
        return data, True


class VideoSyntax(Protocol):
    """What differs between H.264 and H.265: the modules ``kernel.codec.h264`` and ``h265``."""

    def is_picture(self, nal: bytes) -> bool: ...
    def is_key(self, nal: bytes) -> bool: ...
    def slice_set(self, nal: bytes) -> int | None: ...
    def is_delimiter(self, nal: bytes) -> bool: ...
    def parameter_set_kind(self, nal: bytes) -> str | None: ...
    def parameter_set_id(self, nal: bytes) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoEntry:
    """A sample entry and what its parameter sets say."""

    sample_entry: bytes
    width: int
    height: int
    reorder: int


_LENGTH = struct.Struct(">I")  # before each NAL unit of a sample

ParameterSets = dict[str, dict[int, bytes]]
"""NAL units by kind and id."""


def _h264_entry(sets: ParameterSets) -> VideoEntry:
    sps, pps = (list(sets[kind].values()) for kind in ("sps", "pps"))
    told = h264.parse_sps(sps[0])
    entry = h264.avc1(sps, pps)
    return VideoEntry(sample_entry=entry, width=told.width, height=told.height, reorder=told.reorder)


def _h265_entry(sets: ParameterSets) -> VideoEntry:
    vps, sps, pps = (list(sets[kind].values()) for kind in ("vps", "sps", "pps"))
    told = h265.parse_sps(sps[0])
    entry = h265.hvc1(vps, sps, pps)
    return VideoEntry(sample_entry=entry, width=told.width, height=told.height, reorder=told.reorder)


class VideoFormat:
    """Pictures; their parameter sets come by SDP and in-band, the latter win.

    The sets go into the sample entry and out of the samples, as ``avc1`` and ``hvc1`` want it; all else
    that the source sent (SEI too) stays.
    """

    def __init__(
        self,
        codec: Codec,
        syntax: VideoSyntax,
        kinds: Sequence[str],
        entry: Callable[[ParameterSets], VideoEntry],
    ) -> None:
        self.codec = codec
        self._syntax = syntax
        self._entry = entry
        self._sets: ParameterSets = {kind: {} for kind in kinds}
        self._changed = False
        self._known: VideoEntry | None = None
        self._in_samples: dict[int, bool] = {}  # by a NAL unit's first byte, which has its kind

    def learn(self, nal: bytes) -> None:
        """Take a parameter set; one that makes no sense is passed over."""
        try:
            kind, number = self._syntax.parameter_set_kind(nal), self._syntax.parameter_set_id(nal)
        except (SourceProtocolError, IndexError):
            return
        if kind is not None and self._sets[kind].get(number) != nal:
            self._sets[kind][number] = nal
            self._changed = True

    def is_plausible(self, unit: AccessUnit) -> bool:
        """Whether a decoder can make anything of it: a slice that makes sense and refers to a set we have."""
        slices = filter(self._syntax.is_picture, unit.units)
        return not self._sets["pps"].keys().isdisjoint(map(self._syntax.slice_set, slices))

    def started(self) -> TrackStarted | None:
        if not self._changed or not all(self._sets.values()):
            return None
        self._changed = False
        try:
            found = self._entry(self._sets)
        except (SourceProtocolError, IndexError):
            return None
        if found == self._known:
            return None
        self._known = found
        info = TrackInfo(
            codec=self.codec,
            timescale=90_000,
            sample_entry=found.sample_entry,
            width=found.width,
            height=found.height,
        )
        return TrackStarted(info=info, reorder=found.reorder)

    def sample(self, unit: AccessUnit) -> tuple[bytes, bool] | None:
        is_key, in_samples = self._syntax.is_key, self._in_samples
        parts: list[bytes] = []
        key = False
        for nal in unit.units:
            if in_samples.get(nal[0]) or self._belongs(nal):
                parts += (_LENGTH.pack(len(nal)), nal)
                key = key or is_key(nal)
        if not parts or (self._known is None and not self._changed):
            return None
        return b"".join(parts), key

    def _belongs(self, nal: bytes) -> bool:
        """Whether the unit belongs into samples; parameter sets are learnt instead, delimiters left out."""
        if self._syntax.parameter_set_kind(nal) is not None:
            self.learn(nal)
            return False
        self._in_samples[nal[0]] = belongs = not self._syntax.is_delimiter(nal)
        return belongs


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaFormat:
    """How to take one media section apart."""

    depacketizer: Depacketizer
    format: Format


def media_format(media: MediaDescription) -> MediaFormat | None:
    """None for what we cannot record.

    Raises:
        SourceProtocolError: the description of a codec that we know makes no sense.
    """
    make = _MAKERS.get(media.encoding)
    if media.channels > _MOST_CHANNELS or media.clock_rate > _FASTEST_CLOCK:
        raise SourceProtocolError("the description of a track makes no sense.")
    return make(media) if make else None


def _h264(media: MediaDescription) -> MediaFormat:
    video = VideoFormat(Codec.H264, h264, ("sps", "pps"), _h264_entry)
    _learn_all(video, media.parameters.get("sprop-parameter-sets", ""))
    return MediaFormat(depacketizer=H264Depacketizer(), format=video)


def _h265(media: MediaDescription) -> MediaFormat:
    video = VideoFormat(Codec.H265, h265, ("vps", "sps", "pps"), _h265_entry)
    for name in ("sprop-vps", "sprop-sps", "sprop-pps"):
        _learn_all(video, media.parameters.get(name, ""))
    return MediaFormat(depacketizer=H265Depacketizer(), format=video)


def _learn_all(video: VideoFormat, text: str) -> None:
    for part in text.split(","):
        try:
            nal = base64.b64decode(part + "=" * (-len(part) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue  # cameras write such; the sets come in-band too
        if nal:
            video.learn(nal)


def _jpeg(media: MediaDescription) -> MediaFormat:
    return MediaFormat(depacketizer=MjpegDepacketizer(media.size), format=JpegFormat())


def _aac(media: MediaDescription) -> MediaFormat | None:
    """Modes AAC-hbr, AAC-lbr, and others that say of each frame its size only (RFC 3640, 3.3 and 4.1)."""
    told = media.parameters
    usual = _AAC_MODES.get(told.get("mode", "").upper(), ("0", "0", "0"))
    if any(told.get(name, "0") != "0" for name in _UNUSUAL_HEADERS):
        return None
    sizes = [_number(told.get(name, default)) for name, default in zip(_HEADERS, usual, strict=True)]
    if not sizes[0]:
        return None
    config = _hexadecimal(told.get("config", ""))
    headers = AuHeaders(
        size_bits=sizes[0],
        index_bits=sizes[1],
        delta_bits=sizes[2],
        frame_ticks=aac.frame_ticks(config, media.clock_rate),
    )
    return MediaFormat(depacketizer=AacDepacketizer(headers), format=_aac_format(media, config))


def _latm(media: MediaDescription) -> MediaFormat | None:
    """RFC 6416, 7.3: only with its configuration in the description."""
    told = media.parameters
    if told.get("cpresent", "1") != "0":
        return None
    config = aac.latm_config(_hexadecimal(told.get("config", "")))
    ticks = aac.frame_ticks(config, media.clock_rate)
    return MediaFormat(depacketizer=LatmDepacketizer(ticks), format=_aac_format(media, config))


def _aac_format(media: MediaDescription, config: bytes) -> SoundFormat:
    rate, channels = aac.parse_config(config)
    info = TrackInfo(
        codec=Codec.AAC,
        timescale=media.clock_rate,
        sample_entry=aac.mp4a(config),
        sample_rate=rate,
        channels=channels,
    )
    return SoundFormat(info)


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip('"'))
    except ValueError:
        raise SourceProtocolError("the description of the sound makes no sense.") from None


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) > _WIDEST_FIELD:
        raise SourceProtocolError("the description of the sound makes no sense.")
    return int(text)


def _opus(media: MediaDescription) -> MediaFormat:
    """Stereo unless the device says that it sends none (RFC 7587, 7): a decoder makes two of one, too."""
    channels = 1 if media.parameters.get("sprop-stereo") == "0" else 2
    info = TrackInfo(
        codec=Codec.OPUS,
        timescale=opus.RATE,
        sample_entry=opus.opus_entry(channels),
        sample_rate=opus.RATE,
        channels=channels,
    )
    return MediaFormat(depacketizer=OpusDepacketizer(), format=SoundFormat(info))


def _g726(media: MediaDescription) -> MediaFormat | None:
    """G726-32 packs in RTP's own way, AAL2-G726-32 in the way of ITU-T I.366.2 (RFC 3551, 4.5.4)."""
    bits = int(media.encoding[-2:]) * 1000 // g726.RATE
    if media.clock_rate != g726.RATE or media.channels != 1:
        return None
    info = TrackInfo(
        codec=Codec.G726,
        timescale=g726.RATE,
        sample_entry=g726.g726_entry(bits, 1),
        sample_rate=g726.RATE,
        channels=1,
    )
    little_endian = not media.encoding.startswith("AAL2")
    depacketizer = G726Depacketizer(bits, little_endian=little_endian)
    return MediaFormat(depacketizer=depacketizer, format=SoundFormat(info))


def _g711(media: MediaDescription) -> MediaFormat:
    codec = Codec.G711A if media.encoding == "PCMA" else Codec.G711U
    info = TrackInfo(
        codec=codec,
        timescale=media.clock_rate,
        sample_entry=g711.g711_entry(codec, media.clock_rate, media.channels),
        sample_rate=media.clock_rate,
        channels=media.channels,
    )
    return MediaFormat(depacketizer=G711Depacketizer(), format=SoundFormat(info))


_AAC_MODES = {"AAC-HBR": ("13", "3", "3"), "AAC-LBR": ("6", "2", "2")}
_UNUSUAL_HEADERS = (
    "ctsdeltalength",
    "dtsdeltalength",
    "randomaccessindication",
    "streamstateindication",
    "auxiliarydatasizelength",
)
_MOST_CHANNELS = 8
_FASTEST_CLOCK = 192_000  # Hz
_HEADERS = ("sizelength", "indexlength", "indexdeltalength")
_WIDEST_FIELD = 32  # bits

_MAKERS: dict[str, Callable[[MediaDescription], MediaFormat | None]] = {
    "H264": _h264,
    "H265": _h265,
    "JPEG": _jpeg,
    "MPEG4-GENERIC": _aac,
    "MP4A-LATM": _latm,
    "PCMA": _g711,
    "PCMU": _g711,
    "OPUS": _opus,
    **{f"{packing}G726-{rate}": _g726 for packing in ("", "AAL2-") for rate in (16, 24, 32, 40)},
}
