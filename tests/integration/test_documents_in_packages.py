"""Documents in packages, their session's or an addendum; archive numbers; cards; and verifying them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import bagit
import pytest

from archiver.addendum import ProjectFiler
from archiver.equipment import Tools
from archiver.findings import Aspect, Findings, Silent
from archiver.package import PackageStep, make_package, write_json, write_tag_manifests
from archiver.verify import Verification, verify_package
from archiver.verify_bag import bag_info
from archiver.verify_proof import Trust
from archiver.worker import Archiver
from catalog.archive_numbers import number_rule
from catalog.cards import project_card
from catalog.document_intake import Brought, DocumentIntake
from catalog.objects import MemoryStore
from cli.check import check_everything
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import StorageError
from kernel.model.archive import Archive
from kernel.model.document import Addendum, Document, DocumentKind
from tests.support import papers
from tests.support.packages import CLOCK_US, site
from tests.support.signing import signer

SHEET = papers.pdf(b"/Of /Session")
OF_PROJECT = papers.ofd()
LATE = papers.pdf(b"/Of /Later")
MINUTE_US = 60 * SECOND_US


@dataclass(frozen=True, kw_only=True)
class Filed:
    """A session archived with a document; then its project's two addenda."""

    store: Path
    key: str
    signer: Any
    archive: Archive
    addenda: tuple[Addendum, ...]
    documents: dict[str, Document]
    card: dict[str, Any]
    findings: list[object]  # of the check of everything
    too_early: Addendum | None


def bring(tools: Tools, content: bytes, name: str, session_id: str | None = None) -> Document:
    root = tools.work.parent / "incoming"
    intake = DocumentIntake(tools.catalogue, tools.store, tools.clock, root, 1 << 20, scan=lambda _path: None)
    brought = Brought(
        project_id="P",
        session_id=session_id,
        kind=DocumentKind.WITNESS_SHEET,
        name=name,
        principal="李娜",
    )
    with intake.stage() as staged:
        staged.write(content)
        return intake.take(brought, staged).document


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Filed:
    directory = tmp_path_factory.mktemp("filed")
    clock = FakeClock(CLOCK_US)
    own = signer(directory, clock)
    with site(directory, own, clock) as tools:
        filer = ProjectFiler(tools, number_rule(None), 10)
        documents = {
            "sheet": bring(tools, SHEET, "见证记录.pdf", "P-O"),
            "project": bring(tools, OF_PROJECT, "项目登记.ofd"),
        }
        assert filer.run_once() is None  # nothing is whole yet
        archive = Archiver(tools).run_once()
        assert archive is not None
        first = filer.run_once()
        documents["late"] = bring(tools, LATE, "补充.pdf", "P-O")
        too_early = filer.run_once()
        clock.advance(11 * 60)
        second = filer.run_once()
        assert first is not None and second is not None
        assert filer.run_once() is None
        card = project_card(tools.catalogue, "P", clock.now_us())
        assert card is not None
        findings, _, _ = check_everything(tools.catalogue, tools.store, tools.ring, directory / "keys")
    return Filed(
        store=directory / "store",
        key=own.key.public.id,
        signer=own,
        archive=archive,
        addenda=(first, second),
        documents=documents,
        card=card,
        findings=[one for one in findings if "store" in one.name],
        too_early=too_early,
    )


def verify(filed: Filed, package: Path) -> Findings:
    return verify_package(Verification(package=package, trust=Trust(key=filed.key)), Silent())


def in_package(package: Path) -> set[bytes]:
    return {one.read_bytes() for one in (package / "data" / "documents").glob("*")}


def test_a_document_of_a_session_goes_into_its_package(filed: Filed) -> None:
    package = filed.store / filed.archive.key_prefix
    assert in_package(package) == {SHEET}
    told = json.loads((package / "data/catalogue.json").read_bytes())["documents"]
    assert [(one["name"], one["sha256"]) for one in told] == [
        ("见证记录.pdf", filed.documents["sheet"].sha256)
    ]
    found = verify(filed, package)
    assert found.faults == []
    assert found.checked[Aspect.DOCUMENTS] == 2
    bagit.Bag(str(package)).validate()
    assert filed.archive.size_bytes <= filed.archive.budget_bytes


def test_what_comes_later_or_of_no_session_makes_addenda(filed: Filed) -> None:
    """Invariants 9 and 10."""
    first, second = filed.addenda
    assert in_package(filed.store / first.key_prefix) == {OF_PROJECT}
    assert in_package(filed.store / second.key_prefix) == {LATE}
    assert filed.too_early is None  # it waits for others
    for one in filed.addenda:
        found = verify(filed, filed.store / one.key_prefix)
        assert found.faults == []
        assert Aspect.RECEIPTS in found.not_checked
        bagit.Bag(str(filed.store / one.key_prefix)).validate()


def test_a_whole_file_gets_its_number_and_its_card_is_in_the_package(filed: Filed) -> None:
    package = filed.store / filed.addenda[0].key_prefix / "data"
    card = json.loads((package / "card.json").read_bytes())
    assert card["archive_number"] == "J001-LX·2026-D30-00001"
    assert "J001-LX·2026-D30-00001" in (package / "card.html").read_text("utf-8")
    told = json.loads((package / "addendum.json").read_bytes())
    assert [one["package"] for one in told["archives"]] == [filed.archive.key_prefix]
    manifest = filed.store / filed.archive.key_prefix / "manifest-sha256.txt"
    assert told["archives"][0]["manifest_sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()


FIELDS = (
    "file",
    "device",
    "start",
    "end",
    "clock_offset_us",
    "duration_us",
    "container",
    "codec",
    "width",
    "height",
    "fps",
    "bit_rate_kbps",
    "size_bytes",
    "sha256",
    "sm3",
    "parents_sha256",
    "encoder",
    "encoder_parameters",
    "gaps",
    "holds",
    "content_kind",
)


def test_a_card_has_all_fields_of_a_clip(filed: Filed) -> None:
    [session] = filed.card["sessions"]
    assert session["account"] and session["intake"]
    for clip in session["clips"]:
        assert [name for name in FIELDS if clip.get(name) is None] == []
    camera = next(one for one in session["clips"] if one["device"] == "cam")
    assert len(camera["parents_sha256"]) == 4
    assert (camera["audio_codec"], camera["channels"], camera["sample_rate_hz"]) == ("mp4a.40.2", 1, 16000)
    assert [gap["cause"] for gap in camera["gaps"]] == ["camera_lost"]


def test_every_object_is_known_to_the_check(filed: Filed) -> None:
    assert filed.findings == []


class Broken(MemoryStore):
    """Takes documents, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def put(self, key: str, source: BinaryIO) -> str:
        if not key.startswith("addenda/"):
            return super().put(key, source)
        self.asked += 1
        raise StorageError("it is full of something.")


def test_an_addendum_that_fails_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    clock, store = FakeClock(CLOCK_US), Broken()
    with site(tmp_path, signer(tmp_path, clock), clock) as made:
        tools = replace(made, store=store)
        assert Archiver(tools).run_once() is not None
        filer = ProjectFiler(tools, number_rule(None), 0)
        for seconds in (30, 60, 120):
            with pytest.raises(StorageError):
                filer.run_once()
            clock.advance(seconds - 1)
            assert filer.run_once() is None  # others may go on meanwhile
            clock.advance(1)
        assert store.asked == 3
        assert tools.catalogue.documents.addenda_of("P") == []
        tools = replace(tools, store=MemoryStore())
        assert ProjectFiler(tools, number_rule(None), 0).run_once() is not None


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A package to be tampered with."""

    directory: Path
    filed: Filed

    def sign_again(self) -> None:
        """As somebody who has the key."""
        info = bag_info((self.directory / "bag-info.txt").read_bytes())
        info.pop("Payload-Oxum", None)
        make_package(PackageStep(directory=self.directory, info=info))
        write_tag_manifests(self.directory)
        self.filed.signer.sign(self.directory, info["External-Identifier"], self.directory.parent)

    def aspects(self) -> set[Aspect]:
        return {one.aspect for one in verify(self.filed, self.directory).faults}


@pytest.fixture(params=["session", "addendum"])
def copy(request: pytest.FixtureRequest, filed: Filed, tmp_path: Path) -> Iterator[Copy]:
    prefix = filed.archive.key_prefix if request.param == "session" else filed.addenda[1].key_prefix
    shutil.copytree(filed.store / prefix, tmp_path / "package")
    yield Copy(directory=tmp_path / "package", filed=filed)


def test_a_document_that_was_changed_is_named(copy: Copy) -> None:
    [document] = (copy.directory / "data/documents").iterdir()
    document.write_bytes(document.read_bytes().replace(b"200", b"300"))
    assert Aspect.FILES in copy.aspects()
    copy.sign_again()
    assert copy.aspects() == {Aspect.DOCUMENTS}


@pytest.mark.parametrize("way", ["removed", "added", "renamed"])
def test_documents_and_their_list_must_agree(copy: Copy, way: str) -> None:
    [document] = (copy.directory / "data/documents").iterdir()
    if way == "added":
        (document.parent / "more.pdf").write_bytes(LATE)
    elif way == "removed":
        document.unlink()
    else:
        document.rename(document.with_name("other.pdf"))
    copy.sign_again()
    assert copy.aspects() == {Aspect.DOCUMENTS}


@pytest.mark.parametrize("field", ["sha256", "sm3", "size_bytes", "file"])
def test_each_value_of_a_document_is_borne_out_by_its_file(copy: Copy, field: str) -> None:
    name = next(
        one for one in ("catalogue.json", "addendum.json") if (copy.directory / "data" / one).exists()
    )
    told = json.loads((copy.directory / "data" / name).read_bytes())
    old = told["documents"][0][field]
    told["documents"][0][field] = (
        old + 1 if isinstance(old, int) else f"{old[:-1]}{'0' if old[-1] != '0' else '1'}"
    )
    write_json(copy.directory / "data" / name, told)
    copy.sign_again()
    assert copy.aspects() == {Aspect.DOCUMENTS}


def test_a_card_of_another_file_in_an_addendum_is_named(filed: Filed, tmp_path: Path) -> None:
    shutil.copytree(filed.store / filed.addenda[1].key_prefix, tmp_path / "package")
    copy = Copy(directory=tmp_path / "package", filed=filed)
    card = json.loads((copy.directory / "data/card.json").read_bytes())
    write_json(copy.directory / "data/card.json", {**card, "archive_number": "J001-LX·2026-D30-00002"})
    copy.sign_again()
    assert copy.aspects() == {Aspect.DOCUMENT}
