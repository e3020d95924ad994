"""What people did with the sample's files: evidence locked, requests made, old files appraised.

Loading again changes nothing, not even the audit chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase

from catalog.catalogue import Catalogue
from catalog.requests import Decision
from cli.sample.files import Appraisal, EvidenceLock, Retrieval, Sample
from kernel.clock import SECOND_US, from_datetime
from kernel.errors import RequestDenied
from kernel.model.footage import Hold, HoldKind
from kernel.model.life import TermStart
from kernel.model.use import Scope, UseKind, UseRequest
from kernel.settings import CutSettings, UseSettings
from segmenter.hall import local_day
from segmenter.timeline import sources_of

_EVERYTHING = "*"
_DAY_US = 24 * 3600 * SECOND_US


def load_locks(catalogue: Catalogue, sample: Sample, until_us: int) -> None:
    """Hold what was locked by then, and let go of what was released by then: an act for each lock."""
    for lock in sample.locks:
        if from_datetime(lock.since) <= until_us:
            _lock(catalogue, lock, until_us)


def _lock(catalogue: Catalogue, lock: EvidenceLock, until_us: int) -> None:
    made = {hold.id for hold in catalogue.holds.all(released=True)}
    new = [hold for hold in _holds(catalogue, lock) if hold.id not in made]
    if new:
        catalogue.holds.make_all(new)
    if lock.released is None or from_datetime(lock.released) > until_us:
        return
    if any(hold.released_us is None for hold in catalogue.holds.find(lock.id)):
        at_us, reason = from_datetime(lock.released), lock.release_reason
        catalogue.holds.release(lock.id, at_us=at_us, principal=lock.by, reason=reason)


def _holds(catalogue: Catalogue, lock: EvidenceLock) -> Iterator[Hold]:
    """On the project where all of it is locked; else on each source that the pattern fits."""
    reason, made_us = f"{lock.id} {lock.reason}", from_datetime(lock.since)
    if lock.sources == _EVERYTHING:
        yield Hold(
            id=lock.id,
            kind=HoldKind.PROJECT,
            project_id=lock.project,
            reason=reason,
            principal=lock.by,
            made_us=made_us,
            tag_id=lock.tag,
        )
        return
    rules = CutSettings().rules()
    kinds = {room.id: room.kind for room in catalogue.places.rooms().values()}
    sources = catalogue.places.sources().values()
    for session in catalogue.sessions.of_project(lock.project):
        if session.start_us is None:
            continue
        for source in sources_of(session, sources, rules, kinds):
            if fnmatchcase(source.id, lock.sources):
                yield Hold(
                    id=f"{lock.id}.{session.id}.{source.id}",
                    source_id=source.id,
                    # Whole days: at the time of a lock nobody knows how long a session will last.
                    wall=local_day(session.start_us),
                    reason=reason,
                    principal=lock.by,
                    made_us=made_us,
                    tag_id=lock.tag,
                    act_id=lock.id,
                )


def load_requests(catalogue: Catalogue, sample: Sample, until_us: int) -> None:
    """Requests as far as they had come by then; what nobody may ask for leaves its attempt on record."""
    known = {project.id for project in sample.projects}
    for one in sample.retrievals:
        if one.project in known and from_datetime(one.asked_at) <= until_us:
            _ask(catalogue, one)
            _go_on(catalogue, one, until_us)


def _ask(catalogue: Catalogue, one: Retrieval) -> None:
    tried = {record.details.get("request") for record in catalogue.requests.uses(one.project)}
    if one.id in tried:
        return
    asked = UseRequest(
        id=one.id,
        project_id=one.project,
        kind=UseKind.EXPORT,
        role=one.role,
        scope=Scope(
            session_ids=one.sessions,
            source_ids=one.sources,
            start_us=None if one.start is None else from_datetime(one.start),
            end_us=None if one.end is None else from_datetime(one.end),
        ),
        reason=one.reason,
        basis_no=one.basis_no,
        principal=one.by,
        asked_us=from_datetime(one.asked_at),
    )
    with suppress(RequestDenied):  # RQ-04 has no basis number: that it was tried is what is on record
        catalogue.requests.ask(asked)


def _go_on(catalogue: Catalogue, one: Retrieval, until_us: int) -> None:
    """Decide on it and give it out, as far as that was done by then."""
    asked = {request.id: request for request in catalogue.requests.all(project_id=one.project)}.get(one.id)
    decided_at = one.approved_at or one.refused_at
    if asked is None or decided_at is None or from_datetime(decided_at) > until_us:
        return
    decided_us = from_datetime(decided_at)
    if asked.approved is None:
        decision = Decision(
            approved=one.approved_at is not None,
            principal=one.approver,
            reason=one.refusal,
            at_us=decided_us,
            expires_us=decided_us + round(UseSettings().request_days * _DAY_US),
        )
        catalogue.requests.decide(one.id, decision)
    if one.used_at is not None and from_datetime(one.used_at) <= until_us and asked.used_us is None:
        catalogue.requests.use(one.id, one.by, from_datetime(one.used_at))


def load_appraisals(catalogue: Catalogue, sample: Sample, until_us: int) -> None:
    """The old projects of the disposal list, and what was decided on them by then.

    A file that is to be destroyed has to be there: without an archive nothing is proposed.
    """
    for one in sample.appraisals:
        at_us = from_datetime(one.at)
        if at_us > until_us:
            continue
        _know(catalogue, one, at_us)
        if catalogue.disposals.all(project_id=one.project.id):
            continue
        said = {"reason": one.reason, "principal": one.by}
        if one.new_class:
            catalogue.disposals.extend(one.project.id, one.new_class, at_us=at_us, **said)
        elif catalogue.archives.file_sets_of(one.project.id):
            catalogue.disposals.propose(one.project.id, at_us=at_us, **said)


def _know(catalogue: Catalogue, one: Appraisal, at_us: int) -> None:
    """The project, what happened in it, and the day that terms are counted from."""
    project_id = one.project.id
    if catalogue.projects.project(project_id) is not None:
        return
    catalogue.reports.take_project(one.project, principal=one.by, at_us=at_us)
    for event in one.events:
        catalogue.sessions.record_event(event.event(one.by, at_us))
    for kind in (TermStart.PROCUREMENT_END, TermStart.PROJECT_END):
        catalogue.retention.tell_day(
            project_id, kind, one.ended, reason="纸质档案", principal=one.by, at_us=at_us
        )
