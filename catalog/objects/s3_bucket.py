"""A bucket and the client that talks to it.

``boto3`` and not ``minio``: the latter sends ``If-None-Match`` as metadata, so that a taken key is
overwritten (invariant 9), and cannot read the retention dates of Ceph. Both were tried against Ceph 16.2.15.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from catalog.objects.s3_errors import translated
from catalog.objects.vendors import Vendor, vendor_of
from kernel.clock import SECOND_US, Clock
from kernel.errors import SettingsError, StorageError, StoreMisbehaves, StoreUnreachable
from kernel.settings import StoreSettings

_CONNECTIONS = 32
_PIECE_BYTES = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where in the world's buckets a store lies."""

    bucket: str
    prefix: str  # of every key; empty, or ends with a slash

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A bucket with all that is needed to talk to it."""

    client: Any  # of boto3
    place: Place
    options: StoreSettings
    vendor: Vendor
    clock: Clock

    def name_of(self, key: str) -> str:
        """The object's name in the bucket.

        Raises:
            StorageError: it would be longer than such a store takes.
        """
        name = self.place.prefix + key
        if len(name.encode()) > self.vendor.max_key_bytes:
            most = self.vendor.max_key_bytes
            raise StorageError(f"the key {key[:60]!r}... is longer than the {most} bytes of such a store.")
        return name

    def errors(self, what: str) -> AbstractContextManager[None]:
        """Translates what goes wrong inside; ``what`` is what is dealt with."""
        return translated(what, str(self.place), self.vendor)

    def body(self, what: str, answer: Any, size: int) -> bytes:
        """All of an answer's body, which must be of that size and come at a decent rate.

        A socket's time-out starts anew with every byte, so that it alone does not bound anything.
        """
        patience = self.options.read_seconds + size / self.options.slowest_bytes_per_second
        end_us = self.clock.monotonic_us() + round(patience * SECOND_US)
        pieces, got = [], 0
        # read1 gives what is there; read() of botocore's own body waits until it has all that was asked for
        while piece := answer["Body"]._raw_stream.read1(_PIECE_BYTES):
            pieces.append(piece)
            got += len(piece)
            if self.clock.monotonic_us() > end_us:
                answer["Body"].close()
                raise StoreUnreachable(f"{self.place} sends too slowly ({what}).")
            if got > size:
                break
        if got != size:
            raise StoreMisbehaves(f"{self.place} sent {got} bytes of {what} instead of {size}.")
        return b"".join(pieces)


def open_bucket(url: str, options: StoreSettings, clock: Clock) -> Bucket:
    """The bucket of ``s3://BUCKET/PREFIX``; nothing is asked of it yet.

    Raises:
        SettingsError: URL or settings cannot be used as written.
    """
    place, vendor = _place(url), vendor_of(options.vendor)
    if not options.access_key.get_secret_value() or not options.secret_key.get_secret_value():
        raise SettingsError(
            "store.access_key and store.secret_key are needed for store_url = s3://....",
            hint="Set JIANZHENG_STORE__ACCESS_KEY and JIANZHENG_STORE__SECRET_KEY in the environment.",
        )
    if options.ca_file is not None and not options.ca_file.is_file():
        raise SettingsError(f"store.ca_file {options.ca_file} is no file.")
    try:
        client = _client(options, vendor)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"store.endpoint or region cannot be used ({type(error).__name__}).") from None
    return Bucket(client=client, place=place, options=options, vendor=vendor, clock=clock)


def _place(url: str) -> Place:
    parts = urlsplit(url)
    if "@" in parts.netloc or ":" in parts.netloc:
        raise SettingsError(
            "store_url must not carry credentials or a host; it is s3://BUCKET/PREFIX.",
            hint="Put them in store.access_key, store.secret_key and store.endpoint.",
        )
    if not parts.netloc or parts.query or parts.fragment:
        raise SettingsError("store_url must be s3://BUCKET or s3://BUCKET/PREFIX.")
    path = parts.path.strip("/")
    return Place(bucket=parts.netloc, prefix=f"{path}/" if path else "")


def _client(options: StoreSettings, vendor: Vendor) -> Any:
    path_style = vendor.path_style if not options.addressing else options.addressing == "path"
    config = Config(
        connect_timeout=options.connect_seconds,
        read_timeout=options.read_seconds,
        retries={"total_max_attempts": 1},  # catalog.objects.retrying does that, by our clock
        max_pool_connections=_CONNECTIONS,
        signature_version="s3v4",
        s3={
            "addressing_style": "path" if path_style else "virtual",
            "payload_signing_enabled": True,  # the server refuses other bytes than those that we hashed
        },
        # Many servers do not know the newer checksum trailers, or take wrong ones without a word.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=options.endpoint.rstrip("/") or None,
        region_name=options.region,
        aws_access_key_id=options.access_key.get_secret_value(),
        aws_secret_access_key=options.secret_key.get_secret_value(),
        verify=str(options.ca_file) if options.ca_file else None,
        config=config,
    )
