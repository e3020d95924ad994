"""A server that lies, breaks off or dawdles, in front of Ceph's gateway: nothing wrong passes for right."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.objects import Retrying, verify
from catalog.objects.s3 import S3Store, open_s3
from kernel.clock import FakeClock, SystemClock
from kernel.errors import FixityError, ObjectMissing, StorageError, StoreMisbehaves, StoreUnreachable
from kernel.settings import StoreSettings
from tests.contract.test_object_store import read, sha256
from tests.support.lying_server import Answer, Asked, LyingServer, lying_server
from tests.support.s3 import PART_BYTES, Gateway

DATA = bytes(range(256)) * 4000
PARTS = bytes(range(256)) * (2 * PART_BYTES // 256) + b"end"


@pytest.fixture
def liar(s3_gateway: Gateway) -> Iterator[LyingServer]:
    with lying_server(s3_gateway.port) as server:
        yield server


@pytest.fixture(scope="module", params=["without versioning", "with versioning"])
def bucket(request: pytest.FixtureRequest, s3_gateway: Gateway) -> str:
    return s3_gateway.make_bucket(versioning=request.param == "with versioning")


@pytest.fixture
def settings(s3_gateway: Gateway, liar: LyingServer) -> StoreSettings:
    return s3_gateway.settings(endpoint=liar.endpoint, read_seconds=3, slowest_bytes_per_second=1 << 20)


@pytest.fixture
def store(bucket: str, settings: StoreSettings, tmp_path: Path) -> S3Store:
    return open_s3(f"s3://{bucket}/{tmp_path.name}", settings, SystemClock())


@pytest.fixture
def patient(store: S3Store) -> Retrying:
    return Retrying(store, FakeClock(), attempts=3, pause_seconds=1)


def of_data(asked: Asked, answer: Answer) -> bool:
    """Whether it is an answer with a piece of an object."""
    return asked.method == "GET" and answer.status == 206


def test_one_wrong_bit_on_the_way_back_is_found(store: S3Store, liar: LyingServer) -> None:
    store.put("a", io.BytesIO(DATA))

    def flip(asked: Asked, answer: Answer) -> None:
        if of_data(asked, answer):
            answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])

    liar.lie = flip
    with pytest.raises(FixityError, match=r"a has SHA-256 .* instead of"):
        verify(store, "a", len(DATA), sha256(DATA))


@pytest.mark.parametrize("data", [DATA, PARTS], ids=["small", "parts"])
def test_one_wrong_bit_on_the_way_there_is_refused_and_leaves_nothing(
    store: S3Store, liar: LyingServer, data: bytes
) -> None:
    liar.spoil = lambda asked: asked.body[:-1] + b"?" if asked.method == "PUT" else asked.body
    with pytest.raises(StoreMisbehaves, match="did not take a as it was sent"):
        store.put("a", io.BytesIO(data))
    assert list(store.list_keys()) == []


@pytest.mark.parametrize("data", [DATA, PARTS], ids=["small", "parts"])
def test_a_wrong_checksum_in_an_answer_is_no_success(store: S3Store, liar: LyingServer, data: bytes) -> None:
    def lie(asked: Asked, answer: Answer) -> None:
        if asked.method == "PUT":
            answer.headers = {**answer.headers, "ETag": '"' + "0" * 32 + '"'}

    liar.lie = lie
    with pytest.raises(StoreMisbehaves, match="as something else"):
        store.put("a", io.BytesIO(data))


def test_a_server_that_says_done_and_stores_nothing_is_found_out(store: S3Store, liar: LyingServer) -> None:
    etag = '"9dd4e461268c8034f5c8564e155c67a6"'  # MD5 of x

    def lie(asked: Asked, answer: Answer) -> None:
        if asked.method == "PUT":
            answer.headers = {"ETag": etag, "x-amz-version-id": "made-up"}

    liar.spoil, liar.lie = lambda asked: None if asked.method == "PUT" else asked.body, lie
    with pytest.raises(StoreMisbehaves, match="took a and does not have it"):
        store.put("a", io.BytesIO(b"x"))


@pytest.mark.parametrize("data", [DATA, PARTS], ids=["small", "parts"])
def test_an_error_after_storing_is_settled_by_what_is_there(
    patient: Retrying, liar: LyingServer, data: bytes
) -> None:
    errors = 0

    def fail_after(asked: Asked, answer: Answer) -> None:
        nonlocal errors
        last = asked.method == "POST" and "uploadId" in asked.path
        whole = asked.method == "PUT" and "uploadId" not in asked.path
        if (last or whole) and not errors:
            errors += 1
            answer.status, answer.body = 500, b""

    liar.lie = fail_after
    assert patient.put("a", io.BytesIO(data)) == sha256(data)
    assert errors == 1
    assert read(patient, "a") == data


def test_an_answer_that_breaks_off_is_asked_for_again(patient: Retrying, liar: LyingServer) -> None:
    patient.put("a", io.BytesIO(DATA))
    broken = 0

    def break_off(asked: Asked, answer: Answer) -> None:
        nonlocal broken
        if of_data(asked, answer) and broken < 2:
            broken += 1
            answer.headers["Content-Length"] = str(len(answer.body))
            answer.breaks_after = 1000

    liar.lie = break_off
    assert read(patient, "a") == DATA
    assert broken == 2


def shorter(asked: Asked, answer: Answer) -> None:
    if of_data(asked, answer):
        answer.body = answer.body[:-1]
        answer.headers = {**answer.headers, "Content-Length": str(len(answer.body))}


def whole_instead_of_range(asked: Asked, answer: Answer) -> None:
    if of_data(asked, answer):
        answer.status, answer.body, answer.headers = 200, DATA, {}


def another_range(asked: Asked, answer: Answer) -> None:
    if of_data(asked, answer):
        answer.headers = {**answer.headers, "Content-Range": f"bytes 1-9/{len(DATA)}"}


@pytest.mark.parametrize("lie", [shorter, whole_instead_of_range, another_range])
def test_what_is_not_the_range_that_was_asked_for_is_refused(
    store: S3Store, liar: LyingServer, lie: object
) -> None:
    store.put("a", io.BytesIO(DATA))
    liar.lie = lie  # type: ignore[assignment]
    with pytest.raises(StoreMisbehaves), store.open("a") as reader:
        reader.read()


def test_a_page_of_something_else_is_no_empty_list(store: S3Store, liar: LyingServer) -> None:
    def gibberish(asked: Asked, answer: Answer) -> None:
        answer.status, answer.body, answer.headers = 200, b"<html>Welcome to the hotel</ht", {}

    liar.lie = gibberish
    with pytest.raises(StorageError) as caught:
        list(store.list_keys())
    assert caught.value.retryable


def test_a_page_not_found_of_something_else_is_no_missing_object(store: S3Store, liar: LyingServer) -> None:
    """As a proxy answers that does not know the host: evidence must not be said to be gone."""
    store.put("a", io.BytesIO(DATA))

    def not_found(asked: Asked, answer: Answer) -> None:
        if asked.method == "GET":
            answer.status, answer.body, answer.headers = 404, b"<html>Nothing here</html>", {}

    liar.lie = not_found
    with pytest.raises(StoreMisbehaves, match="no object store"), store.open("a") as reader:
        reader.read()
    with pytest.raises(StoreMisbehaves, match="no object store"):
        list(store.list_keys())


def test_bytes_that_drip_are_given_up_though_no_single_one_is_late(store: S3Store, liar: LyingServer) -> None:
    store.put("a", io.BytesIO(DATA))

    def drip(asked: Asked, answer: Answer) -> None:
        if of_data(asked, answer):
            answer.bytes_per_second = 20_000

    liar.lie = drip
    with pytest.raises(StoreUnreachable, match="too slowly"), store.open("a") as reader:
        reader.read()


def test_a_server_that_is_slow_but_answers_in_time_is_waited_for(store: S3Store, liar: LyingServer) -> None:
    def dawdle(asked: Asked, answer: Answer) -> None:
        SystemClock().sleep(0.5)

    liar.lie = dawdle
    assert store.put("a", io.BytesIO(b"x")) == sha256(b"x")
    assert read(store, "a") == b"x"


def test_an_object_that_is_replaced_behind_our_back_is_never_read_mixed(
    store: S3Store, bucket: str, s3_gateway: Gateway, tmp_path: Path
) -> None:
    """With versioning nobody can replace it; without, a reader that began with the old one is told."""
    store.put("a", io.BytesIO(DATA))
    with store.open("a") as reader:
        head = reader.read(1000)
        s3_gateway.client.put_object(Bucket=bucket, Key=f"{tmp_path.name}/a", Body=bytes(len(DATA)))
        if store.versioned():
            assert head + reader.read() == DATA
            assert read(store, "a") == DATA
        else:
            with pytest.raises(FixityError, match="replaced while it was read"):
                reader.read()


def test_what_another_deletes_without_naming_a_version_is_still_read_and_listed(
    store: S3Store, bucket: str, s3_gateway: Gateway, tmp_path: Path
) -> None:
    store.put("a", io.BytesIO(DATA))
    s3_gateway.client.delete_object(Bucket=bucket, Key=f"{tmp_path.name}/a")
    if store.versioned():
        assert list(store.list_keys()) == ["a"]
        verify(store, "a", len(DATA), sha256(DATA))
    else:
        with pytest.raises(ObjectMissing):
            store.size("a")
