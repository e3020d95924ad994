"""Byte ranges as RFC 9110, section 14, has them."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect
from starlette.types import Message

from player_api.ranges import (
    BLOCK_BYTES,
    ByteRange,
    UnsatisfiableRange,
    read_range,
    requested_range,
    video_response,
)

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=500-999", 500, 1000),
        ("bytes=9500-", 9500, 10_000),
        ("bytes=-500", 9500, 10_000),
        ("bytes=-1", 9999, 10_000),
        ("bytes=0-", 0, 10_000),
        ("bytes=9999-9999", 9999, 10_000),
        ("bytes=9000-20000", 9000, 10_000),  # a last position behind the end means the end (14.1.2)
        ("bytes=-20000", 0, 10_000),  # a suffix longer than the whole means the whole (14.1.2)
        ("bytes=000-0499", 0, 500),
    ],
)
def test_a_range_is_what_the_standard_says(header: str, start: int, end: int) -> None:
    assert requested_range(header, 10_000) == ByteRange(start=start, end=end)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2,5-6",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes = 1-2",
        "items=0-5",
        "bytes=0x1-0x5",
        "bytes=+1-5",
    ],
)
def test_a_header_that_is_no_single_byte_range_is_ignored(header: str | None) -> None:
    assert requested_range(header, 10_000) is None


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=99999999-", "bytes=-0"])
def test_a_range_outside_the_file_is_refused_with_the_files_size(header: str) -> None:
    with pytest.raises(UnsatisfiableRange, match=r"^bytes \*/10000$"):
        requested_range(header, 10_000)


def test_a_range_that_ends_before_it_starts_is_never_served() -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_range("bytes=5-3", 10_000)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"])
def test_of_an_empty_file_no_range_can_be_served(header: str) -> None:
    with pytest.raises(UnsatisfiableRange, match=r"bytes \*/0"):
        requested_range(header, 0)


@pytest.mark.parametrize("header", ["bytes={}-", "bytes=0-{}", "bytes=-{}"])
def test_an_absurdly_long_number_does_not_bring_the_server_down(header: str) -> None:
    """Python refuses to read more than 4300 digits; a header has room for more."""
    try:
        wanted = requested_range(header.format("9" * 5000), 10_000)
    except UnsatisfiableRange:
        return
    assert wanted in (None, ByteRange(start=0, end=10_000))


@UNTIMED
@given(st.integers(0, 3000), st.integers(0, 3000) | st.none(), st.integers(0, 3000) | st.none())
def test_whatever_is_asked_for_lies_in_the_file(size: int, first: int | None, last: int | None) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        wanted = requested_range(header, size)
    except UnsatisfiableRange:
        return
    if wanted is not None:
        assert 0 <= wanted.start < wanted.end <= size


@UNTIMED
@given(st.data())
def test_exactly_the_bytes_of_the_range_are_read(data: st.DataObject) -> None:
    content = bytes(range(256)) * 3000
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start + 1, len(content)))
    file = io.BytesIO(content)
    blocks = list(read_range(file, ByteRange(start=start, end=end)))
    assert b"".join(blocks) == content[start:end]
    assert all(0 < len(block) <= BLOCK_BYTES for block in blocks)


def test_a_file_that_is_shorter_than_its_row_says_ends_instead_of_hanging() -> None:
    assert b"".join(read_range(io.BytesIO(b"abc"), ByteRange(start=1, end=99))) == b"bc"


@pytest.mark.parametrize("sent", [0, 1, 2, 9])
async def test_a_listener_who_leaves_at_any_point_leaves_no_open_file(sent: int) -> None:
    file = io.BytesIO(bytes(BLOCK_BYTES * 3))
    answer = video_response(lambda: file, BLOCK_BYTES * 3, "0" * 64, None)
    count = 0

    async def send(_message: Message) -> None:
        nonlocal count
        count += 1
        if count > sent:
            raise OSError("the listener is gone")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with suppress(ClientDisconnect):
        await answer({"type": "http", "method": "GET", "asgi": {"spec_version": "2.4"}}, receive, send)
    assert file.closed
