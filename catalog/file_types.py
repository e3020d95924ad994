"""What a file is, by its content (magic numbers), and whether it opens.

A few signatures of our own rather than ``libmagic``: it is a C library that wheels do not bring, knows
thousands of kinds of which a dozen are taken in, and has no word for OFD.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kernel.model.document import FileType

_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 1 << 16
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2
_SIGNATURES: tuple[tuple[bytes, FileType], ...] = (
    (b"%PDF-", FileType.PDF),
    (b"\x89PNG\r\n\x1a\n", FileType.PNG),
    (b"\xff\xd8\xff", FileType.JPEG),
    (b"II*\x00", FileType.TIFF),
    (b"MM\x00*", FileType.TIFF),
    (b"BM", FileType.BMP),
)
_IN_ZIP: tuple[tuple[str, FileType], ...] = (
    ("OFD.xml", FileType.OFD),  # GB/T 33190-2016, 7.2: the entry of every OFD
    ("xl/workbook.xml", FileType.XLSX),
    ("word/document.xml", FileType.DOCX),
)
_IN_OLE: tuple[tuple[str, FileType], ...] = (
    ("Workbook", FileType.XLS),
    ("Book", FileType.XLS),
    ("WordDocument", FileType.DOC),
)
_EXECUTABLE = {
    b"MZ": "Windows",
    b"\x7fELF": "Linux",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "Java/macOS",
    b"#!": "script",
}
_IMAGES = (FileType.PNG, FileType.JPEG, FileType.TIFF, FileType.BMP)
MOST_PIXELS = 200_000_000
"""Of an image: A0 at 300 dots an inch has 140 million; more is a bomb."""
MOST_ENTRIES = 10_000
MOST_UNPACKED_BYTES = 1 << 30
_MOST_RATIO = 200
_SMALL_BYTES = 64 << 20  # what unpacks to less is no bomb, whatever its ratio: white paper packs well
_TEXT_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_PDF_ACTIVE = re.compile(rb"/(JavaScript|JS|Launch|RichMedia)(?![A-Za-z])")
_PDF_STREAM = re.compile(rb"stream\r?\n.*?endstream", re.DOTALL)
_PDF_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")  # ISO 32000-1, 7.3.5: a letter of a name as a number


@dataclass(kw_only=True, slots=True)
class Examined:
    """What looking into a file found; sentences, zh then en."""

    incomplete: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what should be known and is no fault
    opened: str = ""  # how it was seen to open


def recognised(path: Path, name: str = "") -> FileType | None:
    """What a file is by its content; None: nothing that is taken in as a document.

    Args:
        name: only tells CSV from other text, which nothing in it does.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(path)
    if head.startswith(_OLE):
        return _in_ole(path)
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if executable(head) or not _is_text(path):
        return None
    return FileType.CSV if PurePosixPath(name).suffix.lower() == ".csv" else FileType.TEXT


def executable(head: bytes) -> str | None:
    """For which system something is a program; None where it is none."""
    return next((system for magic, system in _EXECUTABLE.items() if head.startswith(magic)), None)


def _in_zip(path: Path) -> FileType | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return None
    return next((kind for inside, kind in _IN_ZIP if inside in names), None)


def _in_ole(path: Path) -> FileType | None:
    """By the names of its streams, UTF-16 in the directory ([MS-CFB] 2.6.1)."""
    content = path.read_bytes()
    named = (kind for inside, kind in _IN_OLE if f"{inside}\0".encode("utf-16-le") in content)
    return next(named, None)


def _is_text(path: Path) -> bool:
    return text_encoding(path) is not None


def text_encoding(path: Path) -> str | None:
    """The encoding of a text; None: it is none."""
    content = path.read_bytes()
    if not content or _TEXT_CONTROLS.search(content):
        return None
    for encoding in ("utf-8", "gb18030"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return None


def examine(path: Path, kind: FileType) -> Examined:
    """Look into a file of a known kind.

    Raises:
        OSError: it cannot be read.
    """
    found = Examined()
    if kind is FileType.PDF:
        _pdf(path, found)
    elif kind in _IMAGES:
        _image(path, kind, found)
    elif kind in (FileType.OFD, FileType.XLSX, FileType.DOCX):
        _zip(path, found)
    elif kind in (FileType.XLS, FileType.DOC):
        _ole(path, found)
    else:
        found.opened = f"文本编码 text in {text_encoding(path)}"
    return found


def _pdf(path: Path, found: Examined) -> None:
    """Header, end and cross-reference (ISO 32000-1, 7.5), and what acts when it is opened."""
    content = path.read_bytes()
    end = content.rfind(b"%%EOF", max(0, len(content) - _TAIL_BYTES))
    if end < 0:
        found.incomplete.append("PDF 缺少文件尾 the end mark %%EOF is missing: it was cut off.")
        return
    if len(content) - end > 5 + 1024:
        found.notes.append("PDF 文件尾之后还有内容 something follows the end of the PDF.")
    at = re.search(rb"startxref\s+(\d+)\s*$", content[max(0, end - 64) : end])
    there = content[int(at[1]) : int(at[1]) + 32] if at else b""
    if not re.match(rb"\s*(xref\b|\d+\s+\d+\s+obj\b)", there):
        found.unusable.append("PDF 交叉引用表无法找到 its cross-reference table is not where it should be.")
        return
    found.opened = f"PDF {content[5:8].decode('ascii', 'replace')}, 交叉引用表完整 cross-reference found"
    # Not within streams: in packed bytes three letters come together by chance.
    plain = _unescaped(_PDF_STREAM.sub(b"", content))
    if active := {match[1].decode() for match in _PDF_ACTIVE.finditer(plain)}:
        found.unsafe.append(f"PDF 含有可执行动作 it holds actions: {', '.join(sorted(active))}.")
    if b"/EmbeddedFile" in plain:
        found.notes.append("PDF 含有附件,未逐一检查 files attached to it were not looked into.")
    if b"/Encrypt" in plain:
        found.notes.append("PDF 已加密,内部未检查 it is encrypted; its inside was not looked into.")
    elif b"/ObjStm" in plain:
        found.unsafe += _pdf_packed(content)


def _unescaped(content: bytes) -> bytes:
    return _PDF_ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), content)


def _pdf_packed(content: bytes) -> list[str]:
    """Actions within object streams (ISO 32000-1, 7.5.7), of which a bounded part is unpacked."""
    left = _SMALL_BYTES
    for match in re.finditer(rb"/ObjStm\b.{0,400}?stream\r?\n", content, re.DOTALL):
        try:
            inside = zlib.decompressobj().decompress(content[match.end() :], min(left, _SMALL_BYTES))
        except zlib.error:
            continue
        left -= len(inside)
        if _PDF_ACTIVE.search(_unescaped(inside)):
            return ["PDF 的压缩对象内含有可执行动作 it holds actions in packed objects."]
        if left <= 0:
            break
    return []


def _image(path: Path, kind: FileType, found: Examined) -> None:
    """Size by its header, end mark, and a decoder's word."""
    content = path.read_bytes()
    size = _pixels(content, kind)
    if size is None or not 0 < size[0] * size[1] <= MOST_PIXELS:
        found.unusable.append("图像尺寸无法读取或过大 its size cannot be read, or is far too large.")
        return
    tail = content[-_TAIL_BYTES:]
    if (kind is FileType.PNG and b"IEND" not in tail) or (kind is FileType.JPEG and b"\xff\xd9" not in tail):
        found.incomplete.append("图像缺少结尾 the end of the image is missing: it was cut off.")
        return
    import cv2  # takes a while to load, and most programs never need it
    import numpy as np

    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        found.unusable.append("图像无法解码 it cannot be decoded.")
        return
    found.opened = f"{kind.value.upper()} {size[0]}x{size[1]}, 可解码 decodes"


def _pixels(content: bytes, kind: FileType) -> tuple[int, int] | None:
    """Width and height as the header says them."""
    try:
        if kind is FileType.PNG:  # PNG (ISO/IEC 15948), 11.2.2: IHDR comes first
            return struct.unpack(">II", content[16:24])
        if kind is FileType.BMP:
            width, height = struct.unpack("<ii", content[18:26])
            return width, abs(height)
        return _tiff_pixels(content) if kind is FileType.TIFF else _jpeg_pixels(content)
    except (struct.error, IndexError):
        return None


def _jpeg_pixels(content: bytes) -> tuple[int, int] | None:
    """From the frame header (ITU-T T.81, B.2.2)."""
    place = 2
    while place + 9 < len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return width, height
        place += 1 if marker == 0xFF else 2 + struct.unpack(">H", content[place + 2 : place + 4])[0]
    return None


def _tiff_pixels(content: bytes) -> tuple[int, int] | None:
    """The largest of its pages (TIFF 6.0, section 2: tags 256 and 257)."""
    order = "<" if content[:2] == b"II" else ">"
    (place,) = struct.unpack(order + "I", content[4:8])
    sizes, pages = [], 0
    while place and pages < 10_000:
        (count,) = struct.unpack(order + "H", content[place : place + 2])
        found: dict[int, int] = {}
        for number in range(count):
            at = place + 2 + 12 * number
            tag, kind = struct.unpack(order + "HH", content[at : at + 4])
            (value,) = struct.unpack(order + ("H2x" if kind == 3 else "I"), content[at + 8 : at + 12])
            found[tag] = value
        sizes.append((found.get(256, 0), found.get(257, 0)))
        end = place + 2 + 12 * count
        (place,) = struct.unpack(order + "I", content[end : end + 4])
        pages += 1
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _zip(path: Path, found: Examined) -> None:
    """Every entry is unpacked and compared with its CRC, within bounds."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if fault := _bomb(entries, path.stat().st_size):
                found.unsafe.append(fault)
                return
            for entry in entries:
                _entry(archive, entry, found)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
        found.unusable.append(f"压缩包损坏 the package is damaged: {error}.")
        return
    if not found.unusable:
        found.opened = f"{len(entries)} 个部件校验一致 parts agree with their checksums"


def _bomb(entries: list[zipfile.ZipInfo], size_bytes: int) -> str:
    unpacked = sum(one.file_size for one in entries)
    too_much = unpacked > _SMALL_BYTES and unpacked > _MOST_RATIO * size_bytes
    if len(entries) > MOST_ENTRIES or unpacked > MOST_UNPACKED_BYTES or too_much:
        return f"疑似压缩炸弹 an archive bomb: {len(entries)} parts, {unpacked} bytes unpacked."
    names = [one.filename for one in entries]
    if len(set(names)) != len(names) or any(_leaves(name) for name in names):
        return "部件名称重复或指向包外 its parts have names that are twice there or lead out of it."
    return ""


def _leaves(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or "\0" in name


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, found: Examined) -> None:
    if entry.flag_bits & 1:
        found.unusable.append(f"部件已加密 a part is encrypted: {entry.filename!r}.")
        return
    with archive.open(entry) as part:
        head = part.read(16)
        while part.read(1 << 20):
            pass  # to its end: only there the checksum is compared
    low = entry.filename.lower()
    if low.endswith("vbaproject.bin") or "/activex/" in f"/{low}" or "/macrosheets/" in f"/{low}":
        found.unsafe.append(f"含有宏 it holds macros: {entry.filename!r}.")
    elif system := executable(head):
        found.unsafe.append(f"含有可执行程序 it holds a program ({system}): {entry.filename!r}.")
    elif head.startswith((b"PK\x03\x04", _OLE, b"Rar!", b"7z\xbc\xaf")):
        found.notes.append(
            f"内含嵌套文件,未逐一检查 a file within it was not looked into: {entry.filename!r}."
        )


def _ole(path: Path, found: Examined) -> None:
    """[MS-CFB]: whole sectors, and no project of macros ([MS-OVBA] 2.2.1)."""
    content = path.read_bytes()
    (shift,) = struct.unpack("<H", content[30:32]) if len(content) >= 512 else (0,)
    if shift not in (9, 12) or len(content) < 3 << shift:
        found.unusable.append("文件头损坏 its header makes no sense.")
        return
    if len(content) % 512:
        found.incomplete.append("文件不足整扇区 its last sector is cut off.")
    if any(name.encode("utf-16-le") in content for name in ("_VBA_PROJECT", "Macros\0")):
        found.unsafe.append("含有宏 it holds macros.")
    found.opened = "文件头与流目录可读 header and directory can be read"
