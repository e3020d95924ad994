"""Large objects in parts: an upload that broke off is found again, compared part by part, and continued.

An upload is taken up again if its first part is ours. Each part is compared by its MD5, which is its ETag,
and by its size. Nothing is visible under the key before the last request, and that request names every part,
so that two who continue one upload cannot mix their bytes: it is refused where a part is another one by then,
and an upload ends only once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from catalog.objects.s3_bucket import Bucket
from kernel.clock import SECOND_US
from kernel.errors import ObjectMissing, StorageError, StoreMisbehaves

MOST_PARTS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_AT_ONCE = 3
_MIB = 1 << 20
_Parts = dict[tuple[int, str, int], str]
"""ETags, as they are to be named again, by number, MD5 and size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What a put sent."""

    sha256: str  # of all bytes
    size_bytes: int
    version_id: str | None  # as the server called it; None in a bucket without versioning


def part_bytes_for(source: BinaryIO, usual: int) -> int:
    """Size of parts: larger than usual only where the source is known to need more than there may be."""
    if not source.seekable():
        return usual
    here = source.tell()
    left = source.seek(0, 2) - here
    source.seek(here)
    needed = -(-left // MOST_PARTS)
    return max(usual, -(-needed // _MIB) * _MIB)


def read_full(key: str, source: BinaryIO, size: int) -> bytes:
    """As many bytes as there are up to a size; a source may give fewer at a time.

    Raises:
        StorageError: the source cannot be read.
    """
    pieces, missing = [], size
    try:
        while missing and (piece := source.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
    except OSError as error:
        raise StorageError(
            f"{key} cannot be stored: {error}.", hint="Check the disk it is read from."
        ) from None
    return b"".join(pieces)


def md5_of(data: bytes) -> str:
    """What S3 calls a part or a small object by."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def put_parts(bucket: Bucket, key: str, first: bytes, source: BinaryIO, once: dict[str, str]) -> Stored:
    """Send an object in parts of the size of the first, continuing an upload that broke off.

    Args:
        once: what asks the server to refuse a key that is taken, where it heeds that.

    Raises:
        ObjectExists: the key was taken meanwhile.
        StorageError: the upload broke off; it is continued when the same is put again.
    """
    name = bucket.name_of(key)
    upload, kept = _continued(bucket, key, first) or (_begun(bucket, key, name), {})
    digest, size, sending = hashlib.sha256(), 0, list[Future[str]]()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, block in enumerate(_blocks(key, first, source), start=1):
            if number > _AT_ONCE:
                sending[-_AT_ONCE].result()  # so many parts are in memory, and no more
            digest.update(block)
            size += len(block)
            sending.append(pool.submit(_sent, bucket, key, upload, kept, number, block))
    sent = [{"PartNumber": number, "ETag": one.result()} for number, one in enumerate(sending, start=1)]
    if any(number > len(sent) for number, _, _ in kept):
        _abort_longer(bucket, key, upload)
    with bucket.errors(key):
        answer = bucket.client.complete_multipart_upload(
            Bucket=bucket.place.bucket,
            Key=name,
            UploadId=upload,
            MultipartUpload={"Parts": sent},
            **once,
        )
    return Stored(sha256=digest.hexdigest(), size_bytes=size, version_id=answer.get("VersionId"))


def _blocks(key: str, first: bytes, source: BinaryIO) -> Iterator[bytes]:
    block, number = first, 1
    while block:
        if number > MOST_PARTS:
            raise StorageError(f"{key} has more than {MOST_PARTS} parts.", hint="Raise store.part_bytes.")
        yield block
        block, number = read_full(key, source, len(first)), number + 1


def _begun(bucket: Bucket, key: str, name: str) -> str:
    with bucket.errors(key):
        answer = bucket.client.create_multipart_upload(Bucket=bucket.place.bucket, Key=name)
    return str(answer["UploadId"])


def _sent(bucket: Bucket, key: str, upload: str, kept: _Parts, number: int, block: bytes) -> str:
    """The ETag of a part, which is sent if it is not there."""
    if (there := kept.get((number, md5_of(block), len(block)))) is not None:
        return there
    with bucket.errors(key):
        answer = bucket.client.upload_part(
            Bucket=bucket.place.bucket,
            Key=bucket.name_of(key),
            UploadId=upload,
            PartNumber=number,
            Body=block,
        )
    etag = str(answer.get("ETag", ""))
    if bucket.vendor.part_etag_is_md5 and etag.strip('"') != md5_of(block):
        raise StoreMisbehaves(f"{bucket.place} stored part {number} of {key} as something else.")
    return etag


def _continued(bucket: Bucket, key: str, first: bytes) -> tuple[str, _Parts] | None:
    """An upload of that key that did not end and begins as ours does, with its parts."""
    if not bucket.vendor.part_etag_is_md5:
        return None
    name, ours = bucket.name_of(key), (1, md5_of(first), len(first))
    with bucket.errors(key):
        found = [str(one["UploadId"]) for one in uploads(bucket, name) if one["Key"] == name]
    for upload in found:
        parts = _parts_of(bucket, key, upload)
        if ours in parts:
            return upload, parts
    return None


def _parts_of(bucket: Bucket, key: str, upload: str) -> _Parts:
    """None where the upload ended meanwhile."""
    try:
        with bucket.errors(key):
            pages = bucket.client.get_paginator("list_parts").paginate(
                Bucket=bucket.place.bucket, Key=bucket.name_of(key), UploadId=upload
            )
            parts = [part for page in pages for part in page.get("Parts", [])]
    except (ObjectMissing, StoreMisbehaves):
        return {}
    return {(one["PartNumber"], one["ETag"].strip('"'), one["Size"]): one["ETag"] for one in parts}


def _abort_longer(bucket: Bucket, key: str, upload: str) -> NoReturn:
    """An upload with more parts was of something else after all; Ceph does not end it without them."""
    with bucket.errors(key):
        bucket.client.abort_multipart_upload(
            Bucket=bucket.place.bucket, Key=bucket.name_of(key), UploadId=upload
        )
    raise StoreMisbehaves(f"{bucket.place} kept parts of {key} that are not of it; it is sent anew.")


def uploads(bucket: Bucket, prefix: str) -> Iterator[Any]:
    """Uploads that began and did not end, of names with a prefix."""
    pages = bucket.client.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket.place.bucket, Prefix=prefix
    )
    for page in pages:
        yield from page.get("Uploads", [])


def abort_before(bucket: Bucket, before_us: int) -> int:
    """Remove uploads that began before a wall time; returns how many."""
    aborted = 0
    with bucket.errors("uploads"):
        for one in list(uploads(bucket, bucket.place.prefix)):
            if one["Initiated"].timestamp() * SECOND_US < before_us:
                bucket.client.abort_multipart_upload(
                    Bucket=bucket.place.bucket, Key=one["Key"], UploadId=one["UploadId"]
                )
                aborted += 1
    return aborted
