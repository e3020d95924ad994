"""One sound track per room instead of one per camera: whose sound is kept in another file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.rules import OneTrack, SoundRule
from kernel.model.source import ContentKind
from kernel.timerange import TimeRange, merge, subtract

_SLACK_US = 100_000  # sound begins and ends at its own frames: nobody says a word in so little


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundTrack:
    """The sound of a clip, encoded."""

    clip_id: str
    source_id: str
    file_name: str
    room_id: str
    kind: ContentKind
    size_bytes: int
    may_weigh: float  # bytes: the clip's share of the budget, sound included
    heard: tuple[TimeRange, ...]  # wall time of which there was sound
    mute: bool = False  # digital silence only


def left_out(
    tracks: Sequence[SoundTrack], rule: SoundRule, *, floors_missed: bool
) -> dict[str, tuple[str, ...]]:
    """The clips that go without sound of their own, each with the files that it is in.

    Digital silence, as of a microphone that is not there, is in no file. All clips of a source have a track
    or none: players go from one to the next, and browsers refuse another number of tracks on the way.

    Args:
        floors_missed: the pictures cannot have their floors beside all of the sound.
    """
    found: dict[str, tuple[str, ...]] = {}
    for source_id in dict.fromkeys(one.source_id for one in tracks):
        own = [one for one in tracks if one.source_id == source_id and one.size_bytes]
        files = {one.clip_id: () if one.mute else heard_in(one, tracks) for one in own}
        needless = all(one.mute or files[one.clip_id] for one in own)
        if needless and (all(one.mute for one in own) or _unwanted(own, rule, floors_missed)):
            found |= files
    return found


def _unwanted(own: Sequence[SoundTrack], rule: SoundRule, floors_missed: bool) -> bool:
    """Whether the rule would rather not have a source's sound twice."""
    if rule.one_track_per_room is not OneTrack.WHEN_SHORT:
        return rule.one_track_per_room is OneTrack.ALWAYS
    heavy = sum(one.size_bytes for one in own) > rule.most_share * sum(one.may_weigh for one in own)
    return floors_missed or heavy


def heard_in(track: SoundTrack, tracks: Sequence[SoundTrack]) -> tuple[str, ...]:
    """Files of the room's own cameras that together hear all that a seat's camera does; empty if none do.

    A desktop's sound is not the room's: it is what the computer played.
    """
    if track.kind is not ContentKind.SEAT_FACE:
        return ()
    rooms = [one for one in tracks if one.kind is ContentKind.ROOM and one.room_id == track.room_id]
    whole = [one for one in rooms if _covers(one.heard, track)]
    used = whole[:1] or [one for one in rooms if _shares(one, track)]
    heard = [part for one in used for part in one.heard]
    return tuple(one.file_name for one in used) if _covers(heard, track) else ()


def _covers(heard: Sequence[TimeRange], track: SoundTrack) -> bool:
    missing = (hole for part in track.heard for hole in subtract(part, merge(heard)))
    return bool(track.heard) and all(hole.duration_us <= _SLACK_US for hole in missing)


def _shares(one: SoundTrack, track: SoundTrack) -> bool:
    return any(part.intersect(other) for part in one.heard for other in track.heard)
