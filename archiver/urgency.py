"""Which session is archived first: the one whose originals are going to be removed first.

The ring keeps footage of unarchived sessions, and removes the oldest first once they are archived: the oldest
footage is what fills the disk, what a rule on personal data (``ring.keep_days``) wants gone first, and what a
disk that fails has had most time to damage. So the oldest original gives a session its turn. What somebody
holds stays anyhow, and counts as recorded a week later: not for ever, or its session would never be archived.

No session waits for ever: before it go only those with footage older than its own, or at most a week younger,
and of these there are only so many, whatever is handed in later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernel.clock import SECOND_US
from kernel.model.cut import Clip
from kernel.model.footage import Hold
from kernel.model.timeline import Session
from kernel.timerange import EVER_US, TimeRange

HELD_US = 7 * 24 * 3600 * SECOND_US
"""So much less urgent is footage that is held."""


def turn_us(session: Session, clips: Iterable[Clip], holds: Sequence[Hold]) -> int:
    """The session with the least of these is archived next; wall time of its oldest footage that may go."""
    moments = [
        used.wall.end_us + (HELD_US if _held(clip.source_id, used.wall, holds) else 0)
        for clip in clips
        for used in clip.slices
    ]
    return min(moments, default=session.end_us or EVER_US)


def _held(source_id: str, wall: TimeRange, holds: Sequence[Hold]) -> bool:
    """A hold keeps every segment that it touches; of a slice that is held in part the rest is left out."""
    return any(one.source_id == source_id and one.wall.intersect(wall) == wall for one in holds)
