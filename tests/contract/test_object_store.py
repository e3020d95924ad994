"""What every object store must keep (invariants 9 and 10): one suite, every backend."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from catalog.objects import DirectoryStore, MemoryStore, ObjectStore, Retrying, open_store, verify
from kernel.clock import SECOND_US, FakeClock, SystemClock
from kernel.errors import (
    DiskFull,
    FixityError,
    JianzhengError,
    NotProtected,
    ObjectExists,
    ObjectLocked,
    ObjectMissing,
    SettingsError,
    StorageError,
    StoreUnreachable,
)
from kernel.settings import LockMode, StoreSettings
from tests.support.s3 import PART_BYTES, Gateway

CLOCK = SystemClock()  # a bucket's server has a clock of its own, which is this machine's
LOCAL: dict[str, Callable[[Path], ObjectStore]] = {
    "memory": lambda _: MemoryStore(),
    "memory that locks": lambda _: MemoryStore(CLOCK),
    "directory": lambda directory: DirectoryStore(directory / "store"),
    "retrying": lambda directory: Retrying(
        DirectoryStore(directory / "store"), FakeClock(), attempts=3, pause_seconds=1
    ),
}
BUCKETS: dict[str, dict[str, bool]] = {
    "bucket": {},
    "bucket with versioning": {"versioning": True},
    "bucket with object lock": {"lock": True},
}
ALL = [*LOCAL, *BUCKETS]
LOCKING = ["memory that locks", "bucket with object lock"]
LARGE = bytes(range(256)) * 8192 + b"end"  # 2 MiB and a bit: more than one block

BAD_KEYS = [
    "",
    "/absolute",
    "../outside",
    "a/../../outside",
    "a/..",
    "./a",
    "a/./b",
    "a//b",
    "a/",
    "a\\b",
    "a\0b",
    ".",
    "..",
]


@pytest.fixture(scope="session")
def buckets(s3_gateway: Gateway) -> dict[str, str]:
    """One of each kind."""
    return {kind: s3_gateway.make_bucket(**how) for kind, how in BUCKETS.items()}


def backend(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A new store: each test has a prefix of its own, with a space and Chinese in it."""
    if name in LOCAL:
        return LOCAL[name](tmp_path)
    gateway: Gateway = request.getfixturevalue("s3_gateway")
    bucket = request.getfixturevalue("buckets")[name]
    return open_store(f"s3://{bucket}/测试 {tmp_path.name}", tmp_path, gateway.settings())


@pytest.fixture(params=ALL)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return backend(request.param, request, tmp_path)


@pytest.fixture(params=[name for name in ALL if not name.startswith("memory")])
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Those that several threads and processes may use at once."""
    return backend(request.param, request, tmp_path)


@pytest.fixture(params=LOCKING)
def locking(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return backend(request.param, request, tmp_path)


@pytest.fixture(params=[name for name in ALL if name not in LOCKING])
def not_locking(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return backend(request.param, request, tmp_path)


@pytest.fixture(params=list(BUCKETS))
def in_bucket(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return backend(request.param, request, tmp_path)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(store: ObjectStore, key: str) -> bytes:
    with store.open(key) as reader:
        return reader.read()


class Breaking(io.BytesIO):
    """A source that gives a block and then fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__(LARGE)
        self._error = error
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > 1 or size is None or size < 0:
            raise self._error
        return super().read(size)


# --- every backend


SIZES = {
    "empty": b"",
    "one byte": b"x",
    "large": LARGE,
    "exactly a part": bytes(PART_BYTES),
    "parts": LARGE * 6,
}


@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
def test_what_was_put_is_read_back_with_its_size_and_hash(store: ObjectStore, data: bytes) -> None:
    assert store.put("a/b/c.mp4", io.BytesIO(data)) == sha256(data)
    assert store.size("a/b/c.mp4") == len(data)
    assert read(store, "a/b/c.mp4") == data
    verify(store, "a/b/c.mp4", len(data), sha256(data))


def test_a_source_is_stored_from_where_it_stands(store: ObjectStore) -> None:
    source = io.BytesIO(b"headerbody")
    source.seek(6)
    assert store.put("a", source) == sha256(b"body")
    assert read(store, "a") == b"body"


def test_putting_a_key_again_is_refused_and_leaves_the_old_bytes(store: ObjectStore) -> None:
    store.put("a/b", io.BytesIO(b"first"))
    with pytest.raises(ObjectExists, match="a/b"):
        store.put("a/b", io.BytesIO(b"second"))
    assert read(store, "a/b") == b"first"


def test_even_the_same_bytes_are_not_put_twice(store: ObjectStore) -> None:
    store.put("a", io.BytesIO(b"same"))
    with pytest.raises(ObjectExists):
        store.put("a", io.BytesIO(b"same"))
    assert list(store.list_keys()) == ["a"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_could_leave_the_store_or_mean_two_things_is_refused(
    store: ObjectStore, key: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    for use in (lambda: store.put(key, io.BytesIO(b"x")), lambda: store.size(key), lambda: store.open(key)):
        with pytest.raises(StorageError):
            use()
    assert list(store.list_keys()) == []
    assert sorted(tmp_path.rglob("*")) == before


def test_keys_of_people_are_kept_letter_for_letter(store: ObjectStore) -> None:
    keys = ["a b", "a%2Fb", "A", "a", "评标室/第1席.mp4", "x/.hidden", "x/..dots", "x/ends."]
    for key in keys:
        store.put(key, io.BytesIO(key.encode()))
    assert list(store.list_keys()) == sorted(keys)
    assert {key: read(store, key).decode() for key in keys} == {key: key for key in keys}


def test_a_store_has_no_key_that_can_be_put_but_is_not_listed(store: ObjectStore) -> None:
    """A check that lists the store would never find it."""
    for key in (".incoming/x", ".incoming"):
        try:
            store.put(key, io.BytesIO(b"x"))
        except ObjectExists:
            pytest.fail(f"{key} is not there, yet the store says that it is taken")
        except StorageError:
            continue
        assert key in list(store.list_keys())


def test_a_missing_object_is_named_whoever_asks(store: ObjectStore) -> None:
    store.put("a/b", io.BytesIO(b"x"))
    for key in ("none", "a", "a/b/c", "a/bb"):
        with pytest.raises(ObjectMissing, match=key):
            store.size(key)
        with pytest.raises(ObjectMissing, match=key):
            store.open(key)
        with pytest.raises(ObjectMissing, match=key):
            verify(store, key, 1, sha256(b"x"))


def test_keys_are_listed_in_order_and_by_prefix(store: ObjectStore) -> None:
    keys = ["b/1", "a/2", "a/10", "a-b/1", "a/1/x", "ab"]
    for key in keys:
        store.put(key, io.BytesIO(b"x"))
    assert list(store.list_keys()) == sorted(keys)
    assert list(store.list_keys("a/")) == ["a/1/x", "a/10", "a/2"]
    assert list(store.list_keys("a")) == ["a-b/1", "a/1/x", "a/10", "a/2", "ab"]
    assert list(store.list_keys("a/1")) == ["a/1/x", "a/10"]
    assert list(store.list_keys("c")) == []


@pytest.mark.parametrize(
    "prefix",
    [
        "none/",
        "none/x",
        "a/1/x",
        "a/1/x/",
        "ab/",
        "/a",
        "./a",
        "../",
        "a/../b",
        "a//",
        "//",
        "\0/x",
        "x" * 300 + "/",
    ],
)
def test_a_prefix_that_no_key_has_lists_nothing_and_one_that_is_a_key_lists_it(
    store: ObjectStore, tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "beside-the-store").write_bytes(b"x")
    keys = ["a/1/x", "ab", "b/1"]
    for key in keys:
        store.put(key, io.BytesIO(b"x"))
    assert list(store.list_keys(prefix)) == [key for key in keys if key.startswith(prefix)]


def test_a_listing_by_prefix_does_not_walk_the_whole_store(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("p/1/v1/a", "p/1/v2/a", "p/2/v1/a"):
        directory.put(key, io.BytesIO(b"x"))
    walked: list[str] = []
    scandir = os.scandir

    def watch(path: str) -> object:
        walked.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watch)
    assert list(directory.list_keys("p/1/v2/")) == ["p/1/v2/a"]
    assert walked == ["v2"]


def broken_disk(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("call", ["stat", "open"])
def test_a_disk_that_does_not_give_an_object_is_a_storage_error_not_a_missing_object(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    directory.put("a/b", io.BytesIO(b"x"))
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    monkeypatch.setattr(Path, call, broken_disk)
    use = {"stat": directory.size, "open": lambda key: verify(directory, key, 1, sha256(b"x"))}[call]
    with pytest.raises(StorageError, match=r"a/b cannot be read: .*Input/output error") as caught:
        use("a/b")
    assert not isinstance(caught.value, (ObjectMissing, FixityError))


def test_a_bad_sector_under_a_read_is_a_storage_error(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.put("a/b", io.BytesIO(b"x"))
    monkeypatch.setattr(directory, "open", lambda _: Breaking(OSError(errno.EIO, os.strerror(errno.EIO))))
    with pytest.raises(StorageError, match="a/b cannot be read"):
        verify(directory, "a/b", len(LARGE), sha256(LARGE))


def test_an_object_that_goes_between_look_and_read_is_missing(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    for use in (directory.size, directory.open):
        with pytest.raises(ObjectMissing):
            use("a/b")


def test_a_store_that_cannot_be_listed_says_so_instead_of_listing_less(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.put("a/b", io.BytesIO(b"x"))
    monkeypatch.setattr(os, "scandir", broken_disk)
    with pytest.raises(StorageError, match="cannot be listed"):
        list(directory.list_keys())


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), RuntimeError("the source broke")]
)
def test_a_source_that_breaks_while_it_is_read_leaves_nothing_under_the_key(
    store: ObjectStore, error: Exception
) -> None:
    with pytest.raises((StorageError, RuntimeError)):
        store.put("a/b", Breaking(error))
    assert list(store.list_keys()) == []
    with pytest.raises(ObjectMissing):
        store.size("a/b")
    store.put("a/b", io.BytesIO(b"again"))
    assert read(store, "a/b") == b"again"


def test_a_range_is_read_by_seeking(store: ObjectStore) -> None:
    store.put("a", io.BytesIO(LARGE))
    with store.open("a") as reader:
        assert reader.seek(1_000_003) == 1_000_003
        assert reader.read(17) == LARGE[1_000_003:1_000_020]
        reader.seek(-3, io.SEEK_END)
        assert reader.read(100) == b"end"
        reader.seek(0)
        assert reader.read(4) == LARGE[:4]


def test_two_readers_of_one_object_do_not_move_each_other(store: ObjectStore) -> None:
    store.put("a", io.BytesIO(b"0123456789"))
    with store.open("a") as one, store.open("a") as other:
        one.seek(5)
        assert (other.read(2), one.read(2)) == (b"01", b"56")


def test_a_difference_in_size_is_named_with_its_key(store: ObjectStore) -> None:
    store.put("a/b", io.BytesIO(b"12345"))
    with pytest.raises(FixityError, match=r"a/b has 5 bytes instead of 6"):
        verify(store, "a/b", 6, sha256(b"12345"))


def test_a_difference_in_a_single_bit_is_named_with_its_key(store: ObjectStore) -> None:
    store.put("a/b", io.BytesIO(b"12344"))
    with pytest.raises(
        FixityError, match=f"a/b has SHA-256 {sha256(b'12344')} instead of {sha256(b'12345')}"
    ):
        verify(store, "a/b", 5, sha256(b"12345"))


@pytest.mark.parametrize("key", ["长" * 90, "x" * 300], ids=["Chinese", "Latin"])
def test_a_key_that_a_backend_cannot_hold_is_refused_in_words(store: ObjectStore, key: str) -> None:
    try:
        store.put(key, io.BytesIO(b"x"))
    except StorageError:
        with pytest.raises(ObjectMissing):
            store.size(key)
    else:
        assert read(store, key) == b"x"


def test_of_those_who_put_one_key_at_once_exactly_one_wins(shared_store: ObjectStore) -> None:
    store = shared_store
    start = threading.Barrier(4)
    won: list[int] = []
    lost: list[JianzhengError] = []

    def put(number: int) -> None:
        source = io.BytesIO(bytes([number]) * 300_000)
        start.wait()
        try:
            store.put("a/b", source)
            won.append(number)
        except ObjectExists as error:
            lost.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 3)
    assert read(store, "a/b") == bytes([won[0]]) * 300_000


# --- directories


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def incoming(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "store" / ".incoming").iterdir())


def test_nothing_stays_in_the_waiting_room_whatever_happens(
    directory: DirectoryStore, tmp_path: Path
) -> None:
    directory.put("a", io.BytesIO(LARGE))
    with pytest.raises(ObjectExists):
        directory.put("a", io.BytesIO(LARGE))
    with pytest.raises(RuntimeError):
        directory.put("b", Breaking(RuntimeError("the source broke")))
    with pytest.raises(StorageError):
        directory.put("a/below-a-file", io.BytesIO(b"x"))
    assert incoming(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_so_and_leaves_nothing(
    directory: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="a/b was not stored") as caught:
        directory.put("a/b", io.BytesIO(b"x"))
    assert caught.value.retryable
    assert incoming(tmp_path) == []
    assert list(directory.list_keys()) == []


def test_another_fault_of_the_disk_is_a_storage_error(
    directory: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageError) as caught:
        directory.put("a/b", io.BytesIO(b"x"))
    assert not isinstance(caught.value, DiskFull)
    assert incoming(tmp_path) == []


def test_the_bytes_are_on_the_disk_before_the_key_exists(
    directory: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of invariant 1: write, fsync, name, fsync of the directory."""
    told: list[str] = []
    fsync, link = os.fsync, os.link

    def watch_fsync(handle: int) -> None:
        target = Path(f"/proc/self/fd/{handle}").resolve()
        told.append("directory" if target.is_dir() else "file")
        fsync(handle)

    def watch_link(source: Path, target: Path) -> None:
        told.append("name")
        link(source, target)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(os, "link", watch_link)
    directory.put("a/b", io.BytesIO(b"x"))
    assert told.index("file") < told.index("name")
    assert told[-1] == "directory"


def test_what_a_broken_off_attempt_left_is_not_listed(directory: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "store" / ".incoming" / "left-by-a-crash").write_bytes(b"half")
    assert list(directory.list_keys()) == []
    assert list(directory.list_keys(".")) == []


def test_a_store_that_is_opened_again_has_everything(directory: DirectoryStore, tmp_path: Path) -> None:
    directory.put("a/b", io.BytesIO(b"x"))
    again = open_store("", tmp_path / "store")
    assert read(again, "a/b") == b"x"
    by_url = open_store(f"file://{tmp_path / 'store'}", tmp_path / "elsewhere")
    assert list(by_url.list_keys()) == ["a/b"]


def test_a_directory_that_cannot_be_used_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="cannot be used"):
        DirectoryStore(tmp_path / "file")


def test_a_store_of_an_unknown_kind_is_named_without_its_credentials(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="kind ftp") as caught:
        open_store("ftp://key:hunter2@host/bucket", tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_source_may_give_less_than_it_is_asked_for(store: ObjectStore) -> None:
    class Dripping(io.RawIOBase):
        def __init__(self) -> None:
            self._left = io.BytesIO(b"0123456789")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            piece = self._left.read(min(3, len(buffer)))
            buffer[: len(piece)] = piece
            return len(piece)

    source: BinaryIO = Dripping()  # type: ignore[assignment]
    assert store.put("a", source) == sha256(b"0123456789")
    assert read(store, "a") == b"0123456789"


class Pipe(io.BytesIO):
    """A source that cannot tell how much is left."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
def test_a_source_of_unknown_size_is_stored_whole(store: ObjectStore, data: bytes) -> None:
    assert store.put("a", Pipe(data)) == sha256(data)
    verify(store, "a", len(data), sha256(data))


def test_ranges_of_a_large_object_are_read_in_any_order(store: ObjectStore) -> None:
    data = LARGE * 6
    store.put("a", io.BytesIO(data))
    with store.open("a") as reader:
        for start, size in [(11_000_000, 70_000), (0, 8), (5_242_870, 20), (5_242_890, 3_000_000), (8, 8)]:
            reader.seek(start)
            assert reader.read(size) == data[start : start + size]
        assert reader.seek(0, io.SEEK_END) == len(data)
        assert reader.read(1) == b""
        with pytest.raises((ValueError, OSError)):
            reader.seek(-1)


# --- what protects an object


def later(seconds: int) -> int:
    return CLOCK.now_us() + seconds * SECOND_US


def refused_to_delete(store: ObjectStore, key: str) -> bool:
    with pytest.raises(ObjectLocked, match=key):
        store.destroy_forever(key)
    return read(store, key) == b"evidence"


def test_a_locked_object_is_read_back_as_locked_and_cannot_be_deleted(locking: ObjectStore) -> None:
    locking.put("a/b", io.BytesIO(b"evidence"))
    assert locking.protection_of("a/b").until_us is None
    until_us = later(3600) // SECOND_US * SECOND_US
    locking.lock("a/b", until_us)
    assert locking.protection_of("a/b").until_us == until_us
    assert refused_to_delete(locking, "a/b")


def test_a_retention_is_prolonged_and_never_shortened(locking: ObjectStore) -> None:
    locking.put("a", io.BytesIO(b"evidence"))
    first, longer = later(3600), later(7200)
    locking.lock("a", first)
    locking.lock("a", longer)
    locking.lock("a", first)
    assert (locking.protection_of("a").until_us or 0) >= longer


def test_an_object_under_legal_hold_is_deleted_only_when_the_hold_is_off(locking: ObjectStore) -> None:
    locking.put("a/b", io.BytesIO(b"evidence"))
    locking.legal_hold("a/b", on=True)
    assert locking.protection_of("a/b").legal_hold
    assert refused_to_delete(locking, "a/b")
    locking.legal_hold("a/b", on=False)
    assert not locking.protection_of("a/b").legal_hold
    locking.destroy_forever("a/b")
    assert list(locking.list_keys()) == []


def test_the_end_of_a_retention_does_not_end_a_hold(locking: ObjectStore) -> None:
    locking.put("a", io.BytesIO(b"evidence"))
    locking.lock("a", later(1))
    locking.legal_hold("a", on=True)
    locking.lock("a", later(3600))
    locking.legal_hold("a", on=False)
    assert refused_to_delete(locking, "a")


def test_what_cannot_protect_says_so_instead_of_seeming_to(not_locking: ObjectStore) -> None:
    not_locking.put("a", io.BytesIO(b"evidence"))
    assert not not_locking.protection().object_lock
    with pytest.raises(NotProtected):
        not_locking.lock("a", later(3600))
    with pytest.raises(NotProtected):
        not_locking.legal_hold("a", on=True)
    found = not_locking.protection_of("a")
    assert (found.mode, found.until_us, found.legal_hold) == (None, None, False)


def test_proof_says_what_was_seen_and_leaves_no_key(store: ObjectStore) -> None:
    proof = store.prove()
    assert proof.written_once
    assert proof.read_back
    held = True if store.protection().object_lock else None
    assert (proof.retention_held, proof.hold_held) == (held, held)
    assert list(store.list_keys()) == []


def test_governance_is_seen_to_be_bypassed_and_compliance_is_not(
    s3_gateway: Gateway, buckets: dict[str, str], tmp_path: Path
) -> None:
    """The peer's user owns the bucket, so that it has the right to bypass governance."""
    url = f"s3://{buckets['bucket with object lock']}/{tmp_path.name}"
    seen = {
        mode: open_store(url, tmp_path, s3_gateway.settings(lock_mode=mode)).prove().bypass_refused
        for mode in LockMode
    }
    assert seen == {LockMode.GOVERNANCE: False, LockMode.COMPLIANCE: True}


def test_disposal_leaves_nothing_under_the_key_and_touches_no_other(store: ObjectStore) -> None:
    for key in ("a/b", "a/bc", "a/c"):
        store.put(key, io.BytesIO(key.encode()))
    store.destroy_forever("a/b")
    assert list(store.list_keys()) == ["a/bc", "a/c"]
    for use in (store.size, store.open, store.destroy_forever):
        with pytest.raises(ObjectMissing):
            use("a/b")
    assert read(store, "a/bc") == b"a/bc"


# --- addresses


def get(url: str, span: str | None = None) -> tuple[int, bytes]:
    with urlopen(Request(url, headers={"Range": span} if span else {})) as answer:
        return answer.status, answer.read()


def test_an_address_gives_the_object_whole_and_by_range(in_bucket: ObjectStore) -> None:
    in_bucket.put("a b/评标.mp4", io.BytesIO(LARGE))
    url = in_bucket.presigned_url("a b/评标.mp4", 60)
    assert get(url) == (200, LARGE)
    assert get(url, "bytes=1000-1009") == (206, LARGE[1000:1010])


def test_an_address_ends(in_bucket: ObjectStore) -> None:
    in_bucket.put("a", io.BytesIO(b"x"))
    url = in_bucket.presigned_url("a", 1)
    CLOCK.sleep(2.5)
    with pytest.raises(HTTPError) as caught:
        get(url)
    assert caught.value.code == 403
    caught.value.close()


def test_who_gives_no_address_says_so(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.presigned_url("a", 60)
    store.put("a", io.BytesIO(b"x"))
    try:
        assert store.presigned_url("a", 60).startswith("http://127.0.0.1:")
    except StorageError as error:
        assert "gives no addresses" in error.message
    for seconds in (0, 10**9):
        with pytest.raises(StorageError):
            store.presigned_url("a", seconds)


# --- trying again


class Failing(MemoryStore):
    """A store whose next calls fail, before or after they did their work."""

    def __init__(self, *fails: str) -> None:
        super().__init__()
        self.fails = list(fails)

    def put(self, key: str, source: BinaryIO) -> str:
        fail = self.fails.pop(0) if self.fails else ""
        if fail == "before":
            raise StoreUnreachable("nothing answers.")
        if fail == "other":
            super().put(key, io.BytesIO(b"of another writer"))
            raise StoreUnreachable("the answer was lost.")
        digest = super().put(key, source)
        if fail == "after":
            raise StoreUnreachable("the answer was lost.")
        return digest


def trying(store: ObjectStore, clock: FakeClock) -> Retrying:
    return Retrying(store, clock, attempts=3, pause_seconds=1)


def test_what_fails_for_a_moment_is_put_again_from_where_the_source_stood() -> None:
    clock, inner = FakeClock(), Failing("before", "before")
    source = io.BytesIO(b"headerbody")
    source.seek(6)
    assert trying(inner, clock).put("a", source) == sha256(b"body")
    assert read(inner, "a") == b"body"
    assert clock.monotonic_us() == 3 * SECOND_US


def test_a_put_whose_answer_was_lost_is_settled_by_what_is_there() -> None:
    assert trying(Failing("after"), FakeClock()).put("a", io.BytesIO(b"x")) == sha256(b"x")


def test_a_lost_answer_does_not_make_another_ones_object_ours() -> None:
    inner = Failing("other")
    with pytest.raises(ObjectExists, match="something else"):
        trying(inner, FakeClock()).put("a", io.BytesIO(b"x"))
    assert read(inner, "a") == b"of another writer"


def test_what_no_attempt_can_help_is_told_at_once_and_the_rest_after_the_last_attempt() -> None:
    clock = FakeClock()
    store = trying(Failing("before", "before", "before", "before"), clock)
    with pytest.raises(ObjectMissing):
        store.size("a")
    assert clock.monotonic_us() == 0
    with pytest.raises(StoreUnreachable):
        store.put("a", io.BytesIO(b"x"))


def test_a_source_that_cannot_be_read_again_is_put_once() -> None:
    inner = Failing("before")
    with pytest.raises(StoreUnreachable):
        trying(inner, FakeClock()).put("a", Pipe(b"x"))
    assert list(inner.list_keys()) == []


def test_a_read_that_fails_half_way_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    class Limping(io.BytesIO):
        fails = 2

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000 and Limping.fails:
                Limping.fails -= 1
                self.seek(7)  # an error leaves it anywhere
                raise StoreUnreachable("it stopped answering.")
            return super().read(size)

    inner = MemoryStore()
    inner.put("a", io.BytesIO(LARGE))
    monkeypatch.setattr(inner, "open", lambda _: Limping(LARGE))
    verify(trying(inner, FakeClock()), "a", len(LARGE), sha256(LARGE))
    assert Limping.fails == 0


# --- settings


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("s3://key:hunter2@host/bucket", {}, "must not carry credentials"),
        ("s3://bucket:80/x", {}, "must not carry credentials or a host"),
        ("s3:///x", {}, "must be s3://BUCKET"),
        ("s3://bucket/x", {"access_key": "hunter2"}, "access_key and store.secret_key are needed"),
        ("s3://bucket", {"vendor": "hunter2"}, "store.vendor is none of generic, ceph"),
        ("s3://bucket", {"access_key": "a", "secret_key": "hunter2", "ca_file": "/none"}, "is no file"),
        ("s3://bucket", {"access_key": "a", "secret_key": "hunter2", "endpoint": "http://:x"}, "endpoint"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_value(
    tmp_path: Path, url: str, options: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        open_store(url, tmp_path, StoreSettings(**options))
    assert "hunter2" not in str(caught.value)


def test_without_the_extra_a_bucket_is_refused_in_words_and_all_else_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("catalog.objects.s3")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SettingsError, match="not installed") as caught:
        open_store("s3://bucket", tmp_path)
    assert "jianzheng[s3]" in caught.value.remedy
    assert open_store("", tmp_path).prove().written_once
