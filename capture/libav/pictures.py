"""H.264 and H.265 access units as containers carry them -> samples of the ring. Pure bytes.

FLV, MP4 and MKV put a length before each NAL unit and the parameter sets into the header (ISO/IEC 14496-15,
5.3.3 and 8.3.3); MPEG-TS sends start codes (H.264 and H.265, annex B) and the sets in-band. The ring wants
lengths of four bytes, and the sets in the sample entry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import ModuleType

from capture.packets import TrackStarted
from kernel.codec import h264, h265
from kernel.errors import SourceProtocolError
from kernel.model.footage import Codec, TrackInfo

_SYNTAX: dict[Codec, ModuleType] = {Codec.H264: h264, Codec.H265: h265}
_KINDS = {Codec.H264: ("sps", "pps"), Codec.H265: ("vps", "sps", "pps")}
_LENGTH_BYTE = {Codec.H264: 4, Codec.H265: 21}  # of avcC and hvcC: lengthSizeMinusOne in its low two bits


class PictureTrack:
    """The pictures of one stream."""

    def __init__(self, codec: Codec, timescale: int, header: bytes) -> None:
        """``header``: the codec's configuration as the container has it; empty where it has none."""
        self.codec = codec
        self._timescale = timescale
        self._syntax = _SYNTAX[codec]
        self._sets: dict[str, dict[int, bytes]] = {kind: {} for kind in _KINDS[codec]}
        self._changed = False
        self._known: TrackStarted | None = None
        self._length_size = 0  # 0: start codes
        self.learn_header(header)

    def learn_header(self, header: bytes) -> None:
        """Take the configuration of the container, again when it sends a new one in mid-stream.

        Raises:
            SourceProtocolError: it is cut off.
        """
        if header[:1] != b"\1":
            units = split_start_codes(header)
        else:
            at = _LENGTH_BYTE[self.codec]
            if len(header) <= at:
                raise SourceProtocolError("the configuration of the pictures is cut off.")
            self._length_size = (header[at] & 3) + 1
            units = _units_of_avcc(header) if self.codec is Codec.H264 else _units_of_hvcc(header)
        for nal in units:
            self._learn(nal)

    def _learn(self, nal: bytes) -> None:
        """Take a parameter set; one that makes no sense is passed over."""
        try:
            kind, number = self._syntax.parameter_set_kind(nal), self._syntax.parameter_set_id(nal)
        except (SourceProtocolError, IndexError):
            return
        if kind is not None and self._sets[kind].get(number) != nal:
            self._sets[kind][number] = nal
            self._changed = True

    def started(self) -> TrackStarted | None:
        """What the track is, once it is known and whenever it has changed."""
        if not self._changed or not all(self._sets.values()):
            return None
        self._changed = False
        try:
            found = self._describe()
        except (SourceProtocolError, IndexError):
            return None
        if found == self._known:
            return None
        self._known = found
        return found

    def _describe(self) -> TrackStarted:
        sets = [list(self._sets[kind].values()) for kind in _KINDS[self.codec]]
        told = self._syntax.parse_sps(sets[-2][0])
        entry = h264.avc1(*sets) if self.codec is Codec.H264 else h265.hvc1(*sets)
        info = TrackInfo(
            codec=self.codec,
            timescale=self._timescale,
            sample_entry=entry,
            width=told.width,
            height=told.height,
        )
        return TrackStarted(info=info, reorder=told.reorder)

    def sample(self, data: bytes) -> tuple[bytes, bool]:
        """The bytes of an MP4 sample and whether decoding can start there; empty where there is no picture.

        Raises:
            SourceProtocolError: its lengths make no sense.
        """
        parts: list[bytes] = []
        key = picture = False
        units = split_lengths(data, self._length_size) if self._length_size else split_start_codes(data)
        for nal in units:
            if self._syntax.parameter_set_kind(nal) is not None:
                self._learn(nal)
            elif not self._syntax.is_delimiter(nal):
                parts += (struct.pack(">I", len(nal)), nal)
                key = key or self._syntax.is_key(nal)
                picture = picture or self._syntax.is_picture(nal)
        return (b"".join(parts), key) if picture else (b"", False)


def split_start_codes(data: bytes) -> Iterator[bytes]:
    """NAL units behind start codes (annex B); zeros behind a unit are no part of it."""
    return (nal for part in data.split(b"\0\0\1")[1:] if len(nal := part.rstrip(b"\0")) > 1)


def split_lengths(data: bytes, size: int) -> Iterator[bytes]:
    """NAL units behind lengths of so many bytes.

    Raises:
        SourceProtocolError: a length reaches beyond the data.
    """
    offset = 0
    while offset + size <= len(data):
        end = offset + size + int.from_bytes(data[offset : offset + size], "big")
        if end > len(data):
            raise SourceProtocolError("a picture of the stream is cut off.")
        if end - offset - size > 1:
            yield data[offset + size : end]
        offset = end


def _units_of_avcc(header: bytes) -> Iterator[bytes]:
    """ISO/IEC 14496-15, 5.3.3.1.2."""
    offset = 5
    for mask in (31, 255):  # counts of sequence and of picture parameter sets
        count = header[offset] & mask if offset < len(header) else 0
        offset += 1
        for _ in range(count):
            nal, offset = _unit(header, offset)
            yield nal


def _units_of_hvcc(header: bytes) -> Iterator[bytes]:
    """ISO/IEC 14496-15, 8.3.3.1.2."""
    offset = 23
    for _ in range(header[22] if len(header) > 22 else 0):
        count = int.from_bytes(header[offset + 1 : offset + 3], "big")
        offset += 3
        for _ in range(count):
            nal, offset = _unit(header, offset)
            yield nal


def _unit(header: bytes, offset: int) -> tuple[bytes, int]:
    """The parameter set behind a length of two bytes, and where the next one is.

    Raises:
        SourceProtocolError: it is cut off.
    """
    end = offset + 2 + int.from_bytes(header[offset : offset + 2], "big")
    if end > len(header):
        raise SourceProtocolError("the configuration of the pictures is cut off.")
    return header[offset + 2 : end], end
