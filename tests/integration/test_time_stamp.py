"""Packages stamped by an authority (``openssl ts`` on this machine), and what happens without it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from archiver.findings import Aspect, Findings, Silent
from archiver.package import PackageStep, make_package, write_json, write_tag_manifests
from archiver.proof import SIGNATURE, STATEMENT, TIME_STAMP
from archiver.signing import PackageSigner
from archiver.time_stamp import Authority, authority_of, read_certificates
from archiver.verify import Verification, verify_package
from archiver.verify_proof import Trust
from archiver.worker import Archiver
from cli.main import app
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import SettingsError, TimeStampUnavailable
from kernel.settings import ArchiveSettings
from tests.support.packages import CLOCK_US, site
from tests.support.signing import signer
from tests.support.tsa import TestAuthority, serving

HOUR_US = 3600 * SECOND_US


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The command sends log lines to a stream that is closed when it ends."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def tsa(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path / "tsa")


@pytest.fixture
def url(tsa: TestAuthority) -> Iterator[str]:
    with serving(tsa) as url:
        yield url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(CLOCK_US)


def stamping(tmp_path: Path, clock: FakeClock, url: str, trusted: Path | None = None) -> PackageSigner:
    certificates = read_certificates(trusted) if trusted else ()
    authority = Authority(url=url, seconds=10, certificates=certificates)
    return replace(signer(tmp_path, clock), authority=authority, wait_us=24 * HOUR_US)


def small_package(tmp_path: Path) -> Path:
    """A package of one file, ready to be signed."""
    directory = tmp_path / "package"
    shutil.rmtree(directory, ignore_errors=True)
    write_json(directory / "data" / "catalogue.json", {"tells": "nothing"})
    make_package(PackageStep(directory=directory, info={"External-Identifier": "P/S"}))
    return directory


def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir(exist_ok=True)
    return tmp_path / "notes"


def stamped_fault(directory: Path, *roots: Path) -> list[str]:
    trust = Trust(tsa=tuple(one for root in roots for one in read_certificates(root)))
    found = verify_package(Verification(package=directory, trust=trust), Silent())
    return [one.detail for one in found.faults if one.aspect is Aspect.TIME_STAMP]


def stamp_notes(findings: Findings) -> list[str]:
    return [one.detail for one in findings.notes if one.aspect is Aspect.TIME_STAMP]


def test_an_archive_waits_for_an_authority_that_is_down_and_goes_on_without_encoding_again(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    """Whoever looks at the session sees why; then from segments to the stamp, as we and openssl see it."""
    tsa.spoil = lambda answer: (503, b"")
    (tmp_path / "site").mkdir()
    with site(tmp_path / "site", stamping(tmp_path, clock, url, tsa.root), clock) as tools:
        archiver = Archiver(tools)
        with pytest.raises(TimeStampUnavailable):
            archiver.run_once()
        progress = tools.catalogue.archives.progress("P-O")
        assert progress is not None
        assert "HTTP status 503. The archive waits for it since" in progress.detail
        chunks = {path: path.stat().st_mtime_ns for path in tools.work.rglob("chunk-*.mp4")}
        assert chunks
        clock.advance(31)
        with pytest.raises(TimeStampUnavailable):
            archiver.run_once()
        assert chunks == {path: path.stat().st_mtime_ns for path in tools.work.rglob("chunk-*.mp4")}
        tsa.spoil = lambda answer: (200, answer)
        clock.advance(61)
        archive = archiver.run_once()
        assert archive is not None
    directory = tmp_path / "site" / "store" / archive.key_prefix
    trust = Trust(tsa=read_certificates(tsa.root))
    found = verify_package(Verification(package=directory, trust=trust), Silent())
    assert found.faults == []
    assert found.checked[Aspect.TIME_STAMP] == 1
    assert url in stamp_notes(found)[0]
    command = f"openssl ts -verify -data {SIGNATURE} -in {TIME_STAMP} -CAfile {tsa.root}"
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    told = CliRunner().invoke(app, ["verify", str(directory), "--tsa-cert", str(tsa.root)])
    assert told.exit_code == 0, told.output


def test_without_the_authoritys_root_a_reader_is_told_that_its_signature_was_not_checked(
    tmp_path: Path, url: str, clock: FakeClock
) -> None:
    directory = small_package(tmp_path)
    stamping(tmp_path, clock, url).sign(directory, "P/S", notes(tmp_path))
    found = verify_package(Verification(package=directory, trust=Trust()), Silent())
    assert "CN=Test TSA" in stamp_notes(found)[0]
    assert "not checked" in stamp_notes(found)[0]


def test_a_stamp_of_another_authority_is_named(tmp_path: Path, url: str, clock: FakeClock) -> None:
    directory = small_package(tmp_path)
    stamping(tmp_path, clock, url).sign(directory, "P/S", notes(tmp_path))
    other = TestAuthority(tmp_path / "other")
    (fault,) = stamped_fault(directory, other.root)
    assert "does not hold" in fault


def test_a_stamp_of_something_else_is_named(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    directory = small_package(tmp_path)
    stamping(tmp_path, clock, url).sign(directory, "P/S", notes(tmp_path))
    stamp = Authority(url=url, seconds=10).stamp(b"something else")
    (directory / TIME_STAMP).write_bytes(stamp)
    write_tag_manifests(directory)
    assert stamped_fault(directory, tsa.root) == ["it is for something else."]


def test_each_byte_of_a_stamp_counts(tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock) -> None:
    """With tag manifests written anew; bytes of the answer's frame that mean nothing are few."""
    directory = small_package(tmp_path)
    stamping(tmp_path, clock, url).sign(directory, "P/S", notes(tmp_path))
    stamp = (directory / TIME_STAMP).read_bytes()
    unnoticed = 0
    for place in range(0, len(stamp), 17):
        (directory / TIME_STAMP).write_bytes(stamp[:place] + bytes([stamp[place] ^ 1]) + stamp[place + 1 :])
        write_tag_manifests(directory)
        unnoticed += not stamped_fault(directory, tsa.root)
    # Certificates that come along are not signed by the stamp; the trusted root counts.
    assert unnoticed * 17 < len(stamp) // 2
    for content in (b"", b"nothing", stamp[:-1], stamp[: len(stamp) // 2]):
        (directory / TIME_STAMP).write_bytes(content)
        assert stamped_fault(directory, tsa.root)


def test_a_stamp_that_was_taken_away_is_named(tmp_path: Path, url: str, clock: FakeClock) -> None:
    """The signed statement says that there is one, whatever the tag manifests say."""
    directory = small_package(tmp_path)
    stamping(tmp_path, clock, url).sign(directory, "P/S", notes(tmp_path))
    (directory / TIME_STAMP).unlink()
    write_tag_manifests(directory)
    (fault,) = stamped_fault(directory)
    assert "it is missing" in fault


def test_who_asks_for_a_stamp_is_told_that_there_is_none(tmp_path: Path, tsa: TestAuthority) -> None:
    directory = small_package(tmp_path)
    signer(tmp_path, FakeClock()).sign(directory, "P/S", notes(tmp_path))
    (fault,) = stamped_fault(directory, tsa.root)
    assert "none was wanted" in fault


def test_a_stamp_is_asked_for_once_whatever_happens_after(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    """A package that is made again must be the same, or it would be stored under another version."""
    own = stamping(tmp_path, clock, url)
    stamps = []
    for _ in range(2):
        directory = small_package(tmp_path)
        own.sign(directory, "P/S", notes(tmp_path))
        stamps.append((directory / TIME_STAMP).read_bytes())
    assert stamps[0] == stamps[1]
    assert tsa.asked == 1


def test_a_stamp_that_was_spoilt_on_the_disk_is_asked_for_again(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    own = stamping(tmp_path, clock, url)
    own.sign(small_package(tmp_path), "P/S", notes(tmp_path))
    (kept,) = notes(tmp_path).glob("*.tsr")
    kept.write_bytes(b"")
    directory = small_package(tmp_path)
    own.sign(directory, "P/S", notes(tmp_path))
    assert stamped_fault(directory, tsa.root) == []
    assert tsa.asked == 2


# --- an authority that is down, or lies


def test_a_package_waits_for_an_authority_that_nobody_answers_at(
    tmp_path: Path, tsa: TestAuthority, clock: FakeClock
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/tsa"
        own = stamping(tmp_path, clock, url)
        with pytest.raises(TimeStampUnavailable, match=r"ConnectError.*waits for it since") as told:
            own.sign(small_package(tmp_path), "P/S", notes(tmp_path))
    assert url in told.value.message
    assert "signed without" in told.value.message
    assert told.value.retryable
    with serving(tsa) as up:
        directory = small_package(tmp_path)
        stamping(tmp_path, clock, up).sign(directory, "P/S", notes(tmp_path))
    assert stamped_fault(directory, tsa.root) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, b""), "HTTP status 500"),
        ((200, b""), "cannot be read"),
        ((200, b"<html>Welcome</html>"), "cannot be read"),
        ((200, bytes.fromhex("30053003020102")), "not granted"),
    ],
)
def test_what_is_no_stamp_is_not_taken_for_one(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock, answer: tuple[int, bytes], why: str
) -> None:
    tsa.spoil = lambda _: answer
    with pytest.raises(TimeStampUnavailable, match=why):
        stamping(tmp_path, clock, url).sign(small_package(tmp_path), "P/S", notes(tmp_path))


def test_a_stamp_for_another_request_is_not_taken(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    kept: list[bytes] = []

    def replay(answer: bytes) -> tuple[int, bytes]:
        kept.append(answer)
        return 200, kept[0]

    tsa.spoil = replay
    authority = Authority(url=url, seconds=10)
    authority.stamp(b"one")
    with pytest.raises(TimeStampUnavailable, match="another request"):
        authority.stamp(b"two")
    with pytest.raises(TimeStampUnavailable, match="another request"):
        authority.stamp(b"one")  # an old answer to the same question


def test_a_stamp_that_the_configured_root_does_not_bear_out_is_not_taken(
    tmp_path: Path, url: str, clock: FakeClock
) -> None:
    other = TestAuthority(tmp_path / "other")
    with pytest.raises(TimeStampUnavailable, match="does not hold"):
        stamping(tmp_path, clock, url, other.root).sign(small_package(tmp_path), "P/S", notes(tmp_path))


def test_after_the_longest_wait_an_archive_is_signed_without_and_says_why(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    """An archive that waits for ever may be lost to a full ring or a broken disk."""
    tsa.spoil = lambda _: (503, b"")
    own = stamping(tmp_path, clock, url)
    for _ in range(3):
        with pytest.raises(TimeStampUnavailable):
            own.sign(small_package(tmp_path), "P/S", notes(tmp_path))
        clock.advance(8 * 3600)
    directory = small_package(tmp_path)
    own.sign(directory, "P/S", notes(tmp_path))
    assert "not to be had in 24 hours" in json.loads((directory / STATEMENT).read_bytes())["not_stamped"]
    assert not (directory / TIME_STAMP).exists()
    found = verify_package(Verification(package=directory, trust=Trust()), Silent())
    assert "24 hours" in found.not_checked[Aspect.TIME_STAMP]
    assert Aspect.SIGNATURE not in {one.aspect for one in found.faults}


def test_it_waits_for_ever_where_that_is_wished(
    tmp_path: Path, tsa: TestAuthority, url: str, clock: FakeClock
) -> None:
    tsa.spoil = lambda _: (503, b"")
    own = replace(stamping(tmp_path, clock, url), wait_us=0)
    for _ in range(2):
        with pytest.raises(TimeStampUnavailable):
            own.sign(small_package(tmp_path), "P/S", notes(tmp_path))
        clock.advance(1000 * 3600)


# --- settings


@pytest.mark.parametrize("url", ["ftp://tsa", "tsa.example", "http://user:word@tsa.example/"])
def test_an_address_with_credentials_or_of_another_kind_is_refused(url: str) -> None:
    """Invariant 16: it stands in statements and messages."""
    with pytest.raises(ValueError, match="tsa_url"):
        ArchiveSettings(tsa_url=url)


def test_settings_name_authority_and_root(tmp_path: Path, tsa: TestAuthority) -> None:
    assert authority_of(ArchiveSettings()) is None
    made = authority_of(ArchiveSettings(tsa_url="http://tsa.example/", tsa_certificates=tsa.root))
    assert made is not None
    assert made.certificates == read_certificates(tsa.root)
    (tmp_path / "none.pem").write_text("nothing")
    for path in (tmp_path / "none.pem", tmp_path / "missing.pem"):
        with pytest.raises(SettingsError, match=path.name):
            authority_of(ArchiveSettings(tsa_url="http://tsa.example/", tsa_certificates=path))
