"""The recorder's key and what it signs."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from structlog.testing import capture_logs

from capture.checkpoints import Signer
from capture.recorder_key import PRIVATE_NAME, PUBLIC_NAME, recorder_key
from catalog.catalogue import Catalogue
from kernel.checkpoints import NO_STATEMENT, read_statement
from kernel.clock import FakeClock
from kernel.errors import CatalogError, FootageError, StorageError
from kernel.model.footage import ChainHead, Checkpoint
from tests.support.catalogue import add_segments, open_catalogue
from tests.unit.catalog.test_footage import segment


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path)
    yield made
    made.close()


def signer(tmp_path: Path, catalogue: Catalogue, clock: FakeClock | None = None) -> Signer:
    return Signer(tmp_path / "keys", catalogue.checkpoints, catalogue.footage, clock or FakeClock())


def record(catalogue: Catalogue, number: int, source: str = "cam") -> ChainHead:
    made = segment(number, number * 60, number * 60 + 60, source=source, run_id=f"run-{source}")
    add_segments(catalogue, [made], ended=False)
    return ChainHead(source_id=source, number=number + 1, chain=made.chain)


# --- the key


def test_the_key_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    made = recorder_key(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / PRIVATE_NAME).stat().st_mode) == 0o600
    content = (directory / PRIVATE_NAME).read_bytes()
    assert recorder_key(directory).public == made.public
    assert (directory / PRIVATE_NAME).read_bytes() == content
    assert sorted(one.name for one in directory.iterdir()) == [PRIVATE_NAME, PUBLIC_NAME]


def test_the_public_key_lies_beside_it_for_auditors(tmp_path: Path) -> None:
    made = recorder_key(tmp_path)
    public = load_pem_public_key((tmp_path / PUBLIC_NAME).read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    raw = public.public_bytes_raw()
    assert (raw.hex(), hashlib.sha256(raw).hexdigest()) == (made.public.public_key, made.public.id)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_damaged_key_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PRIVATE_NAME).write_bytes(content)
    with pytest.raises(StorageError, match="no Ed25519 key"):
        recorder_key(tmp_path)
    assert (tmp_path / PRIVATE_NAME).read_bytes() == content


def test_a_key_that_others_may_read_is_told_of(tmp_path: Path) -> None:
    recorder_key(tmp_path)
    (tmp_path / PRIVATE_NAME).chmod(0o644)
    with capture_logs() as logs:
        recorder_key(tmp_path)
    assert [one["action"] for one in logs] == ["key.open_to_others"]


# --- what is signed


def test_a_statement_names_new_heads_only_and_the_statement_before(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    clock = FakeClock()
    work = signer(tmp_path, catalogue, clock)
    cam, screen = record(catalogue, 0), record(catalogue, 0, "screen")
    first = work.run_once()
    clock.advance(60)
    newer = record(catalogue, 1)
    second, third = work.run_once(), work.run_once()
    told = [read_statement(one.statement) for one in (first, second, third)]
    assert [one.number for one in told] == [1, 2, 3]
    assert told[0].heads == {"cam": cam, "screen": screen}
    assert told[1].heads == {"cam": newer}
    assert told[2].heads == {}
    assert told[0].previous == NO_STATEMENT
    assert told[1].previous == hashlib.sha256(first.statement.encode()).hexdigest()
    assert told[1].at_us - told[0].at_us == 60_000_000
    whole = json.dumps(
        {"cam": [2, newer.chain], "screen": [1, screen.chain]}, separators=(",", ":"), sort_keys=True
    )
    assert told[1].all_heads == told[2].all_heads == hashlib.sha256(whole.encode()).hexdigest()


def test_the_signature_is_over_the_statements_bytes(tmp_path: Path, catalogue: Catalogue) -> None:
    record(catalogue, 0)
    made = signer(tmp_path, catalogue).run_once()
    public = load_pem_public_key((tmp_path / "keys" / PUBLIC_NAME).read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(bytes.fromhex(made.signature), made.statement.encode())


def test_a_signer_that_starts_again_names_all_heads_and_goes_on(tmp_path: Path, catalogue: Catalogue) -> None:
    head = record(catalogue, 0)
    first = signer(tmp_path, catalogue).run_once()
    again = read_statement(signer(tmp_path, catalogue).run_once().statement)
    assert (again.number, again.heads) == (2, {"cam": head})
    assert again.previous == hashlib.sha256(first.statement.encode()).hexdigest()


def test_a_new_key_goes_on_from_the_last_statement_of_the_key_before(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    record(catalogue, 0)
    work = signer(tmp_path, catalogue)
    work.run_once()
    last = work.run_once()
    (tmp_path / "keys" / PRIVATE_NAME).unlink()
    (tmp_path / "keys" / PUBLIC_NAME).unlink()
    after = read_statement(signer(tmp_path, catalogue).run_once().statement)
    assert (after.number, after.previous) == (1, hashlib.sha256(last.statement.encode()).hexdigest())
    assert len(catalogue.checkpoints.recorder_keys()) == 2


def test_what_the_catalogue_did_not_take_is_signed_again(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, head = signer(tmp_path, catalogue), record(catalogue, 0)

    def full(_checkpoint: Checkpoint) -> None:
        raise CatalogError("It is full.")

    with monkeypatch.context() as patched:
        patched.setattr(catalogue.checkpoints, "add", full)
        with pytest.raises(CatalogError):
            work.run_once()
    assert read_statement(work.run_once().statement).heads == {"cam": head}


def test_two_checkpoints_of_one_number_are_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    made = signer(tmp_path, catalogue).run_once()
    with pytest.raises(CatalogError):
        catalogue.checkpoints.add(made)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"key":1}', "[" * 100_000, "null"],
)
def test_what_is_no_statement_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(FootageError):
        read_statement(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (":1,", ": 1,"),
        ('"number":1', '"number":true'),
        ('"cam":[1,', '"cam":["1",'),
        ('"version":1', '"version":2'),
    ],
)
def test_a_statement_written_otherwise_is_refused(
    tmp_path: Path, catalogue: Catalogue, old: str, new: str
) -> None:
    record(catalogue, 0)
    text = signer(tmp_path, catalogue).run_once().statement
    assert old in text
    with pytest.raises(FootageError):
        read_statement(text.replace(old, new))
