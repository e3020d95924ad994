"""One file with some fields, as ``multipart/form-data`` (RFC 7578), taken apart while it comes.

Starlette's own form parser puts a whole upload aside before anybody may say that it is too large.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

_MOST_FIELDS = 20
_MOST_FIELD_BYTES = 4096


class BadUpload(ValueError):
    """The body is no form with one file in it."""


class Upload:
    """Takes a body apart; the file's bytes are handed on as they come."""

    def __init__(self, content_type: str, on_file_data: Callable[[bytes], None]) -> None:
        """Raises: BadUpload: the body is no form."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise BadUpload("请求不是表单。The request is no multipart form.")
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._on_file_data = on_file_data
        self._header, self._value = b"", b""
        self._name, self._is_file, self._content = "", False, b""
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise BadUpload(f"表单有误。The form makes no sense: {error}.") from None

    async def read(self, stream: AsyncIterator[bytes]) -> None:
        """Take in the whole body.

        Raises:
            BadUpload: it makes no sense, ends too early, or has no file or more than one.
        """
        try:
            async for block in stream:
                self._parser.write(block)
        except FormParserError as error:
            raise BadUpload(f"表单有误。The form makes no sense: {error}.") from None
        if not self._ended:
            raise BadUpload("上传中断。The upload broke off.")
        if self.file_name is None:
            raise BadUpload("表单中没有文件。There is no file in the form.")

    def _begin(self) -> None:
        self._name, self._is_file, self._content = "", False, b""
        if len(self.fields) >= _MOST_FIELDS:
            raise BadUpload("表单字段过多。The form has too many fields.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        header, value = self._header.lower(), self._value
        self._header, self._value = b"", b""
        if header != b"content-disposition":
            return
        _, options = parse_options_header(value)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            if self.file_name is not None:
                raise BadUpload("一次只收一个文件。One file at a time.")
            self._is_file = True
            self.file_name = options[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._on_file_data(data[start:end])
            return
        self._content += data[start:end]
        if len(self._content) > _MOST_FIELD_BYTES:
            raise BadUpload("表单字段过长。A field of the form is too long.")

    def _end(self) -> None:
        if self._name and not self._is_file:
            self.fields[self._name] = self._content.decode("utf-8", "replace")

    def _finish(self) -> None:
        self._ended = True
