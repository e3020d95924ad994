"""What breaks in earnest: Ceph's gateway frozen, killed, full, its disk hung; wrong keys, clocks and so on.

Each becomes one of our errors with a remedy, within the time that the settings allow, and nothing that is
half stored is seen. Nothing is tried again by itself here: that is the contract's.
"""

from __future__ import annotations

import io
import logging
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from pydantic import SecretStr

from catalog.objects.s3 import S3Store, open_s3
from kernel.clock import SystemClock
from kernel.errors import (
    BucketMissing,
    ClocksDisagree,
    DiskFull,
    JianzhengError,
    StorageError,
    StoreCertificateRefused,
    StoreRefuses,
    StoreUnreachable,
)
from tests.contract.test_object_store import read, sha256
from tests.support.peers import free_port
from tests.support.s3 import PART_BYTES, SECRET, Gateway, own_gateway

QUICK: dict[str, Any] = {"connect_seconds": 2, "read_seconds": 2}
PARTS = bytes(range(256)) * (4 * PART_BYTES // 256) + b"end"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """One to break."""
    with own_gateway() as own:
        yield own


@pytest.fixture(scope="module")
def bucket(gateway: Gateway) -> str:
    return gateway.make_bucket(lock=True)


Opener = Callable[..., S3Store]


@pytest.fixture
def opened(gateway: Gateway, bucket: str, tmp_path: Path) -> Opener:
    """A store with settings of its own, that does not try again by itself."""

    def open_it(url: str = f"s3://{bucket}/{tmp_path.name}", **changed: Any) -> S3Store:
        return open_s3(url, gateway.settings(**{**QUICK, **changed}), SystemClock())

    return open_it


@contextmanager
def broken(gateway: Gateway, fault: str, remedy: str) -> Iterator[None]:
    gateway.do(fault)
    try:
        yield
    finally:
        gateway.do(remedy)


def uses(store: S3Store) -> dict[str, Callable[[], object]]:
    """Everything that the product asks of a store."""
    return {
        "put": lambda: store.put("new", io.BytesIO(b"x")),
        "size": lambda: store.size("old"),
        "read": lambda: read(store, "old"),
        "list": lambda: list(store.list_keys()),
        "lock": lambda: store.lock("old", SystemClock().now_us() + 60_000_000),
        "protection": store.protection,
    }


def refusals(store: S3Store, error: type[JianzhengError], names: tuple[str, ...] = ()) -> list[str]:
    """What each use says; each must fail so, with a remedy, and tell no secret."""
    said = []
    for name, use in uses(store).items():
        if not names or name in names:
            with pytest.raises(error) as caught:
                use()
            assert caught.value.remedy, name
            whole = "".join(traceback.format_exception(caught.value))
            assert SECRET not in whole
            assert "Signature" not in whole.replace("SignatureDoesNotMatch", "")
            said.append(caught.value.message)
    return said


def test_a_wrong_secret_is_a_refusal_that_tells_nothing(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    opened().put("old", io.BytesIO(b"x"))
    said = refusals(opened(secret_key=SecretStr("hunter2-wrong")), StoreRefuses)
    assert all("refuses these credentials" in one for one in said)
    refusals(opened(access_key=SecretStr("nobody"), secret_key=SecretStr("hunter2")), StoreRefuses)
    assert "hunter2" not in caplog.text


def test_a_user_without_rights_is_a_refusal(opened: Opener) -> None:
    refusals(opened(access_key="witnessaccessro", secret_key="witnesssecretro"), StoreRefuses)


def test_an_unknown_bucket_is_named(opened: Opener) -> None:
    said = refusals(opened("s3://no-such-bucket/x"), BucketMissing)
    assert all("s3://no-such-bucket/x/" in one for one in said)


def test_a_port_where_nothing_listens_is_said_so(opened: Opener) -> None:
    refusals(opened(endpoint=f"http://127.0.0.1:{free_port()}"), StoreUnreachable)


def test_a_host_that_nobody_knows_is_said_so(opened: Opener) -> None:
    refusals(opened(endpoint="http://no-such-host.invalid"), StoreUnreachable, ("size",))


def test_a_hung_gateway_is_given_up_in_time_and_all_goes_on_when_it_wakes(
    gateway: Gateway, opened: Opener
) -> None:
    store = opened()
    store.put("old", io.BytesIO(b"x"))
    with broken(gateway, "freeze", "thaw"):
        said = refusals(store, StoreUnreachable)
    assert all("in time" in one for one in said)
    assert read(store, "old") == b"x"


def test_a_hung_disk_behind_a_live_gateway_is_given_up_in_time(gateway: Gateway, opened: Opener) -> None:
    store = opened()
    store.put("old", io.BytesIO(b"x"))
    with broken(gateway, "osd-freeze", "osd-thaw"):
        refusals(store, StoreUnreachable, ("put", "read"))
    assert read(store, "old") == b"x"


def test_a_full_bucket_is_said_so_and_leaves_nothing(gateway: Gateway, opened: Opener) -> None:
    store = opened()
    with broken(gateway, "full", "unfull"):
        for data in (bytes(1_000_000), PARTS):
            with pytest.raises(DiskFull, match="is full") as caught:
                store.put("a", io.BytesIO(data))
            assert "more room" in caught.value.remedy
        assert list(store.list_keys()) == []
    store.put("a", io.BytesIO(b"x"))


class Interrupted(io.BytesIO):
    """A source that does something when so much of it was read."""

    def __init__(self, data: bytes, at: int, act: Callable[[], object]) -> None:
        super().__init__(data)
        self._at, self._act = at, act

    def read(self, size: int | None = -1, /) -> bytes:
        if self._at and self.tell() >= self._at:
            self._at = 0
            self._act()
        return super().read(size)


def parts_sent(store: S3Store) -> list[int]:
    """Numbers of the parts that are sent from now on."""
    sent: list[int] = []

    def note(params: Any, **_: object) -> None:
        sent.append(int(params["query_string"]["partNumber"]))

    store._bucket.client.meta.events.register("before-call.s3.UploadPart", note)
    return sent


def test_a_gateway_that_falls_in_the_middle_of_an_upload_is_sent_only_what_it_lacks(
    gateway: Gateway, opened: Opener
) -> None:
    store = opened()
    with pytest.raises(StorageError) as caught:
        store.put("a", Interrupted(PARTS, 4 * PART_BYTES, lambda: gateway.do("gw-kill")))
    gateway.do("gw-start")
    assert caught.value.retryable
    assert list(store.list_keys()) == []
    sent = parts_sent(store)
    assert store.put("a", io.BytesIO(PARTS)) == sha256(PARTS)
    assert 1 not in sent
    assert 5 in sent
    assert read(store, "a") == PARTS


@pytest.mark.parametrize("hours", [-1, 1])
def test_clocks_that_differ_are_named_as_such(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *a, **k: now(*a, **k) + timedelta(hours=hours)
    )
    with pytest.raises(ClocksDisagree, match="time of the request"):
        list(opened().list_keys())


def test_a_private_authority_is_trusted_when_it_is_named(gateway: Gateway, opened: Opener) -> None:
    store = opened(endpoint=gateway.secure_endpoint, ca_file=gateway.certificate)
    assert store.put("a", io.BytesIO(PARTS)) == sha256(PARTS)
    assert read(store, "a") == PARTS


def test_a_certificate_of_nobody_we_trust_is_refused(gateway: Gateway, opened: Opener) -> None:
    said = refusals(opened(endpoint=gateway.secure_endpoint), StoreCertificateRefused)
    assert all("certificate" in one for one in said)


def test_a_certificate_of_another_authority_is_refused(
    gateway: Gateway, opened: Opener, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    order = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout"
    subprocess.run([*order.split(), tmp_path / "key", "-out", other], check=True, capture_output=True)
    refusals(opened(endpoint=gateway.secure_endpoint, ca_file=other), StoreCertificateRefused, ("size",))
