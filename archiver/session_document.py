"""``catalogue.json`` of a package: what the catalogue knows of a session, to be read without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from archiver.receipt import clip_json, wall_json
from catalog.catalogue import Catalogue
from kernel.chain import GENESIS_CHAIN
from kernel.model.cut import Clip
from kernel.model.footage import Segment
from kernel.model.timeline import Seating, Session
from kernel.model.witness import WitnessEntry
from kernel.values import fields_of

FORMAT = "jianzheng-session/3"
"""Names in the document are those of the value types. Who renames one gives the format another number."""


def session_document(
    catalogue: Catalogue, session: Session, clips: Sequence[Clip], segments: Mapping[str, Segment]
) -> dict[str, Any]:
    """Everything about a session that is not in its files: it can be rebuilt from the store (invariant 12).

    Events and seatings that were put right are there beside what holds, with reason and principal. Region
    and industry are codes of the deployment's own tables; addresses of sources are nowhere (invariant 16).

    Args:
        session: as it is; that nothing comes in between is for ``Archives.known_number`` to say.
    """
    sessions, projects = catalogue.sessions, catalogue.projects
    project = projects.project(session.project_id)
    assert project is not None  # a session row refers to its project
    return {
        "format": FORMAT,
        "project": fields_of(project),
        "sections": [fields_of(one) for one in projects.sections_of(project.id)],
        "venues": [fields_of(one) for one in projects.venues_of(project.id)],
        "shown_projects": projects.seen_in_hall(project.id),
        "session": {name: value for name, value in fields_of(session).items() if name != "seats"},
        "seatings": [_seating(one) for one in sessions.seatings_of(session.id)],
        "events": [fields_of(one) for one in sessions.events_of(session.id)],
        "tags": [fields_of(one) for one in catalogue.tags.of_session(session.id)],
        "witness_record": [fields_of(one) for one in _witnessed(catalogue, session.id)],
        **_places(catalogue, session, clips),
        "clips": [
            {**clip_json(clip, dict(segments)), "revision": clip.revision}  # receipts need no revision
            for clip in clips
        ],
        "segments": _segments(catalogue, segments.values()),
    }


def _witnessed(catalogue: Catalogue, session_id: str) -> Sequence[WitnessEntry]:
    record = catalogue.witness_records.of_session(session_id)
    return () if record is None else record.entries


def _segments(catalogue: Catalogue, segments: Collection[Segment]) -> list[dict[str, Any]]:
    """Segments with their links: each chain value can be computed from the one before and the hash."""
    numbers = catalogue.footage.places_in_chain(one.id for one in segments)
    before: dict[tuple[str, int], str] = {}
    for source_id in {one.source_id for one in segments}:
        own = [numbers[one.id] for one in segments if one.source_id == source_id]
        links = catalogue.footage.chain_values(source_id, min(own) - 1, max(own))
        before |= {(source_id, number + 1): chain for number, chain in links.items()}
    return [
        {
            "id": one.id,
            "source": one.source_id,
            "run": one.run_id,
            "wall": wall_json(one.wall),
            "path": one.path,
            "size_bytes": one.size_bytes,
            "sha256": one.sha256,
            "number": numbers[one.id],
            "chain_before": before.get((one.source_id, numbers[one.id]), GENESIS_CHAIN),
            "chain": one.chain,
        }
        for one in segments
    ]


def _seating(seating: Seating) -> dict[str, Any]:
    told = fields_of(seating)
    return {**fields_of(told.pop("occupation")), **told}


def _places(catalogue: Catalogue, session: Session, clips: Sequence[Clip]) -> dict[str, Any]:
    """Sites, rooms, seats and sources that the session names or that its clips come from."""
    places = catalogue.places
    all_sources = places.sources()
    sources = [all_sources[name] for name in sorted({clip.source_id for clip in clips})]
    own = {session.room_id, *session.extra_room_ids, *(one.room_id for one in sources)}
    rooms = [room for name, room in sorted(places.rooms().items()) if name in own]
    sites = {room.site_id for room in rooms}
    return {
        "sites": [fields_of(one) for name, one in sorted(places.sites().items()) if name in sites],
        "rooms": [fields_of(one) for one in rooms],
        "seats": [fields_of(one) for _, one in sorted(places.seats().items()) if one.room_id in own],
        "sources": [fields_of(one) for one in sources],
    }
