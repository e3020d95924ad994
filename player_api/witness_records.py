"""The witness record of a session: points ticked by the witness, closed when nothing mandatory is missing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import AfterValidator, BaseModel, StringConstraints

from catalog.catalogue import Catalogue
from catalog.witness import EntryRefused
from kernel.clock import Clock
from kernel.model.report import storable
from kernel.model.timeline import Phase
from kernel.model.witness import WitnessAct
from kernel.witness_record import Objection, WitnessRecord
from player_api.gate import Gate, Subject

_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(storable)]


class WitnessItemPublic(BaseModel):
    """A point of the list."""

    id: str
    zh: str
    en: str
    mandatory: bool


class WitnessEntryPublic(BaseModel):
    """One entry; none is ever changed."""

    number: int
    act: WitnessAct
    item: str
    text: str
    principal: str
    recorded_us: int


class WitnessRecordPublic(BaseModel):
    """How the record of a session stands."""

    session_id: str
    phase: Phase
    items: list[WitnessItemPublic]
    """Empty: nothing is recorded of this phase."""
    ticks: dict[str, WitnessEntryPublic]
    """That stand, by item."""
    missing: list[str]
    """Mandatory items that are not ticked."""
    closed: WitnessEntryPublic | None
    entries: list[WitnessEntryPublic]
    """All that was ever entered, in order."""
    may_enter: bool
    """Whether whoever asks may enter something."""


class WitnessEntryByHand(BaseModel):
    """What is to be entered."""

    act: WitnessAct
    item: Annotated[str, StringConstraints(max_length=64), AfterValidator(storable)] = ""
    text: _Text = ""


class ObjectionDetail(BaseModel):
    """Why an entry was not taken, and which items are missing."""

    code: Objection
    message: str
    missing: list[str]


class ObjectionPublic(BaseModel):
    """The answer to an entry that was not taken."""

    detail: ObjectionDetail


def witness_records_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/sessions/{session_id}/witness-record", tags=["witness records"])

    @router.get("", dependencies=[gate.needs("session.see", Subject.SESSION)])
    def record(session_id: str) -> WitnessRecordPublic:
        """The witness record of a session as it stands, and all that was entered."""
        found = catalogue.witness_records.of_session(session_id)
        if found is None:
            raise HTTPException(404, "没有这个场次。No such session.")
        return _public(catalogue, gate, session_id, found)

    @router.post(
        "",
        status_code=201,
        responses={409: {"model": ObjectionPublic, "description": "It was not taken"}},
        dependencies=[gate.needs("witness.record", Subject.SESSION)],
    )
    def enter(session_id: str, told: WitnessEntryByHand) -> WitnessRecordPublic:
        """Tick a point, take that back, close the record, or open it again with a reason."""
        if catalogue.sessions.get(session_id) is None:
            raise HTTPException(404, "没有这个场次。No such session.")
        try:
            made = catalogue.witness_records.enter(
                session_id,
                told.act,
                item=told.item,
                text=told.text,
                principal=gate.by(),
                at_us=clock.now_us(),
            )
        except EntryRefused as error:
            detail = {"code": error.code, "message": str(error), "missing": error.missing}
            raise HTTPException(409, detail) from None
        return _public(catalogue, gate, session_id, made)

    return router


def _public(catalogue: Catalogue, gate: Gate, session_id: str, record: WitnessRecord) -> WitnessRecordPublic:
    session = catalogue.sessions.get(session_id)
    assert session is not None  # its record was just read
    entries = [WitnessEntryPublic.model_validate(one, from_attributes=True) for one in record.entries]
    by_number = {one.number: one for one in entries}
    return WitnessRecordPublic(
        session_id=session_id,
        phase=session.phase,
        items=[WitnessItemPublic.model_validate(one, from_attributes=True) for one in record.items],
        ticks={item: by_number[entry.number] for item, entry in record.ticks.items()},
        missing=[one.id for one in record.missing],
        closed=by_number[record.closed.number] if record.closed else None,
        entries=entries,
        may_enter=gate.may("witness.record", gate.things(Subject.SESSION, session_id)),
    )
