"""RTSP messages and interleaved frames, cut out of a stream of bytes (RFC 2326, 4 and 10.12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kernel.errors import SourceProtocolError, SourceSendsGarbage

DOLLAR = 0x24
_FRAME_HEAD = struct.Struct(">BBH")  # dollar sign, channel, size
_MAX_HEADER_BYTES = 16 * 1024
_MAX_BODY_BYTES = 256 * 1024  # a description of many tracks has some kilobytes
_MAX_EARLY_BYTES = 4 << 20  # about a second of the fastest camera
_LONGEST_NUMBER = 9  # digits; Python refuses to read thousands of them
_EARLY_OVERHEAD = 128  # bytes that each packet costs beside its payload


@dataclass(frozen=True, kw_only=True, slots=True)
class Headers:
    """Header fields; names without regard to case, a name may stand more than once."""

    fields: tuple[tuple[str, str], ...]  # (lower-case name, value)

    def get(self, name: str, default: str = "") -> str:
        wanted = name.lower()
        return next((value for key, value in self.fields if key == wanted), default)

    def all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.fields if key == wanted]


class Interleaved(NamedTuple):
    """One RTP or RTCP packet."""

    channel: int
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An answer of the device."""

    status: int
    headers: Headers
    body: bytes

    @property
    def cseq(self) -> str:
        return self.headers.get("cseq")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request of the device: it may ask, too."""

    method: str
    uri: str
    headers: Headers
    body: bytes


Message = Interleaved | Response | Request


class Frames(Protocol):
    """Takes the packets of a connection as they are found between its messages."""

    def take(self, channel: int, payload: bytes) -> None:
        """One RTP or RTCP packet."""

    def take_usual(self, data: bytes, start: int) -> int:
        """Packets that lie one behind the other from ``start`` on, as many as can be taken at once because
        they are as usual; the offset behind them, which may be ``start``."""


class MessageParser:
    """Bytes in, whole messages out; keeps what is not whole yet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete, in order.

        Raises:
            SourceProtocolError: the bytes are neither RTSP nor interleaved data.
        """
        found = _Listed()
        self.sort(data, found, found.messages)
        return found.messages

    def sort(self, data: bytes, frames: Frames, others: list[Message]) -> None:
        """The same, packets to ``frames`` and answers and requests to ``others``: ninety-nine messages of a
        hundred are packets.

        Raises:
            SourceProtocolError: the bytes are neither RTSP nor interleaved data.
        """
        data = self._rest + data if self._rest else data
        position, end = 0, len(data)
        while position < end:
            if data[position] == DOLLAR:
                if position + 4 > end:
                    break
                behind = frames.take_usual(data, position)
                if behind == position:
                    _, channel, size = _FRAME_HEAD.unpack_from(data, position)
                    behind += 4 + size
                    if behind > end:
                        break
                    frames.take(channel, data[position + 4 : behind])
                position = behind
            else:
                found = _text_message(data, position)
                if found is None:
                    break
                message, position = found
                if message is not None:
                    others.append(message)
        self._rest = data[position:]


class EarlyData:
    """Packets that came between requests and answers, for as long as nobody takes them; bounded."""

    def __init__(self, name: str) -> None:
        self._name = name  # of the source, for messages
        self._packets: list[Interleaved] = []
        self._size = 0

    def add(self, packet: Interleaved) -> None:
        """Raises: SourceSendsGarbage: it sends on and on where it should answer."""
        self._size += len(packet.payload) + _EARLY_OVERHEAD
        if self._size > _MAX_EARLY_BYTES:
            raise SourceSendsGarbage(f"source {self._name}: the device sends data instead of answers.")
        self._packets.append(packet)

    def hand_out(self, frames: Frames) -> None:
        """Give them away, in order."""
        if self._packets:
            packets, self._packets, self._size = self._packets, [], 0
            for channel, payload in packets:
                frames.take(channel, payload)


class _Listed:
    """Packets among the messages, in order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def take(self, channel: int, payload: bytes) -> None:
        self.messages.append(Interleaved(channel, payload))

    def take_usual(self, data: bytes, start: int) -> int:
        return start


def _text_message(data: bytes, start: int) -> tuple[Response | Request | None, int] | None:
    """One textual message and the offset behind it; None where it is not whole."""
    if data[start] in b"\r\n":  # a line end between messages means nothing
        return None, start + 1
    end = data.find(b"\r\n\r\n", start)
    if (end if end >= 0 else len(data)) - start > _MAX_HEADER_BYTES:
        raise SourceProtocolError("the device sends a message without end.")
    if end < 0:
        if not data[start : start + 1].isalpha():
            raise SourceProtocolError("the device sends bytes that are not RTSP.")
        return None
    first, *lines = data[start:end].decode("utf-8", "replace").split("\r\n")
    headers = _headers(lines)
    size = _content_length(headers)
    behind = end + 4 + size
    if behind > len(data):
        return None
    return _message(first, headers, data[end + 4 : behind]), behind


def _headers(lines: list[str]) -> Headers:
    parts = (line.partition(":") for line in lines)
    return Headers(fields=tuple((name.strip().lower(), value.strip()) for name, _, value in parts))


def _content_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER or int(text) > _MAX_BODY_BYTES:
        raise SourceProtocolError("the device announces a message of impossible length.")
    return int(text)


def _message(first: str, headers: Headers, body: bytes) -> Response | Request:
    words = first.split(" ", 2)
    if words[0].startswith("RTSP/") and len(words) > 1 and words[1].isdecimal() and len(words[1]) == 3:
        return Response(status=int(words[1]), headers=headers, body=body)
    if len(words) == 3 and words[2].startswith("RTSP/"):
        return Request(method=words[0], uri=words[1], headers=headers, body=body)
    raise SourceProtocolError("the device sends bytes that are not RTSP.")


def encode_request(method: str, uri: str, headers: dict[str, str]) -> bytes:
    """A request without a body."""
    lines = [f"{method} {uri} RTSP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def encode_interleaved(channel: int, packet: bytes) -> bytes:
    """A packet of ours between the messages (10.12)."""
    return _FRAME_HEAD.pack(DOLLAR, channel, len(packet)) + packet


def encode_answer(cseq: str, status: str) -> bytes:
    """An answer to a request of the device."""
    return f"RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n\r\n".encode("ascii", "replace")
