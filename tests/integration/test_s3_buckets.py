"""Kinds of buckets, with Ceph's gateway: how a key stays written once in each, and large uploads."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from catalog.objects import Retrying, verify
from catalog.objects.s3 import S3Store, open_s3
from catalog.objects.vendors import vendors
from kernel.clock import SECOND_US, FakeClock, SystemClock
from kernel.errors import JianzhengError, ObjectExists, ObjectLocked, SettingsError, StorageError
from kernel.settings import LockMode
from tests.contract.test_object_store import Breaking, read, sha256
from tests.support.s3 import PART_BYTES, Gateway

CLOCK = SystemClock()
PARTS = bytes(range(256)) * (3 * PART_BYTES // 256) + b"end"


def store_in(gateway: Gateway, bucket: str, tmp_path: Path, **changed: Any) -> S3Store:
    return open_s3(f"s3://{bucket}/{tmp_path.name}", gateway.settings(**changed), CLOCK)


@pytest.fixture(scope="module", params=["without versioning", "with versioning", "locks by default"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bucket(kind: str, s3_gateway: Gateway) -> str:
    name = s3_gateway.make_bucket(versioning=kind == "with versioning", lock=kind == "locks by default")
    if kind == "locks by default":
        lock_by_default(s3_gateway, name)
    return name


def lock_by_default(gateway: Gateway, bucket: str) -> None:
    default = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 15}}
    gateway.client.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default}
    )


@pytest.fixture
def store(s3_gateway: Gateway, bucket: str, tmp_path: Path) -> S3Store:
    return store_in(s3_gateway, bucket, tmp_path)


@pytest.mark.parametrize("size", [300_000, len(PARTS)], ids=["small", "parts"])
def test_of_those_who_put_one_key_at_once_one_wins_and_its_bytes_are_read(store: S3Store, size: int) -> None:
    start, won, lost = threading.Barrier(4), [], []

    def put(number: int) -> None:
        source = io.BytesIO(bytes([number]) * size)
        start.wait()
        try:
            store.put("a/b", source)
            won.append(number)
        except JianzhengError as error:
            lost.append(error)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(4)))
    # Those who continue each other's upload may be told to try again; then they find the key taken.
    assert len(won) == 1
    assert all(isinstance(error, ObjectExists) or error.retryable for error in lost)
    verify(store, "a/b", size, sha256(bytes([won[0]]) * size))


def test_a_source_that_breaks_in_the_middle_of_an_upload_leaves_nothing(store: S3Store) -> None:
    class BreakingLate(Breaking):
        def __init__(self) -> None:
            io.BytesIO.__init__(self, PARTS)
            self._error = OSError(5, "Input/output error")
            self._reads = -1

    with pytest.raises(StorageError, match="Input/output error"):
        store.put("a", BreakingLate())
    assert list(store.list_keys()) == []
    assert store.put("a", io.BytesIO(PARTS)) == sha256(PARTS)


def uploads(gateway: Gateway, bucket: str, tmp_path: Path) -> list[Any]:
    found = gateway.client.list_multipart_uploads(Bucket=bucket, Prefix=f"{tmp_path.name}/")
    return list(found.get("Uploads", []))


def broken_off(gateway: Gateway, bucket: str, tmp_path: Path, *parts: bytes) -> None:
    """An upload as a crash leaves it."""
    where = {"Bucket": bucket, "Key": f"{tmp_path.name}/a"}
    upload = gateway.client.create_multipart_upload(**where)["UploadId"]
    for number, part in enumerate(parts, start=1):
        gateway.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)


@pytest.fixture(scope="module")
def versioned(s3_gateway: Gateway) -> str:
    return s3_gateway.make_bucket(versioning=True)


SAME, OTHER = PARTS[:PART_BYTES], bytes(PART_BYTES)


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        pytest.param((OTHER, OTHER), 1, id="of something else"),
        pytest.param((), 1, id="just begun"),
        pytest.param((SAME, OTHER, OTHER[1:]), 0, id="parts spoilt"),
        pytest.param((SAME, OTHER, OTHER, OTHER, OTHER), 0, id="longer"),
    ],
)
def test_an_upload_that_broke_off_gives_none_of_another_ones_bytes(
    s3_gateway: Gateway, versioned: str, tmp_path: Path, parts: tuple[bytes, ...], left: int
) -> None:
    """Ceph refuses to end an upload that has more parts than are named."""
    broken_off(s3_gateway, versioned, tmp_path, *parts)
    store = Retrying(store_in(s3_gateway, versioned, tmp_path), FakeClock(), attempts=2, pause_seconds=1)
    assert store.put("a", io.BytesIO(PARTS)) == sha256(PARTS)
    verify(store, "a", len(PARTS), sha256(PARTS))
    assert len(uploads(s3_gateway, versioned, tmp_path)) == left


def test_an_upload_that_another_ends_meanwhile_makes_no_second_object(
    s3_gateway: Gateway, versioned: str, tmp_path: Path
) -> None:
    store, other = (store_in(s3_gateway, versioned, tmp_path) for _ in range(2))

    class Overtaken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 2 * PART_BYTES:
                other.put("a", io.BytesIO(PARTS))
            return super().read(size)

    with pytest.raises(JianzhengError) as caught:
        store.put("a", Overtaken(PARTS))
    assert isinstance(caught.value, ObjectExists) or caught.value.retryable
    found = s3_gateway.client.list_object_versions(Bucket=versioned, Prefix=f"{tmp_path.name}/")
    assert len(found["Versions"]) == 1
    verify(store, "a", len(PARTS), sha256(PARTS))


def test_abandoned_uploads_are_cleared_after_a_time_and_others_are_not(
    s3_gateway: Gateway, versioned: str, tmp_path: Path
) -> None:
    store = store_in(s3_gateway, versioned, tmp_path)
    broken_off(s3_gateway, versioned, tmp_path, bytes(PART_BYTES))
    assert store.clear_abandoned(CLOCK.now_us() - 60 * SECOND_US) == 0
    assert len(uploads(s3_gateway, versioned, tmp_path)) == 1
    assert store.clear_abandoned(CLOCK.now_us() + 60 * SECOND_US) == 1
    assert uploads(s3_gateway, versioned, tmp_path) == []


def test_a_bucket_that_locks_by_default_keeps_what_is_put_and_is_proved_without_keeping_probes(
    s3_gateway: Gateway, tmp_path: Path
) -> None:
    bucket = s3_gateway.make_bucket(lock=True)
    lock_by_default(s3_gateway, bucket)
    store = store_in(s3_gateway, bucket, tmp_path)
    store.put("a", io.BytesIO(b"evidence"))
    said = store.protection()
    assert (said.object_lock, said.default_mode, said.default_days) == (True, LockMode.COMPLIANCE, 15 * 365)
    assert store.protection_of("a").mode is LockMode.COMPLIANCE
    with pytest.raises(ObjectLocked):
        store.destroy_forever("a")
    store.lock("a", CLOCK.now_us() + 3600 * SECOND_US)  # shorter, and governance: see Gateway.settings
    kept = store.protection_of("a")
    assert kept.mode is LockMode.COMPLIANCE
    later_us = (kept.until_us or 0) + 3600 * SECOND_US
    assert later_us > CLOCK.now_us() + 14 * 365 * 86_400 * SECOND_US
    store.lock("a", later_us)
    assert store.protection_of("a").mode is LockMode.COMPLIANCE
    assert (store.protection_of("a").until_us or 0) >= later_us
    proof = store.prove()
    assert (proof.written_once, proof.retention_held, proof.hold_held, proof.read_back) == (True,) * 4
    in_an_hour = CLOCK.now_us() + 3600 * SECOND_US
    probes = s3_gateway.client.list_object_versions(Bucket=bucket, Prefix=f"{tmp_path.name}/.incoming/")
    for one in probes.get("Versions", []):
        kept = s3_gateway.client.get_object_retention(
            Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"]
        )
        assert kept["Retention"]["RetainUntilDate"].timestamp() * SECOND_US < in_an_hour


def test_credentials_that_may_delete_nothing_prove_no_lock(s3_gateway: Gateway, tmp_path: Path) -> None:
    """A refusal that would have come without the lock as well says nothing about the lock."""
    bucket = s3_gateway.make_bucket(lock=True)
    refusal = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [refusal]})
    s3_gateway.client.put_bucket_policy(Bucket=bucket, Policy=policy)
    proof = store_in(s3_gateway, bucket, tmp_path).prove()
    assert (proof.written_once, proof.retention_held, proof.hold_held) == (True, None, None)


def test_a_rule_of_the_bucket_that_removes_objects_is_told(s3_gateway: Gateway, tmp_path: Path) -> None:
    bucket = s3_gateway.make_bucket(versioning=True)
    store = store_in(s3_gateway, bucket, tmp_path)
    assert store.protection().removed_by == ()
    on, off = ({"Status": status, "Filter": {"Prefix": ""}} for status in ("Enabled", "Disabled"))
    rules = [
        {"ID": "tidy", **on, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"ID": "asleep", **off, "Expiration": {"Days": 1}},
        {"ID": "parts", **on, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ]
    s3_gateway.client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": rules}
    )
    assert store.protection().removed_by == ("tidy",)


def test_a_bucket_that_is_not_known_to_refuse_a_taken_key_is_not_written_to(
    s3_gateway: Gateway, tmp_path: Path
) -> None:
    store = store_in(s3_gateway, s3_gateway.make_bucket(), tmp_path, vendor="")
    with pytest.raises(StorageError, match="has no versioning") as caught:
        store.put("a", io.BytesIO(b"x"))
    assert "versioning on" in caught.value.remedy
    assert list(store.list_keys()) == []


def test_of_a_vendor_of_whom_nothing_is_known_versioning_alone_keeps_a_key_written_once(
    s3_gateway: Gateway, versioned: str, tmp_path: Path
) -> None:
    store = store_in(s3_gateway, versioned, tmp_path, vendor="")
    store.put("a", io.BytesIO(b"first"))
    with pytest.raises(ObjectExists):
        store.put("a", io.BytesIO(b"second"))
    assert read(store, "a") == b"first"


def test_into_suspended_versioning_nothing_is_put_and_what_is_there_is_read(
    s3_gateway: Gateway, tmp_path: Path
) -> None:
    bucket = s3_gateway.make_bucket(versioning=True)
    store_in(s3_gateway, bucket, tmp_path).put("a", io.BytesIO(b"evidence"))
    s3_gateway.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    store = store_in(s3_gateway, bucket, tmp_path)
    with pytest.raises(StorageError, match="is suspended"):
        store.put("b", io.BytesIO(b"x"))
    s3_gateway.client.put_object(Bucket=bucket, Key=f"{tmp_path.name}/a", Body=b"another")
    assert read(store, "a") == b"evidence"
    assert list(store.list_keys()) == ["a"]
    assert not store.protection().versioning


def test_more_than_one_request_takes_is_refused_without_versioning(
    s3_gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(s3_gateway, s3_gateway.make_bucket(), tmp_path)
    small = replace(store._bucket.vendor, max_put_bytes=2 * PART_BYTES)
    monkeypatch.setattr(store, "_bucket", replace(store._bucket, vendor=small))
    with pytest.raises(StorageError, match="at once without versioning"):
        store.put("a", io.BytesIO(PARTS))
    assert list(store.list_keys()) == []


def test_a_long_list_comes_in_order_and_whole(s3_gateway: Gateway, versioned: str, tmp_path: Path) -> None:
    """More than a page of 1,000, some keys with several versions and some behind a delete marker."""
    names = sorted(f"{number % 7}/{number:05d}" for number in range(1100))
    where = {"Bucket": versioned}

    def put(name: str) -> None:
        s3_gateway.client.put_object(**where, Key=f"{tmp_path.name}/{name}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, names))
    for name in names[::100]:
        s3_gateway.client.put_object(**where, Key=f"{tmp_path.name}/{name}", Body=b"later")
        s3_gateway.client.delete_object(**where, Key=f"{tmp_path.name}/{name}")
    store = store_in(s3_gateway, versioned, tmp_path)
    assert list(store.list_keys()) == names
    assert list(store.list_keys("3/")) == [name for name in names if name.startswith("3/")]
    assert store.size(names[0]) == 0


# --- what stands in the file of vendors about Ceph was seen, and is seen again here


def refused(put: Any) -> bool:
    try:
        put()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    return False


def test_ceph_does_what_its_entry_says(s3_gateway: Gateway) -> None:
    client, bucket, said = s3_gateway.client, s3_gateway.make_bucket(), vendors()["ceph"]
    where = {"Bucket": bucket, "Key": "a"}
    client.put_object(**where, Body=b"1", IfNoneMatch="*")
    assert refused(lambda: client.put_object(**where, Body=b"2", IfNoneMatch="*")) is said.once_put
    upload = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"2")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}

    def complete() -> None:
        client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")

    assert refused(complete) is said.once_complete


def test_only_what_we_tried_is_said_to_be_checked() -> None:
    assert {name for name, one in vendors().items() if one.checked} == {"ceph"}
    with pytest.raises(SettingsError):
        open_s3("s3://b", Gateway(Path(), 1, 2).settings(vendor="nobody"), CLOCK)
