"""How S3-compatible stores differ, as data: ``catalog/data/object_stores.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from kernel.errors import SettingsError

_FILE = Path(__file__).resolve().parents[1] / "data" / "object_stores.yaml"
GENERIC = "generic"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vendor:
    """What is known of one vendor's stores; the file says what each field means."""

    name: str
    checked: str  # the version that we tried ourselves; empty: known from documentation only
    source: str  # where it is documented
    once_put: bool  # without versioning, PutObject refuses a key that is taken
    once_complete: bool  # and so does CompleteMultipartUpload
    path_style: bool  # the bucket stands in the path
    part_etag_is_md5: bool  # parts of a broken-off upload can be compared
    max_put_bytes: int  # largest object of one PutObject
    max_key_bytes: int  # longest key in UTF-8
    full_codes: tuple[str, ...]  # how it says that there is no room


def vendors() -> dict[str, Vendor]:
    """All vendors that are known, by name."""
    rows = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {row["name"]: Vendor(**{**row, "full_codes": tuple(row["full_codes"])}) for row in rows}


def vendor_of(name: str) -> Vendor:
    """The vendor that a setting names; empty: the one of whom nothing is assumed.

    Raises:
        SettingsError: nobody is called so.
    """
    known = vendors()
    found = known.get(name or GENERIC)
    if found is None:
        raise SettingsError(f"store.vendor is none of {', '.join(known)}.")
    return found
