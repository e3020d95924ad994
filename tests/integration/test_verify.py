"""A package is tampered with in every way that its parts allow, and verifying names what was done.

Three who tamper: one who only changes files; one who writes all manifests anew but has no key; and one who
has the key, too, and signs again. Against the last one only the links between the files themselves help, and
what lies elsewhere: the original segments, the time stamp.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bagit
import pytest
import structlog
from typer.testing import CliRunner

from archiver import keeper
from archiver.file_facts import file_facts
from archiver.findings import Aspect, Findings, Silent
from archiver.package import PackageStep, make_package, write_json, write_tag_manifests
from archiver.told import ToldReceipt, read_told
from archiver.verify import Verification, verify_package
from archiver.verify_bag import bag_info
from archiver.verify_links import silent_times
from archiver.verify_proof import Trust
from cli.main import app
from kernel.clock import SECOND_US, FakeClock
from kernel.timerange import TimeRange
from tests.support.packages import CLOCK_US, MadePackage, make_archive
from tests.support.signing import signer

CLIPS = ("data/clips/room-cam-p1.mp4", "data/clips/screen-screen-p1.mp4")
RECEIPTS = tuple(f"{one.replace('clips', 'receipts')}.json" for one in CLIPS)
DOCUMENT = "data/catalogue.json"
CARD = ("data/card.html", "data/card.json")
ORIGINAL = "data/originals/cam-segment-cam-run-1-1.mp4"  # the one that is held
PAYLOAD = (*CLIPS, *RECEIPTS, ORIGINAL, DOCUMENT, *CARD)
TAGS = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest-sha512.txt")
TAG_MANIFESTS = ("tagmanifest-sha256.txt", "tagmanifest-sha512.txt")
PROOF = ("proof/statement.json", "proof/statement.sig", "proof/public-key.pem")
FILES = (*PAYLOAD, *TAGS, *TAG_MANIFESTS, *PROOF)
IDENTIFIER = "530602-A-1/P-O"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A copy of the package to be tampered with."""

    directory: Path
    made: MadePackage

    def verify(self, *, ring: bool = False, trusted: bool = True) -> Findings:
        asked = Verification(
            package=self.directory,
            trust=Trust(key=self.made.signer.key.public.id if trusted else ""),
            ring=self.made.ring if ring else None,
        )
        return verify_package(asked, Silent())

    def named(self, **how: bool) -> set[str]:
        return {one.name for one in self.verify(**how).faults}

    def aspects(self, **how: bool) -> set[Aspect]:
        return {one.aspect for one in self.verify(**how).faults}

    def remake_manifests(self) -> None:
        """What somebody without the key can do: all checksums fit again."""
        info = bag_info((self.directory / "bag-info.txt").read_bytes())
        info.pop("Payload-Oxum", None)
        make_package(PackageStep(directory=self.directory, info=info))
        write_tag_manifests(self.directory)

    def sign_again(self) -> None:
        """What somebody with the key can do: the signature fits again."""
        self.remake_manifests()
        self.made.signer.sign(self.directory, IDENTIFIER, self.directory.parent)

    def read(self, name: str) -> Any:
        return json.loads((self.directory / name).read_bytes())

    def write(self, name: str, content: Any) -> None:
        write_json(self.directory / name, content)


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The command sends log lines to a stream that is closed when it ends."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadePackage:
    return make_archive(tmp_path_factory.mktemp("made"))


@pytest.fixture
def package(tmp_path: Path, made: MadePackage) -> Package:
    shutil.copytree(made.directory, tmp_path / "v1")
    return Package(directory=tmp_path / "v1", made=made)


# --- a package as it was made


def test_a_package_as_it_was_made_is_verified_by_us_and_by_others(package: Package) -> None:
    found = package.verify(ring=True)
    assert found.faults == []
    assert found.notes == []
    assert set(found.checked) == set(Aspect) - {Aspect.TIME_STAMP}
    bag = bagit.Bag(str(package.directory))
    bag.validate()
    assert sorted(bag.algorithms) == ["sha256", "sha512"]


def test_these_are_all_files_of_a_package(package: Package) -> None:
    """A new kind of file must be tampered with here, too."""
    files = {
        one.relative_to(package.directory).as_posix() for one in package.directory.rglob("*") if one.is_file()
    }
    assert files == set(FILES)


def test_checksums_and_signature_can_be_verified_by_hand(package: Package) -> None:
    for command in (
        "sha256sum -c --quiet manifest-sha256.txt tagmanifest-sha256.txt",
        "sha512sum -c --quiet manifest-sha512.txt tagmanifest-sha512.txt",
        "openssl pkeyutl -verify -pubin -inkey proof/public-key.pem -rawin"
        " -in proof/statement.json -sigfile proof/statement.sig",
    ):
        subprocess.run(command.split(), cwd=package.directory, check=True, capture_output=True)
    command = f"openssl dgst -sm3 -r {CLIPS[0]}"
    told = subprocess.run(command.split(), cwd=package.directory, check=True, capture_output=True, text=True)
    assert told.stdout.split()[0] == package.read(RECEIPTS[0])["result"]["sm3"]


def test_a_held_segment_lies_in_the_package_as_it_was_recorded(package: Package) -> None:
    """Invariant 11: no word of ours is between the camera's bits and the chain."""
    [kept] = package.read(DOCUMENT)["originals"]["kept"]
    segment = next(one for one in package.read(DOCUMENT)["segments"] if one["id"] == kept["segment"])
    original = (package.directory / ORIGINAL).read_bytes()
    assert original == (package.made.ring / segment["path"]).read_bytes()
    assert hashlib.sha256(original).hexdigest() == segment["sha256"]
    assert kept["why"] == "held"


def test_another_segment_in_the_place_of_an_original_is_found_though_all_is_signed_again(
    package: Package,
) -> None:
    segment = package.read(DOCUMENT)["segments"][0]
    shutil.copyfile(package.made.ring / segment["path"], package.directory / ORIGINAL)
    package.sign_again()
    assert (package.aspects(), package.named()) == ({Aspect.ORIGINALS}, {ORIGINAL})


def test_an_original_that_the_document_does_not_name_is_found_though_all_is_signed_again(
    package: Package,
) -> None:
    more = "data/originals/more.mp4"
    shutil.copyfile(package.directory / ORIGINAL, package.directory / more)
    package.sign_again()
    assert (package.aspects(), package.named()) == ({Aspect.ORIGINALS}, {more})


# --- files changed, removed, renamed, added, swapped


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(package: Package, name: str) -> None:
    path = package.directory / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    named = package.named()
    assert named if name in TAG_MANIFESTS else name in named


@pytest.mark.parametrize("name", FILES)
def test_a_removed_file_is_named(package: Package, name: str) -> None:
    (package.directory / name).unlink()
    assert name in package.named()


@pytest.mark.parametrize("name", FILES)
def test_a_renamed_file_is_named_by_both_names(package: Package, name: str) -> None:
    other = f"{name}.bak"
    (package.directory / name).rename(package.directory / other)
    assert {name, other} <= package.named()


@pytest.mark.parametrize(
    "name", ["data/clips/other.mp4", "data/note.txt", "note.txt", "proof/note.txt", "more/note.txt"]
)
def test_an_added_file_is_named(package: Package, name: str) -> None:
    path = package.directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"more")
    assert name in package.named()


@pytest.mark.parametrize("pair", [CLIPS, RECEIPTS, TAGS[2:], TAG_MANIFESTS, PROOF[1:]])
def test_swapped_files_are_named(package: Package, pair: tuple[str, str]) -> None:
    swap(package, *pair)
    named = package.named()
    assert named if pair == TAG_MANIFESTS else set(pair) <= named


def swap(package: Package, one: str, other: str) -> None:
    first, second = package.directory / one, package.directory / other
    aside = package.directory / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def test_a_link_is_no_file(package: Package, tmp_path: Path) -> None:
    """What it points to could be exchanged afterwards."""
    path = package.directory / CLIPS[0]
    path.rename(tmp_path / "elsewhere.mp4")
    path.symlink_to(tmp_path / "elsewhere.mp4")
    assert CLIPS[0] in package.named()


def test_a_manifest_cannot_lead_out_of_the_package(package: Package) -> None:
    with (package.directory / "manifest-sha256.txt").open("a") as file:
        file.write(f"{'0' * 64}  data/../../secret\n")
    found = package.verify()
    assert any("makes no sense" in one.detail for one in found.faults)


def test_a_name_cannot_write_on_the_screen(package: Package) -> None:
    for name in ("\x1b[2Jverified", "line\nverified", b"\xff\xfe".decode("utf-8", "surrogateescape")):
        (package.directory / "data" / name).write_bytes(b"")
        found = package.verify()
        assert found.faults
        assert all(one.name.isprintable() and one.detail.isprintable() for one in found.faults)


# --- manifests written anew, without the key


def change_clip(package: Package) -> None:
    with (package.directory / CLIPS[0]).open("ab") as file:
        file.write(b"\0\0\0\x08free")


def remove_clip(package: Package) -> None:
    (package.directory / CLIPS[0]).unlink()
    (package.directory / RECEIPTS[0]).unlink()


def add_file(package: Package) -> None:
    (package.directory / "data/clips/more.mp4").write_bytes(b"more")


def rename_clip(package: Package) -> None:
    (package.directory / CLIPS[0]).rename(package.directory / "data/clips/room-cam-p2.mp4")


def swap_clips(package: Package) -> None:
    swap(package, *CLIPS)


def change_info(package: Package) -> None:
    path = package.directory / "bag-info.txt"
    path.write_text(path.read_text("utf-8").replace("2026-03-02", "2026-03-03"), "utf-8")


@pytest.mark.parametrize("tamper", [change_clip, remove_clip, add_file, rename_clip, swap_clips, change_info])
def test_manifests_written_anew_do_not_fit_what_was_signed(
    package: Package, tamper: Callable[[Package], None]
) -> None:
    tamper(package)
    package.remake_manifests()
    assert Aspect.TREE in package.aspects()


def test_a_statement_written_anew_does_not_fit_its_signature(package: Package) -> None:
    change_clip(package)
    signature = (package.directory / PROOF[1]).read_bytes()
    package.sign_again()
    (package.directory / PROOF[1]).write_bytes(signature)
    write_tag_manifests(package.directory)
    assert (Aspect.SIGNATURE, PROOF[1]) in {(one.aspect, one.name) for one in package.verify().faults}


@pytest.mark.parametrize("field", ["format", "identifier", "key", "leaves", "not_stamped", "root", "tsa"])
def test_each_field_of_the_statement_is_signed(package: Package, field: str) -> None:
    statement = package.read(PROOF[0])
    statement[field] = 99 if field == "leaves" else f"{statement[field]}0"
    text = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    (package.directory / PROOF[0]).write_text(text, "utf-8")
    write_tag_manifests(package.directory)
    assert Aspect.SIGNATURE in package.aspects()


def test_a_package_signed_by_another_key_is_named(package: Package, tmp_path: Path) -> None:
    """Who does not know the right key is told which one signed."""
    change_clip(package)
    package.remake_manifests()
    stranger = signer(tmp_path / "stranger", FakeClock(CLOCK_US))
    stranger.sign(package.directory, IDENTIFIER, tmp_path)
    assert (Aspect.SIGNATURE, PROOF[2]) in {(one.aspect, one.name) for one in package.verify().faults}
    told = [one.detail for one in package.verify(trusted=False).notes]
    assert any(stranger.key.public.id in one for one in told)


def test_a_package_without_its_proof_is_not_verified(package: Package) -> None:
    shutil.rmtree(package.directory / "proof")
    write_tag_manifests(package.directory)
    assert {Aspect.TREE, Aspect.SIGNATURE} <= package.aspects(trusted=False)


# --- signed again with the key: the links themselves


def test_signing_again_what_was_not_changed_is_no_fault(package: Package) -> None:
    package.sign_again()
    assert package.named(ring=True) == set()


@pytest.mark.parametrize("tamper", [change_clip, rename_clip, swap_clips, add_file])
def test_files_that_are_not_those_of_their_receipts_are_named(
    package: Package, tamper: Callable[[Package], None]
) -> None:
    tamper(package)
    package.sign_again()
    assert package.aspects() & {Aspect.RECEIPTS, Aspect.CONTENT}


def test_swapped_receipts_are_named(package: Package) -> None:
    swap(package, *RECEIPTS)
    package.sign_again()
    assert set(RECEIPTS) <= package.named()


@pytest.mark.parametrize("name", [*CLIPS, *RECEIPTS, DOCUMENT])
def test_a_file_that_is_missing_though_all_is_signed_is_named(package: Package, name: str) -> None:
    (package.directory / name).unlink()
    package.sign_again()
    assert package.named() & {name, name.replace("receipts", "clips").removesuffix(".json"), partner(name)}


def partner(name: str) -> str:
    return f"{name.replace('clips', 'receipts')}.json"


def test_a_clip_that_lost_file_and_receipt_is_told_of(package: Package) -> None:
    remove_clip(package)
    package.sign_again()
    assert any("footage and no file" in one.detail for one in package.verify().notes)


def scalars(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each text, number and truth value of a document."""
    if isinstance(value, dict):
        for key in value:
            yield from scalars(value[key], (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from scalars(one, (*path, number))
    elif value is not None:
        yield path


def bend(document: Any, path: tuple[str | int, ...]) -> None:
    """Change one value so that it keeps its kind."""
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = bent(document[path[-1]])


def bent(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1_000_000
    last = value[-1:]
    return value[:-1] + ("1" if last != "1" else "2") if value else "1"


SIGNED_ONLY_IN_RECEIPTS = (
    "encoder",
    "sound.digital_silence_only",
    "measured.kbit_per_second",
    "measured.frames_seen",
    "measured.undecodable_units",
    "measured.silence_added_us",
    "measured.sound_left_out_us",
    "measured.decoders",
    "measured.quality",
    "chunks.*.crf",
    "chunks.*.size_bytes",
    "chunks.*.fingerprints",  # below, against pictures
)
"""What was measured, and how it was encoded, cannot be computed again: the signature alone holds."""

SIGNED_ONLY_IN_DOCUMENT = (
    "budget_bytes",
    "principal",
    "events",
    "originals.kept.*.why",
    "project",
    "rooms",
    "seats",
    "sections",
    "session",
    "shown_projects",
    "sites",
    "sources",
    "tags",
    "venues",
    "seatings",
    "clips.*.revision",
    "segments.*.run",
    "segments.*.path",
    "segments.*.size_bytes",  # below, against the ring
    "segments.*.number",  # below, of neighbours
)
"""What the catalogue knew stands nowhere else in the package."""


def linked(content: Any, signed_only: tuple[str, ...]) -> list[tuple[str | int, ...]]:
    """The ways to all values that something else in the package bears out."""
    found = []
    for path in scalars(content):
        plain = ".".join("*" if isinstance(key, int) else key for key in path)
        if not any(plain == one or plain.startswith(f"{one}.") for one in signed_only):
            found.append(path)
    return found


def not_named(package: Package, name: str, signed_only: tuple[str, ...], wanted: set[Aspect]) -> list[str]:
    """Values of a document that can be changed without anybody noticing but by the signature."""
    original = (package.directory / name).read_bytes()
    found = []
    for path in linked(json.loads(original), signed_only):
        content = json.loads(original)
        bend(content, path)
        package.write(name, content)
        package.sign_again()
        if not package.aspects() & wanted:
            found.append(".".join(map(str, path)))
    return found


@pytest.mark.parametrize("name", RECEIPTS)
def test_each_value_of_a_receipt_is_borne_out_by_file_or_document(package: Package, name: str) -> None:
    wanted = {Aspect.RECEIPTS, Aspect.CONTENT}
    assert not_named(package, name, SIGNED_ONLY_IN_RECEIPTS, wanted) == []


def test_each_value_of_clips_and_segments_is_borne_out_by_receipts_and_chain(package: Package) -> None:
    wanted = {Aspect.DOCUMENT, Aspect.CHAIN, Aspect.ORIGINALS, Aspect.RECEIPTS}
    assert not_named(package, DOCUMENT, SIGNED_ONLY_IN_DOCUMENT, wanted) == []


def test_another_project_or_session_in_the_document_is_named(package: Package) -> None:
    for part, field in (("project", "project_code"), ("session", "id")):
        content = package.read(DOCUMENT)
        content[part][field] += "x"
        package.write(DOCUMENT, content)
        package.sign_again()
        assert Aspect.DOCUMENT in package.aspects()


def test_segments_in_another_order_of_the_chain_are_named(package: Package) -> None:
    content = package.read(DOCUMENT)
    camera = sorted(
        (one for one in content["segments"] if one["source"] == "cam"), key=lambda one: one["number"]
    )
    camera[1]["number"], camera[2]["number"] = camera[2]["number"], camera[1]["number"]
    package.write(DOCUMENT, content)
    package.sign_again()
    assert Aspect.CHAIN in package.aspects()


def test_a_slice_less_is_named(package: Package) -> None:
    """In both, receipt and document: the chunks were encoded from more."""
    receipt, content = package.read(RECEIPTS[0]), package.read(DOCUMENT)
    receipt["clip"]["slices"].pop()
    clip = next(one for one in content["clips"] if one["id"] == receipt["clip"]["id"])
    clip["slices"].pop()
    package.write(RECEIPTS[0], receipt)
    package.write(DOCUMENT, content)
    package.sign_again()
    assert {Aspect.DOCUMENT, Aspect.RECEIPTS} <= package.aspects()


def test_a_gap_that_is_hidden_is_named(package: Package) -> None:
    receipt, content = package.read(RECEIPTS[0]), package.read(DOCUMENT)
    clip = next(one for one in content["clips"] if one["id"] == receipt["clip"]["id"])
    assert clip["gaps"]
    clip["gaps"], receipt["clip"]["gaps"] = [], []
    package.write(RECEIPTS[0], receipt)
    package.write(DOCUMENT, content)
    package.sign_again()
    assert Aspect.DOCUMENT in package.aspects()


# --- pictures and originals


def bend_fingerprints(package: Package, side: int) -> None:
    """Say of every picture that it looked otherwise; one digit of 16 would be within the tolerance."""
    content = package.read(RECEIPTS[0])
    for chunk in content["chunks"]:
        for number, mark in enumerate(chunk["fingerprints"]):
            parts = mark.split()
            parts[side] = f"{int(parts[side], 16) ^ (2**64 - 1):016x}"
            chunk["fingerprints"][number] = " ".join(parts)
    package.write(RECEIPTS[0], content)
    package.sign_again()


def test_pictures_that_do_not_look_as_the_receipt_says_are_named(package: Package) -> None:
    bend_fingerprints(package, 2)
    assert package.aspects() == {Aspect.PICTURES}


def test_originals_that_do_not_look_as_the_receipt_says_are_named(package: Package) -> None:
    bend_fingerprints(package, 1)
    assert package.aspects() == set()
    assert package.aspects(ring=True) == {Aspect.RING}


def test_footage_that_was_used_and_shows_nothing_is_told_of(package: Package) -> None:
    """A lost minute must not hide between a file and its receipt."""
    receipt, _ = read_told(ToldReceipt, (package.directory / RECEIPTS[1]).read_bytes())
    facts = file_facts(package.directory / CLIPS[1])
    assert silent_times(facts, receipt) == []
    start_us = receipt.clip.wall.start_us
    half = replace(facts, shown=(TimeRange(start_us=start_us, end_us=start_us + 5 * SECOND_US),))
    (silent,) = silent_times(half, receipt)
    assert silent == TimeRange(start_us=start_us + 5 * SECOND_US, end_us=receipt.clip.wall.end_us)


def test_a_changed_original_is_named_and_one_that_was_moved_is_found(
    package: Package, tmp_path: Path
) -> None:
    ring = tmp_path / "ring"
    shutil.copytree(package.made.ring, ring)
    moved, damaged, removed = sorted((ring / "cam").glob("*.mp4"))[:3]
    moved.rename(ring / "renamed.mp4")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    removed.unlink()
    asked = Verification(package=package.directory, trust=Trust(), ring=ring)
    found = verify_package(asked, Silent())
    ids = {one["path"]: one["id"] for one in package.read(DOCUMENT)["segments"]}
    assert {one.name for one in found.faults} == {f"segment {ids[f'cam/{damaged.name}']}"}
    assert f"segment {ids[f'cam/{removed.name}']}" in {one.name for one in found.notes}


def test_whatever_lies_in_a_file_that_is_signed_verifying_goes_on(package: Package) -> None:
    """Somebody prepared it: neither a traceback nor a clean bill."""
    for name in (*CLIPS, *RECEIPTS, DOCUMENT):
        original = (package.directory / name).read_bytes()
        for content in (b"", b"\xff" * 64, original[: len(original) // 2], b"[" * 100_000, b"[]", b"{}"):
            (package.directory / name).write_bytes(content)
            package.sign_again()
            assert package.named()
        (package.directory / name).write_bytes(original)


# --- footage that was kept as it is


@pytest.fixture(scope="module")
def made_of_kept(tmp_path_factory: pytest.TempPathFactory) -> MadePackage:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper, "worth_copying", lambda weighed, _planned: frozenset(weighed))
        return make_archive(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def kept(tmp_path: Path, made_of_kept: MadePackage) -> Package:
    shutil.copytree(made_of_kept.directory, tmp_path / "v1")
    return Package(directory=tmp_path / "v1", made=made_of_kept)


def copied(content: Any) -> list[Any]:
    return [one["copied"] for one in content["chunks"] if "copied" in one]


def test_footage_that_was_kept_as_it_is_is_verified_bit_by_bit(kept: Package) -> None:
    assert copied(kept.read(RECEIPTS[0]))
    found = kept.verify(ring=True)
    assert found.faults == []
    assert found.notes == []


@pytest.mark.parametrize("field", ["units", "units_sha256"])
def test_other_units_than_the_receipt_says_are_named(kept: Package, field: str) -> None:
    content = kept.read(RECEIPTS[0])
    for one in copied(content):
        one[field] = bent(one[field])
    kept.write(RECEIPTS[0], content)
    kept.sign_again()
    assert kept.aspects() == {Aspect.CONTENT}
    assert kept.aspects(ring=True) == {Aspect.CONTENT, Aspect.RING}


def test_units_of_other_segments_are_named(kept: Package) -> None:
    content = kept.read(RECEIPTS[0])
    copied(content)[0]["segments"].reverse()
    kept.write(RECEIPTS[0], content)
    kept.sign_again()
    assert kept.aspects() == {Aspect.RECEIPTS}


# --- the command


def run(*arguments: object) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["verify", *map(str, arguments)])
    return told.exit_code, told.output


def test_the_command_tells_what_it_checked(package: Package) -> None:
    code, said = run(package.directory, "--ring", package.made.ring)
    assert code == 0
    assert "verified" in said
    assert package.made.signer.key.public.id in said  # nobody said whether to trust it


def test_the_command_names_what_fails(package: Package) -> None:
    change_clip(package)
    code, said = run(package.directory)
    assert code == 1
    assert CLIPS[0] in said
    assert "not verified" in said


def test_machines_get_one_line(package: Package) -> None:
    (package.directory / RECEIPTS[1]).unlink()
    code, said = run(package.directory, "--json")
    told = json.loads(said)
    assert (code, told["verified"]) == (1, False)
    assert RECEIPTS[1] in {one["name"] for one in told["faults"]}


def test_a_mistyped_package_is_no_package_that_fails(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "nothing")]).exception is not None


def test_one_file_can_be_proven_without_the_others(package: Package, tmp_path: Path) -> None:
    proof, alone = tmp_path / "clip.proof.json", tmp_path / "clip.mp4"
    assert run(package.directory, "--prove", CLIPS[1], "--to", proof)[0] == 0
    shutil.copyfile(package.directory / CLIPS[1], alone)
    shutil.rmtree(package.directory)
    code, said = run(alone, "--proof", proof)
    assert (code, "verified" in said) == (0, True)
    with alone.open("ab") as file:
        file.write(b"x")
    assert run(alone, "--proof", proof)[0] == 1


@pytest.mark.parametrize("damaged", [CLIPS[1], *PROOF])
def test_no_proof_is_written_of_what_is_not_proven(package: Package, tmp_path: Path, damaged: str) -> None:
    (package.directory / damaged).write_bytes(b"\xff")
    assert run(package.directory, "--prove", CLIPS[1], "--to", tmp_path / "clip.proof.json")[0] == 1
    assert run(package.directory, "--prove", "data/clips", "--to", tmp_path / "clip.proof.json")[0] == 1
    assert not (tmp_path / "clip.proof.json").exists()


@pytest.mark.parametrize("field", ["name", "sha256", "index", "path", "statement", "signature", "public_key"])
def test_each_field_of_a_proof_of_one_file_counts(package: Package, tmp_path: Path, field: str) -> None:
    proof = tmp_path / "clip.proof.json"
    run(package.directory, "--prove", CLIPS[1], "--to", proof)
    told = json.loads(proof.read_bytes())
    if field == "path":
        told["path"] = told["path"][:-1]
    elif field == "index":
        told["index"] -= 1
    elif field == "public_key":
        told[field] = told[field].replace("MCow", "MCox")
    else:
        told[field] = bent(told[field])
    proof.write_text(json.dumps(told))
    assert run(package.directory / CLIPS[1], "--proof", proof)[0] == 1


def test_the_recipe_of_the_design_document_verifies_a_package_and_finds_a_change(package: Package) -> None:
    text = (Path(__file__).parents[2] / "docs" / "design" / "archive-package.md").read_text("utf-8")
    recipe = text.split("```python\n")[1].split("```")[0]
    command = [sys.executable, "-W", "error::SyntaxWarning", "-c", recipe]
    told = subprocess.run(command, cwd=package.directory, check=False, capture_output=True, text=True)
    assert told.stdout == "all agree\n", told.stderr
    change_info(package)
    assert subprocess.run(command, cwd=package.directory, check=False, capture_output=True).returncode == 1
