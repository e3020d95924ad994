"""What archiving works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archiver.signing import PackageSigner
from archiver.steps import StepRunner
from catalog.catalogue import Catalogue
from catalog.objects import ObjectStore
from kernel.clock import Clock
from kernel.settings import ArchiveSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What archiving works with."""

    catalogue: Catalogue
    store: ObjectStore
    runner: StepRunner
    settings: ArchiveSettings
    ring: Path
    work: Path
    clock: Clock
    principal: str
    signer: PackageSigner  # signs packages
    archive_sources: Mapping[str, str] = field(default_factory=dict)  # whose footage is archived, by source
