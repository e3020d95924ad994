"""Rows from the documents of packages alone: where the store has no record of an archive or project.

So it is of packages that an earlier version made, and where records were lost. What a document does not tell
is taken from the files themselves, or stands as ``docs/design/rebuild.md`` says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from catalog.objects import ObjectStore
from catalog.rebuild_package import FoundPackage
from catalog.rebuild_rows import Rows, checked_row
from catalog.tables import METADATA
from kernel.clock import SECOND_US
from kernel.errors import BoxError, FixityError
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.model.footage import ClockBasis, EndReason, RunOrigin
from kernel.model.timeline import SessionState

SESSION_DOCUMENT, ADDENDUM_DOCUMENT = "data/catalogue.json", "data/addendum.json"
_SESSION_FORMAT, _ADDENDUM_FORMAT = "jianzheng-session/3", "jianzheng-addendum/1"
_ORIGINS = {ClockBasis.REPLAY.value: RunOrigin.BACKFILL, ClockBasis.DECLARED.value: RunOrigin.INTAKE}
_Told = Mapping[str, Any]


def session_rows(store: ObjectStore, found: FoundPackage, at_us: int) -> Rows:
    """All rows of the package of a session.

    Args:
        at_us: when its objects were seen: it counts as verified then.

    Raises:
        FixityError: a document of it makes no sense.
        StorageError: the store does not give it.
    """
    told = found.read_json(store, SESSION_DOCUMENT)
    if told.get("format") != _SESSION_FORMAT:
        raise FixityError(f"it is of format {told.get('format')!r}, which this version does not know")
    try:
        rows = _told_rows(told)
        rows |= _footage(told)
        rows |= _archive(store, found, told, at_us)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise FixityError(f"{SESSION_DOCUMENT} makes no sense: {type(error).__name__} {error}") from None
    return {name: [checked_row(METADATA.tables[name], one) for one in many] for name, many in rows.items()}


def addendum_rows(store: ObjectStore, found: FoundPackage, at_us: int) -> Rows:
    """All rows of an addendum: itself, the documents in it, the archive number.

    Raises:
        FixityError, StorageError: as above.
    """
    told = found.read_json(store, ADDENDUM_DOCUMENT)
    if told.get("format") != _ADDENDUM_FORMAT:
        raise FixityError(f"it is of format {told.get('format')!r}, which this version does not know")
    try:
        project, name = told["project"], _id("addendum", found.prefix)
        row = {
            "id": name,
            "project_id": project["id"],
            "number": told["number"],
            "file_version": told["file_version"],
            "key_prefix": found.prefix,
            "size_bytes": sum(found.sizes.values()),
            "verified_us": at_us,
            "principal": (told["archive_number"] or {}).get("principal", ""),
        }
        rows: Rows = {
            "project": [_pick("project", project)],
            "addendum": [row],
            "addendum_object": [{**one, "addendum_id": name} for one in _objects(found)],
            "archive_number": [told["archive_number"]] if told["archive_number"] else [],
            **_documents(found, told["documents"], project, addendum_id=name),
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FixityError(f"{ADDENDUM_DOCUMENT} makes no sense: {type(error).__name__} {error}") from None
    return {name: [checked_row(METADATA.tables[name], one) for one in many] for name, many in rows.items()}


def _told_rows(told: _Told) -> Rows:
    session, project = told["session"], told["project"]
    name = session["id"]
    own = {"session_id": name}
    return {
        **{table: [_pick(table, one) for one in told[f"{table}s"]] for table in ("site", "room", "seat")},
        "source": _sources(told),
        "project": [_pick("project", project)],
        "section": [_pick("section", one) for one in told["sections"]],
        "venue": [_pick("venue", one) for one in told["venues"]],
        "hall_project": [{"hall_id": project["id"], "project_id": one} for one in told["shown_projects"]],
        "session": [_pick("session", session) | {"state": SessionState.ARCHIVED.value}],
        "session_section": [{**own, "number": one} for one in session["section_numbers"]],
        "session_room": [{**own, "room_id": one} for one in session["extra_room_ids"]],
        "session_source": [{**own, "source_id": one} for one in session["source_ids"]],
        "seating": [_pick("seating", {**one, **own}) for one in told["seatings"]],
        "timeline_event": [_pick("timeline_event", one) for one in told["events"]],
        "tag": [_pick("tag", one) for one in told["tags"]],
        # Packages of earlier versions do not tell it.
        "witness_entry": [_pick("witness_entry", one) for one in told.get("witness_record", [])],
    }


def _sources(told: _Told) -> list[dict[str, Any]]:
    """Sources as they are told, and those of which nothing is told but that footage is theirs."""
    known = {one["id"]: one for one in told["sources"]}
    for clip in told["clips"]:
        other = clip.get("footage_of")
        if other and other not in known:
            known[other] = {**known[clip["source"]], "id": other}
    return [_pick("source", one) for one in known.values()]


def _footage(told: _Told) -> Rows:
    clips, slices = told["clips"], [used for clip in told["clips"] for used in clip["slices"]]
    clocks = {used["segment"]: used for used in slices}
    segments = [_segment(one, clocks[one["id"]]) for one in told["segments"]]
    runs: dict[str, dict[str, Any]] = {}
    for one in sorted(segments, key=lambda one: int(one["chain_number"])):
        run = runs.setdefault(one["run_id"], _run(one))
        one["sequence"] = run.pop("next", 0)  # those that nobody used are not counted
        run["next"] = one["sequence"] + 1
        run["ended_us"] = max(run["ended_us"], one["wall_end_us"])
    for run in runs.values():
        del run["next"]
    return {
        "clip": [_clip(one, told["session"]["id"]) for one in clips],
        "clip_slice": [
            {"clip_id": clip["id"], "segment_id": used["segment"], **_wall(used)}
            for clip in clips
            for used in clip["slices"]
        ],
        "clip_gap": [
            {
                "clip_id": clip["id"],
                "cause": gap["cause"],
                "detail": gap["detail"],
                "backfilled": kind == "backfilled",
                **_wall(gap),
            }
            for clip in clips
            for kind in ("gaps", "backfilled")
            for gap in clip[kind]
        ],
        "run": list(runs.values()),
        "segment": segments,
    }


def _clip(one: _Told, session_id: str) -> dict[str, Any]:
    return {
        "id": one["id"],
        "session_id": session_id,
        "source_id": one["source"],
        "part": one["part"],
        "revision": one["revision"],
        "retired_us": None,
        **_wall(one),
    }


def _segment(one: _Told, used: _Told) -> dict[str, Any]:
    wall = _wall(one)
    return {
        "id": one["id"],
        "run_id": one["run"],
        "source_id": one["source"],
        **wall,
        "media_start": 0,
        "media_duration": wall["wall_end_us"] - wall["wall_start_us"],
        "timescale": SECOND_US,
        "clock_basis": used["clock_basis"],
        "clock_offset_us": used["clock_offset_us"],
        "path": one["path"],
        "size_bytes": one["size_bytes"],
        "sha256": one["sha256"],
        "chain": one["chain"],
        "chain_number": one["number"],
        "end_reason": EndReason.LENGTH.value,
    }


def _run(first: _Told) -> dict[str, Any]:
    return {
        "id": first["run_id"],
        "source_id": first["source_id"],
        "started_us": first["wall_start_us"],
        "ended_us": first["wall_end_us"],
        "end_reason": EndReason.STOPPED.value,
        "origin": _ORIGINS.get(first["clock_basis"], RunOrigin.LIVE).value,
    }


def _archive(store: ObjectStore, found: FoundPackage, told: _Told, at_us: int) -> Rows:
    size, name = sum(found.sizes.values()), _id("archive", found.prefix)
    over = size > told["budget_bytes"]
    return {
        "archive": [
            {
                "id": name,
                "session_id": told["session"]["id"],
                "version": int(found.prefix.rpartition("/v")[2]),
                "key_prefix": found.prefix,
                "budget_bytes": told["budget_bytes"],
                "size_bytes": size,
                "raw_bytes": _raw_bytes(told),
                "verified_us": at_us,
                "principal": told["principal"],
                "overrun_reason": "The package does not tell why." if over else "",
                "cut_number": told["session"]["cut_number"],
            }
        ],
        "archive_object": [{**one, "archive_id": name} for one in _objects(found)],
        "rendition": [_rendition(store, found, name, file) for file in _files(found)],
        **_documents(found, told.get("documents", []), told["project"], archive_id=name),
    }


def _raw_bytes(told: _Told) -> int:
    """As the archiver counts it: the share of the segments that the clips use, by time."""
    by_id = {one["id"]: one for one in told["segments"]}
    total = 0
    for clip in told["clips"]:
        for used in clip["slices"]:
            whole, part = _wall(by_id[used["segment"]]), _wall(used)
            length = max(1, whole["wall_end_us"] - whole["wall_start_us"])
            share = part["wall_end_us"] - part["wall_start_us"]
            total += by_id[used["segment"]]["size_bytes"] * share // length
    return total


def _files(found: FoundPackage) -> list[str]:
    start = f"{found.prefix}/data/clips/"
    return sorted(key.removeprefix(start) for key in found.sha256 if key.startswith(start))


def _rendition(store: ObjectStore, found: FoundPackage, archive_id: str, file: str) -> dict[str, Any]:
    receipt = found.read_json(store, f"data/receipts/{file}.json")
    key = f"{found.prefix}/data/clips/{file}"
    try:
        with store.open(key) as reader:
            init = read_init(reader)
        video, sound = init.video, init.audio
        codecs = (codec_string(video.sample_entry), codec_string(sound.sample_entry) if sound else None)
    except BoxError as error:
        raise FixityError(f"{file} is no archived file: {error}") from None
    return {
        "id": _id("rendition", key),
        "archive_id": archive_id,
        "clip_id": receipt["clip"]["id"],
        "object_key": key,
        "video_codec": codecs[0],
        "audio_codec": codecs[1],
        "width": video.width,
        "height": video.height,
        "receipt": receipt,
        **_quality(receipt["measured"]),
    }


def _quality(measured: _Told) -> dict[str, Any]:
    """As the archiver reads it from a receipt; nothing from one that is older than measuring."""
    quality = measured.get("quality")
    if quality is None:
        return {}
    wanted = quality["wanted"]
    return {
        "recorded_us": round(measured["seconds"] * SECOND_US),
        "frames": measured["frames"],
        "frames_seen": measured["frames_seen"],
        "vmaf_mean": quality["vmaf_mean"],
        "vmaf_p5": quality["vmaf_p5"],
        "text_agreement": quality["text_agreement"],
        "vmaf_floor": wanted["vmaf_p5"],
        "vmaf_ceiling": wanted["vmaf_mean"],
        "text_floor": wanted["text_agreement"],
        "floors_reached": quality["floors_reached"],
    }


def _documents(found: FoundPackage, told: list[_Told], project: _Told, **held_by: str) -> Rows:
    """Documents of a package, and that it holds them."""
    rows: Rows = {"document": [], "document_copy": []}
    for one in told:
        copy = f"{found.prefix}/data/documents/{one['file']}"
        suffix = one["file"].rpartition(".")[2]
        places = [found.prefix.split("/")[at] for at in ((1, 2, 5) if "archive_id" in held_by else (1, 2, 3))]
        row = {**one, "project_id": project["id"], "session_id": one["session"], "checks": one["check"]}
        row["object_key"] = f"documents/{'/'.join(places)}/{one['sha256']}.{suffix}"
        rows["document"].append(_pick("document", row))
        rows["document_copy"].append(
            {"object_key": copy, "document_id": one["id"], "archive_id": None, "addendum_id": None, **held_by}
        )
    return rows


def _objects(found: FoundPackage) -> list[dict[str, Any]]:
    return [
        {"key": key, "size_bytes": found.sizes[key], "sha256": digest}
        for key, digest in sorted(found.sha256.items())
    ]


def _pick(table: str, told: _Told) -> dict[str, Any]:
    """What of it a table has columns for."""
    return {one.name: told[one.name] for one in METADATA.tables[table].columns if one.name in told}


def _wall(told: _Told) -> dict[str, int]:
    return {"wall_start_us": told["wall"]["start_us"], "wall_end_us": told["wall"]["end_us"]}


def _id(kind: str, key: str) -> str:
    """The same for the same key: rebuilding again makes the same rows."""
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
