"""Ceph's S3 gateway (``../shared/peers/s3/rgw.sh``): one for each run of tests, and others to break."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kernel.settings import StoreSettings
from tests.support.peers import REPOSITORY, missing

SCRIPT = REPOSITORY.parent / "shared" / "peers" / "s3" / "rgw.sh"
ACCESS, SECRET = "witnessaccess", "witnesssecret"
"""Of the peer's own user, whom nobody else knows."""
PART_BYTES = 5 << 20


@dataclass(frozen=True)
class Gateway:
    """A gateway with its disk behind it."""

    directory: Path
    port: int  # by http; https is the next one
    monitor_port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secure_endpoint(self) -> str:
        return f"https://localhost:{self.port + 1}"

    @property
    def certificate(self) -> Path:
        return self.directory / "tls.crt"

    def do(self, order: str) -> None:
        """An order of the script, such as ``freeze``."""
        environment = {
            **os.environ,
            "RGW_DIR": str(self.directory),
            "RGW_PORT": str(self.port),
            "RGW_MONPORT": str(self.monitor_port),
            "S3_ACCESS_KEY": ACCESS,
            "S3_SECRET_KEY": SECRET,
            "RGW_BYTES": "4G",
            "TLS": "1",
        }
        # Into a file: what the daemons inherit would keep a pipe open for ever.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run([SCRIPT, order], env=environment, stdout=said, stderr=said, check=False)
            said.seek(0)
            assert done.returncode == 0, f"rgw.sh {order}: {said.read().decode()}"

    def settings(self, **changed: Any) -> StoreSettings:
        """How to reach it, quick to give up."""
        usual: dict[str, Any] = {
            "endpoint": self.endpoint,
            "vendor": "ceph",
            "access_key": SecretStr(ACCESS),
            "secret_key": SecretStr(SECRET),
            "part_bytes": PART_BYTES,
            "lock_mode": "governance",
            "retry_seconds": 0.1,
        }
        return StoreSettings(**{**usual, **changed})

    @cached_property
    def client(self) -> Any:
        """Not through our own code: to make buckets, and to look behind its back."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def make_bucket(self, *, lock: bool = False, versioning: bool = False) -> str:
        """A new bucket; with object lock it has versioning, too."""
        name = f"jianzheng-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if versioning and not lock:
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name


def refuse_missing_ceph() -> None:
    """Skip, or fail in CI, where the gateway is not installed."""
    if not SCRIPT.is_file():
        missing("Ceph's gateway", f"{SCRIPT} is not there")
    if any(shutil.which(name) is None for name in ("radosgw", "ceph-mon", "ceph-osd")):
        missing("Ceph's gateway", "on Debian, apt install radosgw ceph-mon ceph-osd")


@contextmanager
def own_gateway() -> Iterator[Gateway]:
    """A gateway of one's own, to freeze, fill and kill."""
    refuse_missing_ceph()
    gateway = _started(Path(tempfile.mkdtemp(prefix="jianzheng-rgw-")))
    try:
        yield gateway
    finally:
        gateway.do("wipe")


@pytest.fixture(scope="session")
def s3_gateway() -> Iterator[Gateway]:
    """The one that all tests of a run share; the first to need it starts it, the last to end stops it.

    The processes of pytest-xdist know each other by the run's id, and agree by a lock.
    """
    refuse_missing_ceph()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone-{os.getpid()}"
    root = Path(tempfile.gettempdir()) / f"jianzheng-rgw-{run}"
    root.mkdir(exist_ok=True)
    user = root / f"user-{os.getpid()}"
    gateway = _joined(root, user)
    try:
        yield gateway
    finally:
        with _locked(root):
            user.unlink()
            if not list(root.glob("user-*")):
                gateway.do("wipe")
                (root / "started.json").unlink()


def _joined(root: Path, user: Path) -> Gateway:
    with _locked(root):
        started = root / "started.json"
        if started.exists():
            gateway = Gateway(root / "rgw", **json.loads(started.read_text()))
        else:
            gateway = _started(root / "rgw")
            ports = {"port": gateway.port, "monitor_port": gateway.monitor_port}
            started.write_text(json.dumps(ports))
        user.touch()
    return gateway


def _started(directory: Path) -> Gateway:
    """On a busy machine Ceph's monitor may come too late for what asks it first: then once more."""
    for _ in range(2):
        gateway = _on_free_ports(directory)
        try:
            gateway.do("start")
        except AssertionError:
            gateway.do("wipe")
        else:
            return gateway
    gateway = _on_free_ports(directory)
    gateway.do("start")
    return gateway


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with (root / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _on_free_ports(directory: Path) -> Gateway:
    """Three ports in a row that nobody uses now."""
    for _ in range(100):
        first = 20_000 + secrets.randbelow(20_000)
        try:
            with socket.socket() as one, socket.socket() as two, socket.socket() as three:
                for place, probe in enumerate((one, two, three)):
                    probe.bind(("127.0.0.1", first + place))
        except OSError:
            continue
        return Gateway(directory, first, first + 2)
    raise AssertionError("no three free ports in a row")
