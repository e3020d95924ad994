"""What a session may weigh: from its stream-hours and content kinds (invariant 13). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from archiver.rules import ArchiveRules
from kernel.model.source import ContentKind


def budget_bytes(
    seconds: Mapping[ContentKind, float], rules: ArchiveRules, flat_kbps: float | None = None
) -> int:
    """The storage budget of a session, a project or a fleet.

    Args:
        seconds: of recorded footage, by content kind.
        flat_kbps: one rate for all kinds instead of that of each.
    """
    rates = {kind: flat_kbps or rules.kinds[kind].budget_kbps for kind in seconds}
    return int(sum(rates[kind] * 125 * length for kind, length in seconds.items()))
