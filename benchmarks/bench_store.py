"""What our object store costs over S3, against boto3's own plain client, on Ceph's gateway.

Ours writes once, looks at what is there afterwards, hashes what it sends, and reads in pieces that are each
checked and can be asked for again; the plain client does none of this. Both talk to the same gateway with its
disk in memory, in buckets of the same kind (object lock), in turns, and what is compared is the fastest turn
of each: other work on the machine only ever adds time. Both hash what they read with SHA-256, as a
verification does. Small objects are 64 KiB, large ones 64 MiB. "get" is by a store that has not seen the
object, "get again" by one that has.

Listing is of 10,000 keys in one bucket. Prints a table; the last line is one JSON object: MB/s of ours,
ratios of the rates (ours / plain), and the seconds of the list.

Needs radosgw, ceph-mon and ceph-osd, and ../shared/peers (see .ci/run).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))  # the gateway of the tests is started here, too

from catalog.objects import ObjectStore, open_store, sha256_of
from tests.support.s3 import Gateway, own_gateway

SMALL, SMALL_COUNT = 64 << 10, 60
LARGE = 64 << 20
KEYS = 10_000
TURNS = 3
_console = Console()


class Measured:
    """Both ways of doing the same thing, in turns; the fastest of each counts."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[float, float]] = {}  # seconds of ours and of the plain client

    def add(self, name: str, ours: Callable[[str], object], plain: Callable[[str], object]) -> None:
        times: dict[str, list[float]] = {"ours": [], "plain": []}
        for turn in range(TURNS):
            for who, work in (("ours", ours), ("plain", plain)):
                begun = time.monotonic()
                work(f"{name}/{who}/{turn}")
                times[who].append(time.monotonic() - begun)
        self.rows[name] = (min(times["ours"]), min(times["plain"]))

    def ratio(self, name: str) -> float:
        """Rate of ours over that of the plain client: 1 is equal, more is faster."""
        ours, plain = self.rows[name]
        return plain / ours


class Plain:
    """As the library does it by itself."""

    def __init__(self, gateway: Gateway, bucket: str) -> None:
        self._client: Any = gateway.client
        self._bucket = bucket

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    def put_large(self, key: str, data: bytes) -> None:
        self._client.upload_fileobj(io.BytesIO(data), self._bucket, key)

    def get(self, key: str) -> str:
        digest = hashlib.sha256()
        for piece in self._client.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(piece)
        return digest.hexdigest()

    def list_keys(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]


def main() -> None:
    """Measure on a gateway of our own."""
    with own_gateway() as gateway:
        bucket, listed = gateway.make_bucket(lock=True), gateway.make_bucket(lock=True)
        settings = gateway.settings(part_bytes=16 << 20)
        measured = Measured()
        transfers(measured, lambda: open_store(f"s3://{bucket}", Path(), settings), Plain(gateway, bucket))
        fill(gateway, listed)
        seconds = listing(measured, open_store(f"s3://{listed}", Path(), settings), Plain(gateway, listed))
    show(measured)
    small_mb, large_mb = SMALL * SMALL_COUNT / 1e6, LARGE / 1e6
    print(
        json.dumps(
            {
                "put_small_mb_per_s": round(small_mb / measured.rows["put small"][0], 1),
                "put_large_mb_per_s": round(large_mb / measured.rows["put large"][0], 1),
                "get_small_mb_per_s": round(small_mb / measured.rows["get small"][0], 1),
                "get_large_mb_per_s": round(large_mb / measured.rows["get large"][0], 1),
                **{
                    f"{name.replace(' ', '_')}_ratio": round(measured.ratio(name), 2)
                    for name in measured.rows
                },
                "list_10k_s": round(seconds, 2),
            }
        )
    )


def transfers(measured: Measured, opened: Callable[[], ObjectStore], plain: Plain) -> None:
    """Put and get, small and large."""
    small, large, store = os.urandom(SMALL), os.urandom(LARGE), opened()

    def many(put: Callable[[str, bytes], object]) -> Callable[[str], object]:
        return lambda key: [put(f"{key}/{number}", small) for number in range(SMALL_COUNT)]

    def read(store: ObjectStore, keys: Sequence[str]) -> None:
        for key in keys:
            with store.open(key) as reader:
                sha256_of(reader)

    def ours(key: str, data: bytes) -> str:
        return store.put(key, io.BytesIO(data))

    measured.add("put small", many(ours), many(plain.put))
    measured.add("put large", lambda key: ours(key, large), lambda key: plain.put_large(key, large))
    written = {"small": [f"put small/ours/0/{n}" for n in range(SMALL_COUNT)], "large": ["put large/ours/0"]}
    for size, keys in written.items():
        plainly = partial(lambda keys, _: [plain.get(key) for key in keys], keys)
        measured.add(f"get {size}", partial(lambda keys, _: read(opened(), keys), keys), plainly)
        measured.add(f"get {size} again", partial(lambda keys, _: read(store, keys), keys), plainly)


def fill(gateway: Gateway, bucket: str) -> None:
    """So many small objects, as the archives of a year would lie."""

    def put(number: int) -> None:
        key = f"archives/{number % 13:02d}/2026/{number % 12:02d}/{number:05d}/manifest"
        gateway.client.put_object(Bucket=bucket, Key=key, Body=b"x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(KEYS)))


def listing(measured: Measured, store: ObjectStore, plain: Plain) -> float:
    """The list of all, in order."""

    def ours(_: str) -> None:
        keys = list(store.list_keys())
        assert len(keys) == KEYS
        assert keys == sorted(keys)

    measured.add("list", ours, lambda _: plain.list_keys(""))
    return measured.rows["list"][0]


def show(measured: Measured) -> None:
    """The table."""
    table = Table("what", "ours, s", "boto3, s", "ratio of rates", box=None)
    for name, (ours, plain) in measured.rows.items():
        table.add_row(name, f"{ours:.2f}", f"{plain:.2f}", f"{measured.ratio(name):.2f}")
    _console.print(table)


if __name__ == "__main__":
    main()
