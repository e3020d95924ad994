"""Verifies that a package is a whole bag (RFC 8493): every file is hashed and compared with its manifests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from archiver.digests import SM3, digests_of, has_sm3
from archiver.findings import Aspect, Findings, Teller
from archiver.package import (
    ALGORITHMS,
    DECLARATION,
    DECLARED,
    INFO,
    PAYLOAD,
    TAG_FILES,
    decoded_name,
    is_tag_file,
    manifest_name,
    tag_manifest_name,
)
from archiver.proof import PROOF_FILES

_LINE = re.compile(r"([0-9a-f]+) [ *](.+)")
_MOST_TAG_BYTES = 256 << 20  # a manifest or statement that is larger is none of ours


@dataclass(frozen=True, kw_only=True, slots=True)
class Bag:
    """A package as it was found on the disk."""

    directory: Path
    digests: Mapping[str, Mapping[str, str]]  # of every file that could be read: by name, by algorithm
    sizes: Mapping[str, int]
    whole: frozenset[str]  # files that are as their manifests say

    def payload(self, below: str) -> list[str]:
        """Names of the files of a part of the payload, without it."""
        start = f"{PAYLOAD}/{below}/"
        return sorted(name.removeprefix(start) for name in self.digests if name.startswith(start))

    def read(self, name: str) -> bytes | None:
        """A small file; None where it is missing, unreadable or far too large."""
        if name not in self.digests or self.sizes[name] > _MOST_TAG_BYTES:
            return None
        try:
            return (self.directory / name).read_bytes()
        except OSError:
            return None


def verify_bag(directory: Path, findings: Findings, teller: Teller) -> Bag:
    """Hash every file of a package and compare it with the manifests; each file that differs is named."""
    sizes = dict(_files(directory, findings))
    digests = _digests(directory, sizes, findings, teller)
    wanted: dict[str, dict[str, str]] = {}
    for called, payload in ((manifest_name, True), (tag_manifest_name, False)):
        for algorithm in ALGORITHMS:
            for name, digest in _manifest(directory / called(algorithm), findings, payload=payload):
                wanted.setdefault(name, {})[algorithm] = digest
    whole = set()
    for name in sorted(wanted.keys() | digests.keys()):
        fault = _file_fault(name, wanted.get(name, {}), digests.get(name))
        findings.compare(Aspect.FILES, name, not fault, fault)
        if not fault:
            whole.add(name)
    _check_kind(directory, sizes, findings)
    return Bag(directory=directory, digests=digests, sizes=sizes, whole=frozenset(whole))


def _files(directory: Path, findings: Findings) -> Iterator[tuple[str, int]]:
    """Names and sizes of plain files; links and whatever else is not one are faults."""

    def not_listed(error: OSError) -> None:
        findings.fault(Aspect.FILES, str(error.filename), f"it cannot be listed: {error.strerror}")

    for found, below, names in os.walk(directory, onerror=not_listed):
        for one in [*names, *(one for one in below if (Path(found) / one).is_symlink())]:
            path = Path(found) / one
            name = path.relative_to(directory).as_posix()
            if path.is_symlink() or not path.is_file():
                findings.fault(Aspect.FILES, name, "it is no plain file")
            else:
                yield name, path.stat().st_size


def _digests(
    directory: Path, sizes: Mapping[str, int], findings: Findings, teller: Teller
) -> dict[str, dict[str, str]]:
    teller.begin(Aspect.FILES, sum(sizes.values()))
    algorithms = [*ALGORITHMS, SM3] if has_sm3() else ALGORITHMS
    found = {}
    for name in sizes:
        try:
            found[name] = digests_of(directory / name, algorithms, teller.advance)
        except OSError as error:
            findings.fault(Aspect.FILES, name, f"it cannot be read: {error.strerror}")
    return found


def _manifest(path: Path, findings: Findings, *, payload: bool) -> Iterator[tuple[str, str]]:
    """Name and digest of each line that makes sense; the others are faults."""
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except OSError:
        findings.fault(Aspect.FILES, path.name, "the manifest is missing or cannot be read")
        return
    except UnicodeDecodeError:
        findings.fault(Aspect.FILES, path.name, "the manifest is no UTF-8 text")
        return
    if lines.pop():
        findings.fault(Aspect.FILES, path.name, "its last line is cut off")
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        name = decoded_name(match[2]) if match else ""
        good = name.startswith(f"{PAYLOAD}/") if payload else is_tag_file(name)
        if match is None or not good or name in seen or ".." in name.split("/") or name.startswith("/"):
            findings.fault(Aspect.FILES, path.name, f"line {number} makes no sense")
            continue
        seen.add(name)
        yield name, match[1]


def _file_fault(name: str, wanted: Mapping[str, str], found: Mapping[str, str] | None) -> str:
    """What is wrong with a file; empty where all of its manifests name it as it is."""
    if found is None:
        return "it is missing: manifests name it"
    if name.startswith("tagmanifest-"):
        known = name in {tag_manifest_name(one) for one in ALGORITHMS}
        return "" if known else "it does not belong to the package"
    if not wanted:
        return "no manifest names it"
    silent = [one for one in ALGORITHMS if one not in wanted]
    if silent:
        return f"the {silent[0]} manifest does not name it"
    differing = [one.upper() for one in ALGORITHMS if wanted[one] != found[one]]
    if differing:
        return (
            f"{' and '.join(differing)} are not what the manifests say"
            if len(differing) > 1
            else (f"{differing[0]} is not what the manifest says")
        )
    if is_tag_file(name) and name not in (*TAG_FILES, *PROOF_FILES):
        return "it does not belong to the package"
    return ""


def _check_kind(directory: Path, sizes: Mapping[str, int], findings: Findings) -> None:
    """The bag's declaration, and its own count of its payload."""
    declared = _read(directory / DECLARATION)
    findings.compare(Aspect.FILES, DECLARATION, declared == DECLARED, "it declares no bag of version 1.0")
    payload = [size for name, size in sizes.items() if name.startswith(f"{PAYLOAD}/")]
    oxum = bag_info(_read(directory / INFO)).get("Payload-Oxum")
    same = oxum == f"{sum(payload)}.{len(payload)}"
    findings.compare(Aspect.FILES, INFO, same, "Payload-Oxum is not what the payload weighs and counts")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.stat().st_size <= _MOST_TAG_BYTES else b""
    except OSError:
        return b""


def bag_info(content: bytes) -> dict[str, str]:
    """The fields of ``bag-info.txt``."""
    lines = content.decode("utf-8", "replace").splitlines()
    return {key: value for key, found, value in (line.partition(": ") for line in lines) if found}
