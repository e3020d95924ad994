"""Ids that are unique over all sites, so that rows and objects can meet at a centre without renumbering."""

from __future__ import annotations

import uuid


def new_id(prefix: str) -> str:
    """A new id such as ``run-5f0c…``: the prefix names the kind for people, the rest is random."""
    return f"{prefix}-{uuid.uuid4().hex}"
