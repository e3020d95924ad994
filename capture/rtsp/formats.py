"""From a media description to what takes its packets apart and what its packets are."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from capture.packets import TrackStarted
from capture.rtsp.aac import AacDepacketizer
from capture.rtsp.access_unit import AccessUnit, Depacketizer
from capture.rtsp.g711 import G711Depacketizer
from capture.rtsp.h264 import H264Depacketizer
from capture.rtsp.h265 import H265Depacketizer
from capture.rtsp.sdp import MediaDescription
from kernel.codec import aac, g711, h264, h265
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


class VideoSyntax(Protocol):
    """What differs between H.264 and H.265: the modules ``kernel.codec.h264`` and ``h265``."""

    def is_picture(self, nal: bytes) -> bool: ...
    def is_key(self, nal: bytes) -> bool: ...
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

    def learn(self, nal: bytes) -> None:
        """Take a parameter set; one that makes no sense is passed over."""
        try:
            kind, number = self._syntax.parameter_set_kind(nal), self._syntax.parameter_set_id(nal)
        except (SourceProtocolError, IndexError):
            return
        if kind is not None and self._sets[kind].get(number) != nal:
            self._sets[kind][number] = nal
            self._changed = True

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
        syntax = self._syntax
        parts: list[bytes] = []
        key = False
        for nal in unit.units:
            if syntax.parameter_set_kind(nal) is not None:
                self.learn(nal)
            elif not syntax.is_delimiter(nal):
                parts += (struct.pack(">I", len(nal)), nal)
                key = key or syntax.is_key(nal)
        if not parts or (self._known is None and not self._changed):
            return None
        return b"".join(parts), key


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
    makers = {"H264": _h264, "H265": _h265, "MPEG4-GENERIC": _aac, "PCMA": _g711, "PCMU": _g711}
    make = makers.get(media.encoding)
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


def _aac(media: MediaDescription) -> MediaFormat | None:
    told = media.parameters
    if told.get("mode", "").upper() != "AAC-HBR":
        return None
    try:
        config = bytes.fromhex(told.get("config", ""))
        size_length, index_length = int(told.get("sizelength", "13")), int(told.get("indexlength", "3"))
    except ValueError:
        raise SourceProtocolError("the description of the sound makes no sense.") from None
    rate, channels = aac.parse_config(config)
    info = TrackInfo(
        codec=Codec.AAC,
        timescale=media.clock_rate,
        sample_entry=aac.mp4a(config),
        sample_rate=rate,
        channels=channels,
    )
    return MediaFormat(depacketizer=AacDepacketizer(size_length, index_length), format=SoundFormat(info))


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
