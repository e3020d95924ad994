"""Objects in a bucket of S3-compatible storage.

Invariant 9, "keys are never overwritten", also by two writers at once, is kept in one of two ways:

- In a bucket with versioning the *first* version of a key is the object. Nothing that comes later, neither
  another version nor a delete marker, from us or from anybody else, changes what is read. A writer who finds
  that its version is not the first has lost, and takes it away again.
- In a bucket without, the server must refuse the second (``If-None-Match: *``). Which servers do, and for
  which requests, is data (``vendors``). Where it does not, we do not write.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from catalog.objects.contract import INCOMING, ObjectProtection, Proof, Protection, check_key
from catalog.objects.readers import ranged_reader
from catalog.objects.s3_bucket import Bucket, open_bucket
from catalog.objects.s3_errors import code_of
from catalog.objects.s3_proof import prove
from catalog.objects.s3_upload import (
    Stored,
    abort_before,
    part_bytes_for,
    put_parts,
    read_full,
)
from kernel.clock import SECOND_US, Clock, from_datetime, to_datetime
from kernel.errors import (
    FixityError,
    NotProtected,
    ObjectExists,
    ObjectLocked,
    ObjectMissing,
    StorageError,
    StoreMisbehaves,
    StoreRefuses,
)
from kernel.settings import LockMode, StoreSettings

ONCE = {"IfNoneMatch": "*"}
_NO_LOCK = frozenset(
    {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "InvalidRequest"}
)
_NO_RULES = frozenset({"NoSuchLifecycleConfiguration"})
_NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed"})
_REMEMBERED = 4096
_LONGEST_URL_SECONDS = 7 * 24 * 3600  # SigV4's limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An object as it lies in the bucket."""

    name: str  # prefix and key
    size_bytes: int
    etag: str
    version_id: str | None  # of the first version; None without versioning

    @property
    def exactly(self) -> dict[str, str]:
        """What makes a request mean this object and no other that may come under its name."""
        return {"VersionId": self.version_id} if self.version_id else {"IfMatch": self.etag}


class S3Store:
    """Objects below a prefix of a bucket. Threads may share it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.clock = bucket.clock
        self._status: str | None = None  # of versioning, as the bucket says; asked at the first use
        self._seen: dict[str, Found] = {}  # first versions, by key: they are and stay the first

    # --- what rests there

    def put(self, key: str, source: BinaryIO) -> str:
        check_key(key)
        return self.put_protected(key, source, {}).sha256

    def put_protected(self, key: str, source: BinaryIO, protect: dict[str, Any]) -> Stored:
        """Like ``put``, of a key that was checked, with the retention that a request can ask for."""
        bucket = self._bucket
        self._refuse_unfit()
        if self._is_taken(key):
            raise ObjectExists(f"{key} exists; keys are never overwritten.")
        part_bytes = part_bytes_for(source, bucket.options.part_bytes)
        first = read_full(key, source, part_bytes)
        if len(first) < part_bytes:
            stored = self._put_small(key, first, protect)
        elif self.versioned() or bucket.vendor.once_complete:
            stored = put_parts(bucket, key, first, source, ONCE if bucket.vendor.once_complete else {})
        else:
            stored = self._put_in_one(key, first, source)
        self._settle(key, stored)
        return stored

    def _refuse_unfit(self) -> None:
        """Nothing is put where something else could take its place."""
        place = self._bucket.place
        if self._versioning() == "Suspended":
            raise StorageError(
                f"the versioning of {place} is suspended: what is put could be replaced.",
                hint="Turn it on again; what is there is read as before.",
            )
        if not self.versioned() and not self._bucket.vendor.once_put:
            raise StorageError(
                f"{place} has no versioning, and it is not known that it refuses a key that is taken.",
                hint="Turn the bucket's versioning on, or name its vendor as store.vendor.",
            )

    def _is_taken(self, key: str) -> bool:
        """A first look, which spares sending; it decides nothing."""
        try:
            self._head(key)
        except ObjectMissing:
            return False
        return True

    def _head(self, key: str) -> Any:
        with self._bucket.errors(key):
            return self._bucket.client.head_object(**self._named(key))

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket.place.bucket, "Key": self._bucket.name_of(key)}

    def _put_small(self, key: str, data: bytes, protect: dict[str, Any]) -> Stored:
        once = ONCE if self._bucket.vendor.once_put else {}
        md5 = hashlib.md5(data, usedforsecurity=False)
        with self._bucket.errors(key):
            answer = self._bucket.client.put_object(
                **self._named(key), Body=data, ContentMD5=_base64(md5.digest()), **once, **protect
            )
        self._compare(key, str(answer.get("ETag", "")), md5.hexdigest())
        return Stored(
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            version_id=answer.get("VersionId"),
        )

    def _put_in_one(self, key: str, first: bytes, source: BinaryIO) -> Stored:
        """One request, however large, where only that heeds the condition. From a copy: it is read twice."""
        digest, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with tempfile.TemporaryFile() as copy:
            block = first
            while block:
                digest.update(block)
                md5.update(block)
                size += copy.write(block)
                self._refuse_oversize(key, size)
                block = read_full(key, source, len(first))
            copy.seek(0)
            with self._bucket.errors(key):
                answer = self._bucket.client.put_object(
                    **self._named(key), Body=copy, ContentMD5=_base64(md5.digest()), **ONCE
                )
        self._compare(key, str(answer.get("ETag", "")), md5.hexdigest())
        return Stored(sha256=digest.hexdigest(), size_bytes=size, version_id=answer.get("VersionId"))

    def _refuse_oversize(self, key: str, size: int) -> None:
        if size > self._bucket.vendor.max_put_bytes:
            raise StorageError(
                f"{key} is larger than {self._bucket.vendor.max_put_bytes} bytes, the most that "
                f"{self._bucket.place} takes at once without versioning.",
                hint="Turn the bucket's versioning on: then it is sent in parts.",
            )

    def _compare(self, key: str, etag: str, md5: str) -> None:
        if self._bucket.vendor.part_etag_is_md5 and etag.strip('"') != md5:
            raise StoreMisbehaves(f"{self._bucket.place} stored {key} as something else.")

    def _settle(self, key: str, stored: Stored) -> None:
        """Look at what is there: of all versions of a key the first is the object, later ones have lost."""
        try:
            first = self.look(key)
        except ObjectMissing:
            raise StoreMisbehaves(f"{self._bucket.place} took {key} and does not have it.") from None
        if first.version_id != stored.version_id:
            self._withdraw(key, str(stored.version_id))
            raise ObjectExists(f"{key} exists; keys are never overwritten.")
        if first.size_bytes != stored.size_bytes:
            raise FixityError(f"{key} has {first.size_bytes} bytes instead of {stored.size_bytes}.")

    def _withdraw(self, key: str, version_id: str) -> None:
        """Take away a version that came too late; where the bucket locks every version it stays, unread."""
        try:
            with self._bucket.errors(key):
                self._bucket.client.delete_object(**self._named(key), VersionId=version_id)
        except StoreRefuses:
            return

    def size(self, key: str) -> int:
        return self._found(key).size_bytes

    def open(self, key: str) -> BinaryIO:
        check_key(key)
        found = self._seen.get(key) or self.look(key)
        return ranged_reader(lambda start, size: self.fetch(key, found, start, size), found.size_bytes)

    def fetch(self, key: str, found: Found, start: int, size: int) -> bytes:
        """A range of an object; all of it or an error."""
        bucket, span = self._bucket, f"bytes={start}-{start + size - 1}"
        try:
            with bucket.errors(key):
                answer = bucket.client.get_object(
                    Bucket=bucket.place.bucket, Key=found.name, Range=span, **found.exactly
                )
                expected = f"bytes {start}-{start + size - 1}/{found.size_bytes}"
                if answer.get("ContentRange") != expected:
                    answer["Body"].close()
                    raise StoreMisbehaves(f"{bucket.place} gives another range of {key} than asked for.")
                return bucket.body(key, answer, size)
        except ObjectMissing:
            self._seen.pop(key, None)
            raise
        except ObjectExists:  # what the condition on the ETag is called when one writes
            raise FixityError(f"{key} was replaced while it was read.") from None

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        bucket, cut = self._bucket, len(self._bucket.place.prefix)
        if "\0" in prefix or len((bucket.place.prefix + prefix).encode()) > bucket.vendor.max_key_bytes:
            return
        operation, field = (
            ("list_object_versions", "Versions") if self.versioned() else ("list_objects_v2", "Contents")
        )
        last = None
        with bucket.errors("the list of keys"):
            pages = bucket.client.get_paginator(operation).paginate(
                Bucket=bucket.place.bucket, Prefix=bucket.place.prefix + prefix
            )
            for page in pages:
                for one in page.get(field, []):
                    key = one["Key"][cut:]
                    if key != last and key.split("/")[0] != INCOMING:
                        yield key
                    last = key

    def presigned_url(self, key: str, seconds: int) -> str:
        if not 0 < seconds <= _LONGEST_URL_SECONDS:
            raise StorageError(f"an address is good for 1 to {_LONGEST_URL_SECONDS} s.")
        found = self._found(key)
        what = {"Bucket": self._bucket.place.bucket, "Key": found.name}
        if found.version_id:
            what["VersionId"] = found.version_id
        with self._bucket.errors(key):
            url = self._bucket.client.generate_presigned_url("get_object", Params=what, ExpiresIn=seconds)
        return str(url)

    def clear_abandoned(self, before_us: int) -> int:
        """Uploads that nobody took up, and probes of ``prove`` whose retention is over."""
        cleared = abort_before(self._bucket, before_us)
        for version in self._versions(self._bucket.place.prefix + INCOMING + "/"):
            if version["LastModified"].timestamp() * SECOND_US < before_us:
                cleared += self.delete_version(version["Key"], version["VersionId"])
        return cleared

    # --- what protects it

    def protection(self) -> Protection:
        lock = self._asked("get_object_lock_configuration", _NO_LOCK).get("ObjectLockConfiguration", {})
        default = lock.get("Rule", {}).get("DefaultRetention", {})
        rules = self._asked("get_bucket_lifecycle_configuration", _NO_RULES).get("Rules", [])
        return Protection(
            versioning=self._versioning() == "Enabled",
            object_lock=lock.get("ObjectLockEnabled") == "Enabled",
            default_mode=LockMode(default["Mode"].lower()) if "Mode" in default else None,
            default_days=default.get("Days") or 365 * default.get("Years", 0) or None,
            removed_by=tuple(str(rule.get("ID", "unnamed")) for rule in rules if _removes(rule)),
        )

    def _asked(self, operation: str, none: frozenset[str]) -> Any:
        """What the bucket says of itself; empty where it has nothing of the kind."""
        bucket = self._bucket
        with bucket.errors("the bucket's settings"):
            try:
                return getattr(bucket.client, operation)(Bucket=bucket.place.bucket)
            except ClientError as error:
                if code_of(error) in none | _NOT_OFFERED:
                    return {}
                raise

    def protection_of(self, key: str) -> ObjectProtection:
        return self._protection_of(key, self._found(key))

    def _protection_of(self, key: str, found: Found) -> ObjectProtection:
        retention = self._read_lock("get_object_retention", key, found).get("Retention", {})
        hold = self._read_lock("get_object_legal_hold", key, found).get("LegalHold", {})
        until = retention.get("RetainUntilDate")
        return ObjectProtection(
            mode=LockMode(retention["Mode"].lower()) if "Mode" in retention else None,
            until_us=None if until is None else from_datetime(until),
            legal_hold=hold.get("Status") == "ON",
        )

    def _read_lock(self, operation: str, key: str, found: Found) -> Any:
        bucket = self._bucket
        with bucket.errors(key):
            try:
                return getattr(bucket.client, operation)(**self._version(found))
            except ClientError as error:
                if code_of(error) in _NO_LOCK | _NOT_OFFERED:
                    return {}
                raise

    def lock(self, key: str, until_us: int) -> None:
        self.lock_found(key, self._found(key), until_us)

    def lock_found(self, key: str, found: Found, until_us: int) -> None:
        """The same of an object that was looked up."""
        before = self._protection_of(key, found)
        # Never less strict than it is, nor shorter.
        mode = self._bucket.options.lock_mode if before.mode is not LockMode.COMPLIANCE else before.mode
        if before.mode is mode and before.until_us is not None and before.until_us >= until_us:
            return
        until_us = max(until_us, before.until_us or until_us)
        retention = {"Mode": mode.upper(), "RetainUntilDate": whole_second(until_us)}
        self._write_lock("put_object_retention", key, found, Retention=retention)
        after = self._protection_of(key, found)
        if after.mode is not mode or after.until_us is None or after.until_us < until_us:
            raise NotProtected(f"{self._bucket.place} took the retention of {key}, but does not show it.")

    def shortly(self, seconds: int) -> dict[str, Any]:
        """What asks, with a put, for a retention of its own instead of the bucket's default."""
        mode = self._bucket.options.lock_mode
        until_us = self.clock.now_us() + seconds * SECOND_US
        return {"ObjectLockMode": mode.upper(), "ObjectLockRetainUntilDate": whole_second(until_us)}

    def legal_hold(self, key: str, on: bool) -> None:
        self.hold_found(key, self._found(key), on)

    def hold_found(self, key: str, found: Found, on: bool) -> None:
        """The same of an object that was looked up."""
        status = {"Status": "ON" if on else "OFF"}
        self._write_lock("put_object_legal_hold", key, found, LegalHold=status)
        if self._protection_of(key, found).legal_hold is not on:
            raise NotProtected(f"{self._bucket.place} took the hold of {key}, but does not show it.")

    def _write_lock(self, operation: str, key: str, found: Found, **what: Any) -> None:
        bucket = self._bucket
        with bucket.errors(key):
            try:
                getattr(bucket.client, operation)(**self._version(found), **what)
            except ClientError as error:
                if code_of(error) in _NO_LOCK | _NOT_OFFERED:
                    raise NotProtected(f"{bucket.place} was made without object lock.") from None
                raise

    def destroy_forever(self, key: str) -> None:
        """First what is asked of the server, then its answer: either may forbid it."""
        found = self._found(key)
        if self._protection_of(key, found).locked_at(self._bucket.clock.now_us()):
            raise ObjectLocked(f"{key} is locked and was not deleted.")
        self._seen.pop(key, None)
        for name, version_id in self.all_versions(found):
            if not self.delete_version(name, version_id):
                raise ObjectLocked(f"{self._bucket.place} refuses to delete {key}.")

    def all_versions(self, found: Found) -> list[tuple[str, str | None]]:
        """Newest first, markers with them, so that the object itself goes last."""
        if found.version_id is None:
            return [(found.name, None)]
        ours = [one for one in self._versions(found.name, markers=True) if one["Key"] == found.name]
        return [(found.name, one["VersionId"]) for one in ours if one["VersionId"] != found.version_id] + [
            (found.name, found.version_id)
        ]

    def delete_version(self, name: str, version_id: str | None, bypass: bool = False) -> bool:
        """Ask the server to delete; whether it did. For ``destroy_forever`` and for the proof only."""
        version = {"VersionId": version_id} if version_id else {}
        asked = {"BypassGovernanceRetention": True} if bypass else {}
        try:
            with self._bucket.errors(name):
                self._bucket.client.delete_object(
                    Bucket=self._bucket.place.bucket, Key=name, **version, **asked
                )
        except StoreRefuses:
            return False
        return True

    def prove(self) -> Proof:
        return prove(self)

    # --- how it is found

    def versioned(self) -> bool:
        """Whether the bucket has versions; asked once. One whose versioning was suspended has."""
        return self._versioning() in ("Enabled", "Suspended")

    def _versioning(self) -> str:
        if self._status is None:
            self._status = str(self._asked("get_bucket_versioning", frozenset()).get("Status", ""))
        return self._status

    def _found(self, key: str) -> Found:
        check_key(key)
        return self.look(key)

    def look(self, key: str) -> Found:
        """The object under a key that was checked.

        Raises:
            ObjectMissing: there is none.
        """
        name = self._bucket.name_of(key)
        if not self.versioned():
            answer = self._head(key)
            return Found(name=name, size_bytes=answer["ContentLength"], etag=answer["ETag"], version_id=None)
        first = None
        for one in self._versions(name):  # newest first
            if one["Key"] != name:
                break
            first = one
        if first is None:
            raise ObjectMissing(f"{key} is not in the store.")
        found = Found(name=name, size_bytes=first["Size"], etag=first["ETag"], version_id=first["VersionId"])
        self._remember(key, found)
        return found

    def _remember(self, key: str, found: Found) -> None:
        """Spares ``open`` a request: whoever plays a file opens it again and again."""
        if len(self._seen) >= _REMEMBERED:
            self._seen.pop(next(iter(self._seen)), None)
        self._seen[key] = found

    def _versions(self, prefix: str, markers: bool = False) -> Iterator[Any]:
        bucket = self._bucket
        if not self.versioned():
            return
        with bucket.errors(prefix.removeprefix(bucket.place.prefix)):
            pages = bucket.client.get_paginator("list_object_versions").paginate(
                Bucket=bucket.place.bucket, Prefix=prefix
            )
            for page in pages:
                yield from page.get("Versions", [])
                if markers:
                    yield from page.get("DeleteMarkers", [])

    def _version(self, found: Found) -> dict[str, str]:
        version = {"VersionId": found.version_id} if found.version_id else {}
        return {"Bucket": self._bucket.place.bucket, "Key": found.name, **version}


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _removes(rule: Any) -> bool:
    acts = {"Expiration", "NoncurrentVersionExpiration"}
    return rule.get("Status") == "Enabled" and not acts.isdisjoint(rule)


def whole_second(us: int) -> datetime:
    """The next whole second: some servers drop what is behind it, and it must not end too early."""
    return to_datetime(-(-us // SECOND_US) * SECOND_US)


def open_s3(url: str, options: StoreSettings, clock: Clock) -> S3Store:
    """The store of ``s3://BUCKET/PREFIX``; nothing is asked of it yet.

    Raises:
        SettingsError: URL or settings cannot be used as written.
    """
    return S3Store(open_bucket(url, options, clock))
