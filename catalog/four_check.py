"""四性检测 of what is taken in: authentic, complete, usable, safe (DA/T 70-2018), each with its reason."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.file_types import Examined, examine
from kernel.model.document import FileType, FourCheck, Property, PropertyResult, PropertyVerdict

_SCAN_SECONDS = 120
_SCANNER = "clamdscan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What is known of where a file comes from."""

    principal: str  # who brings it
    sha256: str  # of what came
    announced_sha256: str = ""  # lower-case hex; empty where nobody announced one
    size_bytes: int = 0


Scan = Callable[[Path], PropertyResult | None]
"""Looks for viruses; None: there is no scanner here."""


def check_document(path: Path, kind: FileType, origin: Origin, scan: Scan | None = None) -> FourCheck:
    """The four properties of a document.

    Raises:
        OSError: it cannot be read.
    """
    found = examine(path, kind)
    return FourCheck(
        results=(
            authentic(origin),
            _complete(origin, found),
            _usable(found),
            _safe(found, (scan or virus_scan)(path)),
        )
    )


def authentic(origin: Origin) -> PropertyResult:
    """真实: it is the file that was announced, or the one that a known person brought."""
    if not origin.announced_sha256:
        reason = (
            f"由 {origin.principal} 提交,接收时计算摘要;未预先告知摘要。"
            "Brought by that principal, hashed while it came; no checksum was announced."
        )
        return _result(Property.AUTHENTIC, PropertyVerdict.PASSED, reason)
    if origin.announced_sha256.lower() == origin.sha256:
        said = "摘要与告知的一致 its SHA-256 is the one announced."
        return _result(Property.AUTHENTIC, PropertyVerdict.PASSED, said)
    said = f"摘要与告知的不一致 its SHA-256 is {origin.sha256}, not the one announced."
    return _result(Property.AUTHENTIC, PropertyVerdict.FAILED, said)


def _complete(origin: Origin, found: Examined) -> PropertyResult:
    if found.incomplete:
        return _result(Property.COMPLETE, PropertyVerdict.FAILED, " ".join(found.incomplete))
    said = f"共 {origin.size_bytes} 字节,首尾齐全 whole from beginning to end."
    return _result(Property.COMPLETE, PropertyVerdict.PASSED, said)


def _usable(found: Examined) -> PropertyResult:
    if found.unusable or not found.opened:
        said = " ".join(found.unusable) or "未能打开 it could not be opened."
        return _result(Property.USABLE, PropertyVerdict.FAILED, said)
    return _result(Property.USABLE, PropertyVerdict.PASSED, found.opened)


def _safe(found: Examined, scanned: PropertyResult | None) -> PropertyResult:
    """What was seen comes first, then what a scanner says."""
    if found.unsafe:
        return _result(Property.SAFE, PropertyVerdict.FAILED, " ".join(found.unsafe))
    looked = "未见可执行内容、宏或压缩炸弹 no program, macro or archive bomb was seen."
    if scanned is not None and scanned.verdict is PropertyVerdict.FAILED:
        return scanned
    said = [
        looked,
        scanned.reason if scanned else "本机没有病毒扫描程序 no virus scanner is here.",
        *found.notes,
    ]
    noted = bool(found.notes) or (scanned is not None and scanned.verdict is PropertyVerdict.NOTED)
    return _result(Property.SAFE, PropertyVerdict.NOTED if noted else PropertyVerdict.PASSED, " ".join(said))


def virus_scan(path: Path) -> PropertyResult | None:
    """What ClamAV's daemon says, where ``clamdscan`` is installed; the file is passed as a descriptor.

    Exit status 0: nothing found; 1: a virus; 2: it could not look (clamdscan(1)).
    """
    scanner = shutil.which(_SCANNER)
    if scanner is None:
        return None
    command = [scanner, "--fdpass", "--no-summary", "--stdout", str(path)]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=_SCAN_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        said = f"病毒扫描未完成 the virus scan did not end: {type(error).__name__}."
        return _result(Property.SAFE, PropertyVerdict.NOTED, said)
    if ended.returncode == 0:
        said = "ClamAV 未发现病毒 ClamAV found nothing."
        return _result(Property.SAFE, PropertyVerdict.PASSED, said)
    if ended.returncode == 1:
        name = ended.stdout.decode(errors="replace").rpartition(": ")[2].strip()
        said = f"ClamAV 发现病毒 ClamAV found: {name}."
        return _result(Property.SAFE, PropertyVerdict.FAILED, said)
    said = f"ClamAV 未能扫描 ClamAV could not look (status {ended.returncode})."
    return _result(Property.SAFE, PropertyVerdict.NOTED, said)


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """What taking a recording in found of it; ``capture.intake.IntakeReceipt`` knows all of it."""

    pictures: int
    holes: int
    skipped: int
    damaged: int
    duration_us: int
    video: str
    sound: str


_CLOSE_US = 2_000_000  # lists are written to the second, and rounded


def check_footage(
    origin: Origin, told: Footage, announced_us: int | None = None, scanned: PropertyResult | None = None
) -> FourCheck:
    """The four properties of a recording that was read from end to end into the ring.

    Args:
        announced_us: how long its list says that it is.
    """
    complete = _footage_complete(told, announced_us)
    usable = _result(
        Property.USABLE,
        PropertyVerdict.NOTED if told.damaged else PropertyVerdict.PASSED,
        f"{told.video}, {told.pictures} 帧可读 pictures, 声音 sound: {told.sound}"
        + (f"; {told.damaged} 个损坏的数据包已略去 damaged packets left out" if told.damaged else "")
        + ".",
    )
    said = "只取音视频轨,不含可执行内容 only pictures and sound were taken, nothing that acts."
    safe = scanned or _result(Property.SAFE, PropertyVerdict.PASSED, said)
    return FourCheck(results=(authentic(origin), complete, usable, safe))


def _footage_complete(told: Footage, announced_us: int | None) -> PropertyResult:
    seconds = told.duration_us / 1e6
    said = [f"时长 {seconds:.3f} 秒 seconds"]
    if told.holes:
        said.append(f"{told.holes} 处无画面 stretches without a picture")
    if told.skipped:
        said.append(f"首个关键帧前 {told.skipped} 帧无法解码 pictures before the first key frame")
    if announced_us is not None and abs(announced_us - told.duration_us) > _CLOSE_US:
        said.append(f"清单所列 {announced_us / 1e6:.0f} 秒 its list says another length")
    noted = len(said) > 1
    return _result(
        Property.COMPLETE, PropertyVerdict.NOTED if noted else PropertyVerdict.PASSED, "; ".join(said) + "."
    )


def refusal(check: FourCheck) -> str:
    """Why something is not taken in, for people."""
    return " ".join(one.reason for one in check.failed)


def _result(which: Property, verdict: PropertyVerdict, reason: str) -> PropertyResult:
    return PropertyResult(property=which, verdict=verdict, reason=reason)


def told_of(results: Sequence[PropertyResult]) -> str:
    """One line for a terminal."""
    marks = {PropertyVerdict.PASSED: "✓", PropertyVerdict.NOTED: "!", PropertyVerdict.FAILED: "✗"}
    words = {
        Property.AUTHENTIC: "真实 authentic",
        Property.COMPLETE: "完整 complete",
        Property.USABLE: "可用 usable",
        Property.SAFE: "安全 safe",
    }
    return "\n".join(f"{marks[one.verdict]} {words[one.property]}: {one.reason}" for one in results)
