"""``jianzheng verify``: whether a package, or one file of it, is what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from archiver.findings import Aspect, Findings, Silent, Teller
from archiver.proof import TREE_MANIFEST, inclusion_of, signature_fault, write_inclusion
from archiver.time_stamp import read_certificates
from archiver.verify import Verification, verify_package
from archiver.verify_bag import verify_bag
from archiver.verify_proof import Trust, signed_of, trusted_key, verify_file
from cli.printing import console
from kernel.errors import FixityError, SettingsError

_WORDS = {
    Aspect.FILES: "文件与清单 files against manifests",
    Aspect.TREE: "默克尔根 Merkle root",
    Aspect.SIGNATURE: "签名 signature",
    Aspect.TIME_STAMP: "时间戳 time stamp",
    Aspect.DOCUMENT: "著录 catalogue.json",
    Aspect.CHAIN: "分段链 chain of segments",
    Aspect.ORIGINALS: "随附原始分段 originals in the package",
    Aspect.RECEIPTS: "转码凭据 receipts",
    Aspect.CONTENT: "文件与凭据 files against receipts",
    Aspect.PICTURES: "画面指纹 fingerprints of pictures",
    Aspect.DOCUMENTS: "文件材料 documents",
    Aspect.RING: "原始分段 original segments",
}
_OF_ONE_FILE = (Aspect.FILES, Aspect.TREE, Aspect.SIGNATURE, Aspect.TIME_STAMP)
_out = console()


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked on the command line."""

    package: Path  # or one file of it, with ``proof``
    key: Path | None
    tsa_cert: Path | None
    ring: Path | None
    prove: str
    to: Path | None
    proof: Path | None
    as_json: bool


def run_verify(asked: Asked) -> int:
    """Verify, or write the proof of one file; returns the exit status.

    Raises:
        SettingsError: what was named on the command line cannot be used.
        FixityError: the package has no such file to prove.
    """
    trust = Trust(
        key=trusted_key(asked.key) if asked.key else "",
        tsa=read_certificates(asked.tsa_cert) if asked.tsa_cert else (),
    )
    _refuse_missing(asked.package, asked.ring, asked.proof)
    if asked.prove:
        if asked.to is None:
            raise SettingsError("--prove needs --to FILE.")
        _write_proof(asked.package, asked.prove, asked.to)
        return 0
    verification = Verification(package=asked.package, trust=trust, ring=asked.ring)
    findings = _found(verification, asked.proof, quiet=asked.as_json)
    if asked.as_json:
        _out.out(_json(asked.package, findings))
    else:
        _show(asked.package, findings, _OF_ONE_FILE if asked.proof else tuple(Aspect))
    return 1 if findings.faults else 0


def _refuse_missing(package: Path, ring: Path | None, proof: Path | None) -> None:
    """A mistyped name must not look like a package where something is wrong."""
    if proof is None and not package.is_dir():
        raise SettingsError(f"{package} is no directory.", hint="Name the directory with bagit.txt in it.")
    if ring is not None and not ring.is_dir():
        raise SettingsError(f"{ring} is no directory.")


def _found(asked: Verification, proof: Path | None, *, quiet: bool) -> Findings:
    if proof is not None:
        findings = Findings()
        verify_file(asked.package, proof, asked.trust, findings)
        return findings
    with _telling(quiet=quiet) as teller:
        return verify_package(asked, teller)


@contextmanager
def _telling(*, quiet: bool = False) -> Iterator[Teller]:
    """Bars on standard error while it takes long."""
    if quiet:
        yield Silent()
        return
    columns = TextColumn("{task.description}"), BarColumn(bar_width=30), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress)


class _Bars:
    """A bar for each piece of long work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, what: Aspect, total: int) -> None:
        self._task = self._progress.add_task(_WORDS[what], total=total)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)


def _write_proof(package: Path, name: str, to: Path) -> None:
    """Write the proof of one file of a package.

    Raises:
        FixityError: the package has no such file, or it could not be proven.
    """
    with _telling() as teller:
        bag = verify_bag(package, Findings(), teller)
    signed = signed_of(bag)
    proof = inclusion_of(name, bag.read(TREE_MANIFEST) or b"", signed)
    fault = signature_fault(signed)
    if name not in bag.whole or fault:
        raise FixityError(f"{name} is not proven: {fault or 'it is not what the manifests say'}.")
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(write_inclusion(proof))
    except OSError as error:
        raise SettingsError(f"{to} cannot be written: {error.strerror}.") from None
    _out.print(f"已写好 {escape(str(to))} is written. Hand it out with {escape(name)}.")


def _json(package: Path, findings: Findings) -> str:
    told = {
        "package": str(package),
        "verified": not findings.faults,
        "checked": {aspect.value: findings.checked.get(aspect, 0) for aspect in Aspect},
        "faults": [asdict(one) for one in findings.faults],
        "notes": [asdict(one) for one in findings.notes],
        "not_checked": {aspect.value: why for aspect, why in findings.not_checked.items()},
    }
    return json.dumps(told, ensure_ascii=False)


def _show(package: Path, findings: Findings, aspects: tuple[Aspect, ...]) -> None:
    table = Table(
        "核对内容 checked", "项 items", "结果 result", title=escape(str(package)), title_justify="left"
    )
    for aspect in aspects:
        table.add_row(_WORDS[aspect], str(findings.checked.get(aspect, 0)), _verdict(findings, aspect))
    _out.print(table)
    for one in findings.faults:
        _out.print(f"[red]✗ {escape(_WORDS[one.aspect])}[/]  {escape(one.name)}: {escape(one.detail)}")
    for one in findings.notes:
        _out.print(f"说明 note  {escape(one.name)}: {escape(one.detail)}")
    if findings.faults:
        _out.print(f"[bold red]未通过 not verified[/]: {len(findings.faults)} 处 faults")
    else:
        _out.print("[green]通过 verified[/]: 全部一致 all agree")


def _verdict(findings: Findings, aspect: Aspect) -> str:
    count = sum(one.aspect is aspect for one in findings.faults)
    if count:
        return f"[red]✗ {count} 处 faults[/]"
    if aspect in findings.not_checked:
        return f"— {escape(findings.not_checked[aspect])}"
    return "[green]✓[/]" if findings.checked.get(aspect) else "— 无 nothing to check"
