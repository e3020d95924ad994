"""Documents beside the video: what is taken in, what is refused, and what stays of both."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from catalog.catalogue import Catalogue
from catalog.document_intake import Brought, DocumentIntake, TakenIn, label_of
from catalog.file_types import recognised
from catalog.four_check import virus_scan
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import DocumentRefused, FixityError
from kernel.model.archive import ArchiveObject
from kernel.model.audit import ActResult
from kernel.model.cut import CutList
from kernel.model.document import (
    Addendum,
    Document,
    DocumentKind,
    FileType,
    HandedFile,
    Property,
    PropertyVerdict,
)
from tests.support import archived_project, papers
from tests.support.catalogue import add_segments, add_session, open_catalogue

NOW = 1_772_420_400 * SECOND_US


class Desk:
    """Where documents are handed in."""

    def __init__(self, root: Path, store: Any = None, most_bytes: int = 1 << 20, url: str = "") -> None:
        self.root = root
        self.catalogue: Catalogue = open_catalogue(root, url)
        add_session(self.catalogue, NOW - 100 * SECOND_US, NOW - 50 * SECOND_US)
        self.store = store or MemoryStore()
        self.staging = root / "incoming"
        self.clock = FakeClock(NOW)
        self.intake = DocumentIntake(
            self.catalogue, self.store, self.clock, self.staging, most_bytes, scan=lambda _path: None
        )

    def take(self, content: bytes, name: str = "开标记录.pdf", **more: Any) -> TakenIn:
        told = {"project_id": "P", "kind": DocumentKind.OPENING_RECORD, "principal": "李娜", **more}
        with self.intake.stage() as staged:
            staged.write(content)
            return self.intake.take(Brought(name=name, **told), staged)

    def refused(self, content: bytes, name: str = "a.pdf", **more: Any) -> str:
        with pytest.raises(DocumentRefused) as caught:
            self.take(content, name, **more)
        assert list(self.store.list_keys()) == []
        assert self.catalogue.documents.of_project("P") == []
        return str(caught.value)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.catalogue.close()


@pytest.fixture
def either(tmp_path: Path, url: str) -> Iterator[Desk]:
    """The same on either database, for what is asked of rows."""
    made = Desk(tmp_path, url=url)
    yield made
    made.catalogue.close()


KINDS = {
    FileType.PDF: ("a.pdf", papers.pdf()),
    FileType.OFD: ("a.ofd", papers.ofd()),
    FileType.PNG: ("a.png", papers.image(".png")),
    FileType.JPEG: ("a.JPG", papers.image(".jpg")),
    FileType.TIFF: ("a.tif", papers.image(".tiff")),
    FileType.BMP: ("a.bmp", papers.image(".bmp")),
    FileType.XLSX: ("a.xlsx", papers.xlsx()),
    FileType.CSV: ("a.csv", "投标人,报价\r\n".encode("gb18030")),
    FileType.TEXT: ("a.txt", "见证记录\n".encode()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_is_known_by_its_content_stored_and_read_back(desk: Desk, kind: FileType) -> None:
    """Invariant 10: the row says what the store holds."""
    name, content = KINDS[kind]
    document = desk.take(content, name, session_id="P-O").document
    assert (document.file_type, document.session_id) == (kind, "P-O")
    stored = desk.store.open(document.object_key).read()
    assert stored == content
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    if "sm3" in hashlib.algorithms_available:
        assert document.sm3 == hashlib.new("sm3", content).hexdigest()
    assert [one.property for one in document.check.results] == list(Property)
    assert not document.check.failed
    assert desk.catalogue.documents.of_session("P-O") == [document]
    assert list(desk.staging.iterdir()) == []


def test_a_name_that_says_another_thing_than_the_content_is_refused(desk: Desk) -> None:
    assert "PNG" in desk.refused(papers.image(), "开标记录.pdf")
    assert "PDF" in desk.refused(papers.pdf(), "开标记录.pdf.exe")
    assert desk.take(papers.pdf(), "开标记录 2026.3.2").new  # a day is no suffix


@pytest.mark.parametrize(
    "content",
    [b"", b"MZ\x90\0program", b"\x7fELF....", b"#!/bin/sh\n", papers.zipped({"a.txt": b"x"}), b"GIF89a\0\0"],
)
def test_what_is_no_document_is_refused(desk: Desk, content: bytes) -> None:
    desk.refused(content, "a.txt")


SPOILT = {
    "cut off PDF": papers.pdf()[:-30],
    "PDF without its table": papers.pdf().replace(b"xref\n0", b"yref\n0"),
    "PDF with a script": papers.pdf(b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
    "PDF with a script by another spelling": papers.pdf(b"/OpenAction << /S /J#61vaScript >>"),
    "PDF that starts a program": papers.pdf(b"/OpenAction << /S /Launch /F (a.exe) >>"),
    "PDF with a script in a packed object": papers.packed_pdf(b"1 0 << /S /JavaScript /JS (x) >>"),
    "cut off image": papers.image(".png")[:-40],
    "image of nothing": papers.image(".png")[:60] + b"\0" * 200 + b"IEND",
    "bomb of an image": papers.image(".png")[:16] + b"\0\0\xff\xff\0\0\xff\xff" + papers.image(".png")[24:],
    "workbook with macros": papers.xlsx(**{"xl/vbaProject.bin": b"\0macro"}),
    "OFD with a program": papers.ofd(**{"Doc_0/Attachs/a.dat": b"MZ\x90\0"}),
    "OFD that leads out": papers.ofd(**{"../../etc/passwd": b"x"}),
    "OFD that is a bomb": papers.ofd(**{"Doc_0/a.xml": b"\0" * (80 << 20)}),
    "damaged OFD": papers.ofd(**{"Doc_0/b.xml": b"seal" * 99}).replace(b"Doc_0/b.xml", b"Doc_0/c.xml", 1),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_lacks_one_of_the_four_properties_is_refused_with_the_reason(desk: Desk, what: str) -> None:
    content = SPOILT[what]
    suffix = {b"%P": ".pdf", b"\x89P": ".png"}.get(content[:2], ".ofd" if "OFD" in what else ".xlsx")
    assert "四性检测" in desk.refused(content, f"a{suffix}")
    [record] = desk.catalogue.audit.records(limit=1)
    assert (record.action, record.result) == ("document.taken_in", ActResult.REFUSED)


def test_letters_that_meet_by_chance_in_packed_bytes_are_no_script(desk: Desk) -> None:
    assert desk.take(papers.pdf(text=b"\x01/JS \x02 /Launch ")).new


def test_what_was_announced_must_come(desk: Desk) -> None:
    assert "not the one announced" in desk.refused(papers.pdf(), announced_sha256="0" * 64)
    own = hashlib.sha256(papers.pdf()).hexdigest().upper()
    assert desk.take(papers.pdf(), announced_sha256=own).new


def test_too_large_a_document_is_refused_before_it_is_all_there(tmp_path: Path) -> None:
    desk = Desk(tmp_path, most_bytes=1000)
    with desk.intake.stage() as staged, pytest.raises(DocumentRefused, match="larger"):
        for _ in range(5):
            staged.write(b"x" * 300)
    assert list(desk.staging.iterdir()) == []


def test_the_same_bytes_are_told_and_not_stored_twice(either: Desk) -> None:
    first = either.take(papers.pdf())
    again = either.take(papers.pdf(), "another name.pdf")
    assert (first.new, again.new) == (True, False)
    assert again.document == first.document
    assert len(list(either.store.list_keys())) == 1


def test_documents_of_the_same_name_are_both_there(either: Desk) -> None:
    one, two = either.take(papers.pdf()).document, either.take(papers.pdf(b"/X 1")).document
    assert one.name == two.name
    assert one.object_key != two.object_key
    assert one.packaged_name != two.packaged_name


def test_a_correction_supersedes_and_both_stay(either: Desk) -> None:
    """Invariant 9, of documents."""
    first = either.take(papers.pdf(), session_id="P-O").document
    with pytest.raises(DocumentRefused, match="reason"):
        either.take(papers.pdf(b"/X 1"), supersedes=first.id)
    second = either.take(papers.pdf(b"/X 1"), supersedes=first.id, reason="唱标金额有误").document
    assert (second.version, second.supersedes, second.session_id) == (2, first.id, "P-O")
    with pytest.raises(DocumentRefused, match="superseded already"):
        either.take(papers.pdf(b"/X 2"), supersedes=first.id, reason="again")
    assert either.catalogue.documents.of_project("P") == [first, second]
    actions = [one.action for one in either.catalogue.audit.records(limit=3)]
    assert actions == ["document.taken_in", "document.corrected", "document.taken_in"]  # the refusal last


@pytest.mark.parametrize("where", [{"project_id": "X"}, {"session_id": "W-O"}, {"supersedes": "document-1"}])
def test_a_document_of_no_place_is_refused(desk: Desk, where: dict[str, str]) -> None:
    desk.refused(papers.pdf(), **{"reason": "r", **where})


def test_after_a_crash_between_store_and_row_the_same_document_is_taken_in(desk: Desk) -> None:
    first = desk.take(papers.pdf()).document
    fresh = Desk(desk.root / "other", store=desk.store)
    assert fresh.take(papers.pdf()).document.object_key == first.object_key
    fresh.catalogue.close()


class Liar(MemoryStore):
    """Gives back something else than it was given."""

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(super().open(key).read()[:-1] + b"?")


def test_a_store_that_lies_gets_no_row(tmp_path: Path) -> None:
    """Invariant 10."""
    desk = Desk(tmp_path, store=Liar())
    with pytest.raises(FixityError):
        desk.take(papers.pdf())
    assert desk.catalogue.documents.of_project("P") == []


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("../../etc/passwd", "passwd"),
        ("D:\\文件\\开标记录.pdf", "开标记录.pdf"),
        ("a\x1b[31m\n\0b.pdf", "a[31mb.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("长" * 300 + ".pdf", "长" * 196 + ".pdf"),
    ],
)
def test_names_are_labels(given: str, label: str) -> None:
    assert label_of(given) == label


@pytest.mark.parametrize("name", ["", "..", "/", "\0\n", "\u202e"])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(DocumentRefused):
        label_of(name)


def test_a_part_with_a_wrong_checksum_is_found_by_unpacking_it(tmp_path: Path) -> None:
    whole = papers.zipped({"OFD.xml": b"<OFD/>", "a": b"A" * 4000}, zipfile.ZIP_STORED)
    path = tmp_path / "a"
    path.write_bytes(whole.replace(b"AAAA", b"AABA", 1))
    assert recognised(path) is FileType.OFD
    desk = Desk(tmp_path / "desk")
    assert "damaged" in desk.refused(path.read_bytes(), "a.ofd")
    desk.catalogue.close()


SCANNER = """#!/bin/sh
echo "$4: {said}"
exit {status}
"""


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (0, "OK", PropertyVerdict.PASSED),
        (1, "Eicar-Test FOUND", PropertyVerdict.FAILED),
        (2, "no daemon", PropertyVerdict.NOTED),
    ],
)
def test_a_virus_scanner_is_heard_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str, verdict: PropertyVerdict
) -> None:
    scanner = tmp_path / "clamdscan"
    scanner.write_text(SCANNER.format(status=status, said=said))
    scanner.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = virus_scan(tmp_path / "a.pdf")
    assert found is not None
    assert (found.property, found.verdict) == (Property.SAFE, verdict)
    assert ("Eicar-Test FOUND" in found.reason) == (status == 1)


def test_without_a_scanner_the_check_says_so(desk: Desk) -> None:
    safe = desk.take(papers.pdf()).document.check.results[-1]
    assert "no virus scanner" in safe.reason


def addendum(number: int, file_version: int | None) -> Addendum:
    return Addendum(
        id=f"addendum-{number}",
        project_id="P",
        number=number,
        file_version=file_version,
        key_prefix=f"addenda/P/{number}",
        size_bytes=9,
        verified_us=NOW + number,
        principal="archiver",
    )


def record(either: Desk, number: int, file_version: int | None, documents: list[Document]) -> None:
    told = addendum(number, file_version)
    held = {one.id: f"{told.key_prefix}/data/documents/{one.packaged_name}" for one in documents}
    objects = [ArchiveObject(key=key, size_bytes=1, sha256="0" * 64) for key in held.values()]
    either.catalogue.documents.record_addendum(told, objects, held)


def test_what_no_package_tells_yet_waits_for_an_addendum(tmp_path: Path, url: str) -> None:
    either = Desk(tmp_path, url=url)
    documents = either.catalogue.documents
    ours = either.take(papers.pdf()).document
    assert documents.projects_to_add_to(NOW) == []  # the file is not whole
    assert documents.unpackaged("P") == [ours]
    of_session = either.take(papers.pdf(b"/X 1"), session_id="P-O").document
    assert documents.unpackaged("P") == [ours]  # the other one comes in its session's package
    add_segments(either.catalogue, [archived_project.segment(one) for one in archived_project.SIZES])
    clips = tuple(archived_project.clip(one) for one in archived_project.SIZES)
    either.catalogue.clips.record(CutList(session_id="P-O", clips=clips, change_number=2))
    archived_project.archive(either.catalogue)
    assert documents.projects_to_add_to(NOW - 1) == ["P"]  # for its card
    assert {one.id for one in documents.unpackaged("P")} == {ours.id, of_session.id}
    record(either, 1, 1, [ours])
    assert documents.projects_to_add_to(NOW - 1) == []  # it waits for others
    assert documents.projects_to_add_to(NOW) == ["P"]
    record(either, 2, 1, [of_session])
    assert documents.projects_to_add_to(NOW) == []
    assert [len(one) for one in documents.copies_of("P").values()] == [1, 1]
    assert [one.number for one in documents.addenda_of("P")] == [1, 2]
    assert len(documents.all_objects()) == 4
    either.catalogue.close()


def test_a_recording_that_was_handed_in_is_found_by_its_size(either: Desk) -> None:
    add_segments(either.catalogue, [archived_project.segment("cam")])
    check = either.take(papers.pdf()).document.check
    handed = HandedFile(
        run_id="run-cam",
        source_id="cam",
        session_id="P-O",
        listed_in="a.csv",
        name="a.mp4",
        size_bytes=5 << 30,
        sha256="1" * 64,
        offset_us=-47 * SECOND_US,
        wall_start_us=NOW,
        wall_end_us=NOW + 1,
        principal="clerk",
        at_us=NOW,
        check=check,
    )
    files = either.catalogue.handed_files
    files.add(handed)
    files.add(handed)  # again, it changes nothing
    assert files.of_size("cam", 5 << 30) == files.of_session("P-O") == [handed]
    assert files.of_size("screen", 5 << 30) == files.of_size("cam", 5) == []
