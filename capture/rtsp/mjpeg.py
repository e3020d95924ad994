"""JPEG pictures over RTP (RFC 2435): fragments of a scan in, whole pictures with their headers out."""

from __future__ import annotations

from dataclasses import dataclass

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket
from kernel.codec import mjpeg
from kernel.errors import SourceProtocolError

_MAIN_HEADER = 8  # bytes, 3.1
_RESTART_TYPES = range(64, 128)  # 3.1.3: a restart marker header follows
_IN_BAND_QUALITY = 128  # 3.1.4: from here on tables come with the picture
_ALWAYS_IN_BAND = 255  # 4.2: tables that may change with every picture
_SAMPLING = {0: 0x21, 1: 0x22}  # 4.1: type modulo 64 -> sampling factors of luma
_LONGEST = 16 * 1024 * 1024  # bytes of a picture; offsets have 24 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fragment:
    """A payload taken apart."""

    offset: int  # bytes of the scan before it
    kind: int
    quality: int
    width: int  # pixels
    height: int
    restart_interval: int
    tables: tuple[bytes, ...]  # in-band, of a picture's first fragment only
    data: bytes


@dataclass(slots=True)
class _Picture:
    """A picture in the making."""

    timestamp: int
    shape: mjpeg.JpegShape
    pieces: list[bytes]
    size: int = 0


class MjpegDepacketizer:
    """See ``Depacketizer``. A picture of which anything is missing is dropped and counted."""

    def __init__(self, described: tuple[int, int] = (0, 0)) -> None:
        """``described``: pixels by the description, for pictures beyond 2040, whose packets cannot tell."""
        self._described = described
        self.dropped = 0
        self._tables: dict[int, tuple[bytes, ...]] = {}  # by quality, as last sent
        self._picture: _Picture | None = None
        self._spoiled: int | None = None  # time stamp of a picture that is given up
        self._after_loss = False

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        self._after_loss = self._after_loss or bool(lost)
        picture = self._picture
        if picture is not None and (lost or packet.timestamp != picture.timestamp):
            self._give_up(picture.timestamp)  # its end is missing
        if packet.timestamp != self._spoiled:
            try:
                self._take(packet)
            except (SourceProtocolError, IndexError):
                self._give_up(packet.timestamp)
        return self._finish() if packet.marker else []

    def _take(self, packet: RtpPacket) -> None:
        fragment = _parse(bytes(packet.payload))
        picture = self._picture
        if picture is None:
            if fragment.offset:
                raise SourceProtocolError("the beginning of a picture is missing.")
            picture = self._picture = _Picture(packet.timestamp, self._shape(fragment), [])
        if fragment.offset != picture.size:
            raise SourceProtocolError("a piece of a picture is missing.")
        picture.pieces.append(fragment.data)
        picture.size += len(fragment.data)

    def _shape(self, first: _Fragment) -> mjpeg.JpegShape:
        width, height = first.width, first.height
        if not (width and height):  # 3.1.5: 0 stands for more than a byte can say
            width, height = self._described
        if not (0 < width < 1 << 16 and 0 < height < 1 << 16):
            raise SourceProtocolError("a picture is too large for its header.")
        return mjpeg.JpegShape(
            width=width,
            height=height,
            subsampling=_SAMPLING[first.kind % 64],
            tables=self._tables_of(first),
            restart_interval=first.restart_interval,
        )

    def _tables_of(self, first: _Fragment) -> tuple[bytes, ...]:
        """4.2: computed, in-band, or those that came in-band before."""
        if first.quality < _IN_BAND_QUALITY:
            return mjpeg.quantization(first.quality)
        tables = first.tables or self._tables.get(first.quality)
        if not tables:
            raise SourceProtocolError("a picture comes without its quantization tables.")
        if first.quality != _ALWAYS_IN_BAND:
            self._tables[first.quality] = tables
        return tables

    def _finish(self) -> list[AccessUnit]:
        picture, self._picture, self._spoiled = self._picture, None, None
        if picture is None:
            return []
        scan = b"".join(picture.pieces)
        end = b"" if scan.endswith(mjpeg.EOI) else mjpeg.EOI
        data = mjpeg.headers(picture.shape) + scan + end
        unit = AccessUnit(timestamp=picture.timestamp, units=(data,), after_loss=self._after_loss)
        self._after_loss = False
        return [unit]

    def _give_up(self, timestamp: int) -> None:
        self._picture, self._spoiled = None, timestamp
        self.dropped += 1
        self._after_loss = True


def _parse(payload: bytes) -> _Fragment:
    """Raises: SourceProtocolError, IndexError: it is cut off or of a type that RFC 2435 does not define."""
    kind, quality = payload[4], payload[5]
    if kind % 64 not in _SAMPLING or kind > _RESTART_TYPES[-1] or quality == 0:
        raise SourceProtocolError("a picture is of an unknown type.")
    offset, at, interval = int.from_bytes(payload[1:4], "big"), _MAIN_HEADER, 0
    if kind in _RESTART_TYPES:
        interval = payload[at] << 8 | payload[at + 1]
        at += 4
    tables: tuple[bytes, ...] = ()
    if quality >= _IN_BAND_QUALITY and offset == 0:
        tables, at = _in_band(payload, at)
    if at > len(payload) or offset + len(payload) - at > _LONGEST:
        raise SourceProtocolError("a packet of a picture is cut off.")
    return _Fragment(
        offset=offset,
        kind=kind,
        quality=quality,
        width=8 * payload[6],
        height=8 * payload[7],
        restart_interval=interval,
        tables=tables,
        data=payload[at:],
    )


def _in_band(payload: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """The tables of the quantization table header (3.1.8) and the offset behind them."""
    precision, length = payload[at + 1], payload[at + 2] << 8 | payload[at + 3]
    at += 4
    end = at + length
    if end > len(payload):
        raise SourceProtocolError("the quantization tables are cut off.")
    tables: list[bytes] = []
    while at < end and len(tables) < 4:
        size = 128 if precision >> len(tables) & 1 else 64
        tables.append(payload[at : at + size])
        at += size
    if at > end:
        raise SourceProtocolError("the quantization tables are cut off.")
    return tuple(tables), end
