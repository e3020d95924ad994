"""One thing that the doctor looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    subject: str
    well: bool
    found: str
    remedy: str = ""
    facts: Mapping[str, object] | None = None  # the same for machines, where there is more to tell
