"""RTSP messages and interleaved frames, cut out of a stream of bytes (RFC 2326, 4 and 10.12)."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import SourceProtocolError

_DOLLAR = 0x24
_MAX_HEADER_BYTES = 64 * 1024
_MAX_BODY_BYTES = 1024 * 1024


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


@dataclass(frozen=True, slots=True)
class Interleaved:
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
    headers: Headers
    body: bytes


Message = Interleaved | Response | Request


class MessageParser:
    """Bytes in, whole messages out; keeps what is not whole yet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete.

        Raises:
            SourceProtocolError: the bytes are neither RTSP nor interleaved data.
        """
        data = self._rest + data if self._rest else data
        messages: list[Message] = []
        position, end = 0, len(data)
        while position < end:
            if data[position] == _DOLLAR:
                behind = position + 4
                if behind > end:
                    break
                behind += data[position + 2] << 8 | data[position + 3]
                if behind > end:
                    break
                messages.append(Interleaved(data[position + 1], data[position + 4 : behind]))
                position = behind
            else:
                found = _text_message(data, position)
                if found is None:
                    break
                message, position = found
                if message is not None:
                    messages.append(message)
        self._rest = data[position:]
        return messages


def _text_message(data: bytes, start: int) -> tuple[Response | Request | None, int] | None:
    """One textual message and the offset behind it; None where it is not whole."""
    if data[start] in b"\r\n":  # a line end between messages means nothing
        return None, start + 1
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        if len(data) - start > _MAX_HEADER_BYTES or not data[start : start + 1].isalpha():
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
    if not text.isdecimal() or int(text) > _MAX_BODY_BYTES:
        raise SourceProtocolError("the device announces a message of impossible length.")
    return int(text)


def _message(first: str, headers: Headers, body: bytes) -> Response | Request:
    words = first.split(" ", 2)
    if words[0].startswith("RTSP/") and len(words) > 1 and words[1].isdecimal():
        return Response(status=int(words[1]), headers=headers, body=body)
    if len(words) == 3 and words[2].startswith("RTSP/"):
        return Request(method=words[0], headers=headers, body=body)
    raise SourceProtocolError("the device sends bytes that are not RTSP.")


def encode_request(method: str, uri: str, headers: dict[str, str]) -> bytes:
    """A request without a body."""
    lines = [f"{method} {uri} RTSP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def encode_answer(cseq: str, status: str) -> bytes:
    """An answer to a request of the device."""
    return f"RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n\r\n".encode("ascii", "replace")
