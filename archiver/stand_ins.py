"""Archive-grade second streams: another source's footage in place of a clip's own, if it has all of it. Pure.

A camera that sends a second stream, small enough to be kept as it is, needs no encoding. Both streams are
sources, both are recorded and cut; ``archive_source`` of the main one names the other (``cameras.yaml``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kernel.model.cut import Clip
from kernel.timerange import subtract


def with_stand_ins(clips: Sequence[Clip], archive_sources: Mapping[str, str]) -> list[Clip]:
    """The clips of a session as they are archived.

    Where the second stream was recorded at all times that the main one was, its footage stands in: the clip
    stays the main source's, and the second one's clip goes. Else both are archived, each with its own.

    Args:
        archive_sources: by main source, the one whose footage is to be archived instead.
    """
    by_place = {(clip.source_id, clip.part): clip for clip in clips}
    used: set[str] = set()
    result: list[Clip] = []
    for clip in clips:
        second = by_place.get((archive_sources.get(clip.source_id, ""), clip.part))
        if second is not None and _has_all(second, clip):
            used.add(second.id)
            clip = replace(
                clip,
                slices=second.slices,
                gaps=second.gaps,
                backfilled=second.backfilled,
                footage_of=second.source_id,
            )
        elif clip.source_id in archive_sources:
            clip = replace(clip, footage_of=clip.source_id)
        result.append(clip)
    return [clip for clip in result if clip.id not in used]


def _has_all(second: Clip, clip: Clip) -> bool:
    """Whether a clip was recorded whenever another was, within the same time."""
    there = [used.wall for used in second.slices]
    missing = [hole for used in clip.slices for hole in subtract(used.wall, there)]
    return second.wall == clip.wall and bool(there) and not missing
