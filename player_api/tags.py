"""Tags: mark a moment while watching, put a mark right, take it back. All of it stays (invariant 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, NoReturn

from fastapi import APIRouter, HTTPException, Path
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import EventReplaced, TimelineError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.footage import Hold
from kernel.model.report import storable
from kernel.model.source import Seat
from kernel.model.timeline import Session, Tag
from kernel.tags import LockRule, fits, locks, needs_lock, section_at, tag_words
from player_api.entries import Moment
from player_api.gate import Gate, Subject
from player_api.reporters import ReporterPublic, Reporters

AHEAD_US = 60 * SECOND_US
"""How far the clock of who watches may be ahead: nobody marks what was not shown yet."""
_log = logger("player_api")
_Id = Annotated[str, Field(max_length=64), AfterValidator(storable)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(storable)]
TagId = Annotated[str, Path(max_length=64)]


class TagKindPublic(BaseModel):
    """What somebody may mark, and the digit that chooses it."""

    type: str
    key: int
    zh: str
    en: str
    severities: list[str]
    """Those that it may have; none: no severity is asked for."""
    locks: bool
    """It holds the footage of its seat around the moment, and the supervisor is told."""


class SeverityPublic(BaseModel):
    """How bad it is, and the digit that chooses it."""

    type: str
    key: int
    zh: str
    en: str


class TagWordsPublic(BaseModel):
    """What tags are called."""

    kinds: list[TagKindPublic]
    severities: list[SeverityPublic]
    lock_before_us: int
    """Footage that an irregularity holds, before its moment."""
    lock_after_us: int


class TagPublic(BaseModel):
    """A moment that somebody marked, in force or put right since."""

    id: str
    at_us: int
    """Of the frame that was shown."""
    recorded_us: int
    """When it was entered."""
    kind: str
    severity: str
    text: str
    principal: str
    reporter: ReporterPublic
    session_id: str | None
    source_id: str | None
    source_label_zh: str
    source_label_en: str
    seat_id: str | None
    seat_ordinal: int | None
    section_number: int | None
    replaces: str | None
    replaced_by: str | None
    withdrawn: bool
    """Only takes back what it replaces."""
    reason: str
    """Why it was put right or taken back."""
    hold_act_id: str | None
    """The act that holds its footage."""


class TagByHand(BaseModel):
    """A moment that is to be marked: that of the frame on the screen."""

    id: Annotated[str, Field(pattern=r"^tag-[0-9a-f]{32}$")] | None = None
    """Made by whoever sends it, so that it is kept once however often it is sent."""
    at_us: Moment
    kind: Annotated[str, Field(max_length=64)]
    severity: Annotated[str, Field(max_length=64)] = ""
    text: _Text = ""
    source_id: _Id | None = None
    seat_id: _Id | None = None
    """Empty: that of the source."""
    section_number: Annotated[int, Field(ge=1, le=999)] | None = None
    """Empty: that which the session dealt with then."""


class TagCorrection(TagByHand):
    """What is to be said instead of a tag; what was said before stays on record."""

    reason: Annotated[_Text, Field(min_length=1)]


class TagWithdrawal(BaseModel):
    """Why a tag is taken back; it stays on record."""

    reason: Annotated[_Text, Field(min_length=1)]


class TagEntered(TagPublic):
    """A tag as it was taken in."""

    held: list[str]
    """Sources whose footage it holds; of a session or project as a whole, none is named."""
    gone: int
    """Originals of what is held that were removed before."""


class TagRefusal(StrEnum):
    """Why a tag was not taken; pages have words of their own for each."""

    IN_FUTURE = "in_future"
    UNKNOWN_KIND = "unknown_kind"
    ELSEWHERE = "elsewhere"
    """The source or the seat is none of the session's."""
    TAG_REPLACED = "tag_replaced"
    OTHER = "other"


class TagRefusalDetail(BaseModel):
    """A refusal, with what the catalogue says of it."""

    code: TagRefusal
    message: str


class TagRefusalPublic(BaseModel):
    """The answer to a tag that was not taken: nothing of it was kept, and nothing is held."""

    detail: TagRefusalDetail


def tags_router(catalogue: Catalogue, rule: LockRule, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["tags"])
    entering = _Entering(catalogue, rule, clock, gate)
    refusals = {409: {"model": TagRefusalPublic, "description": "It was not taken"}}

    @router.get("/tag-kinds", dependencies=[gate.signed_in()])
    def kinds() -> TagWordsPublic:
        """What may be marked: kinds and severities, with the digits that choose them."""
        return _words_public(rule)

    @router.get("/sessions/{session_id}/tags", dependencies=[gate.needs("session.see", Subject.SESSION)])
    def tags(session_id: str) -> list[TagPublic]:
        """Tags of a session and of its project as a whole, those that were put right included."""
        return tags_public(catalogue, catalogue.tags.of_session(session_id))

    @router.post(
        "/sessions/{session_id}/tags",
        status_code=201,
        responses=refusals,  # type: ignore[arg-type]
        dependencies=[gate.needs("tag.add", Subject.SESSION)],
    )
    def add(session_id: str, told: TagByHand) -> TagEntered:
        """Mark a moment. An irregularity holds footage and tells the supervisor: all of it or nothing."""
        return entering.enter(session_id, told)

    @router.post(
        "/tags/{tag_id}/corrections",
        status_code=201,
        responses=refusals,  # type: ignore[arg-type]
        dependencies=[gate.inside("tag.add")],
    )
    def correct(tag_id: TagId, told: TagCorrection) -> TagEntered:
        """Put a tag right by another one; both stay."""
        old = entering.find(tag_id)
        return entering.enter(old.session_id or "", told, old=old, reason=told.reason)

    @router.post(
        "/tags/{tag_id}/withdrawal",
        status_code=201,
        responses=refusals,  # type: ignore[arg-type]
        dependencies=[gate.inside("tag.add")],
    )
    def withdraw(tag_id: TagId, told: TagWithdrawal) -> TagEntered:
        """Take a tag back; it stays, and so does what it holds."""
        return entering.withdraw(entering.find(tag_id), told.reason)

    return router


def tags_public(catalogue: Catalogue, tags: Sequence[Tag]) -> list[TagPublic]:
    """Tags as pages show them."""
    publisher = _Publisher.of(catalogue, tags)
    return [publisher.told(tag) for tag in tags]


def _words_public(rule: LockRule) -> TagWordsPublic:
    words = tag_words()
    return TagWordsPublic(
        kinds=[
            TagKindPublic(
                type=one.type,
                key=one.key,
                zh=one.zh,
                en=one.en,
                severities=list(one.severities),
                locks=one.locks,
            )
            for one in words.kinds.values()
        ],
        severities=[
            SeverityPublic(type=one.type, key=one.key, zh=one.zh, en=one.en)
            for one in words.severities.values()
        ],
        lock_before_us=rule.before_us,
        lock_after_us=rule.after_us,
    )


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Turns tags into what pages show."""

    catalogue: Catalogue
    reporters: Reporters
    seats: Mapping[str, Seat]
    replaced_by: Mapping[str, str]
    holds: Mapping[str, str]

    @classmethod
    def of(cls, catalogue: Catalogue, tags: Sequence[Tag]) -> _Publisher:
        return cls(
            catalogue,
            Reporters.of(catalogue),
            catalogue.places.seats(),
            {tag.replaces: tag.id for tag in tags if tag.replaces is not None},
            catalogue.holds.acts_of_tags([tag.id for tag in tags]),
        )

    def told(self, tag: Tag) -> TagPublic:
        seat = self.seats.get(tag.seat_id or "")
        source = self.catalogue.places.sources().get(tag.source_id or "")
        return TagPublic(
            id=tag.id,
            at_us=tag.at_us,
            recorded_us=tag.recorded_us,
            kind=tag.kind,
            severity=tag.severity,
            text=tag.text,
            principal=tag.principal,
            reporter=self.reporters.of_person(tag.principal),
            session_id=tag.session_id,
            source_id=tag.source_id,
            source_label_zh=source.label_zh if source else "",
            source_label_en=source.label_en if source else "",
            seat_id=tag.seat_id,
            seat_ordinal=seat.ordinal if seat else None,
            section_number=tag.section_number,
            replaces=tag.replaces,
            replaced_by=self.replaced_by.get(tag.id),
            withdrawn=tag.withdrawn,
            reason=tag.reason,
            hold_act_id=self.holds.get(tag.id),
        )


@dataclass(frozen=True, slots=True)
class _Entering:
    """Takes tags in."""

    catalogue: Catalogue
    rule: LockRule
    clock: Clock
    gate: Gate

    def find(self, tag_id: str) -> Tag:
        """A tag that whoever asks may put right; one that does not exist is refused alike."""
        found = self.catalogue.tags.get(tag_id)
        things = []
        if found is not None and found.session_id is not None:
            things = self.gate.things(Subject.SESSION, found.session_id)
        elif found is not None:
            things = self.gate.things(Subject.PROJECT, found.project_id)
        self.gate.check("tag.add", things)
        if found is None:
            raise HTTPException(404, "没有这个标签。No such tag.")
        return found

    def enter(
        self, session_id: str, told: TagByHand, *, old: Tag | None = None, reason: str = ""
    ) -> TagEntered:
        session = self.catalogue.sessions.get(session_id)
        if session is None:
            raise HTTPException(404, "没有这个场次。No such session.")
        tag = replace(self._tag(session, told), replaces=None if old is None else old.id, reason=reason)
        self._check(session, tag)
        holds = self._holds(tag) if needs_lock(tag, old) else []
        return self._keep(tag, holds)

    def withdraw(self, old: Tag, reason: str) -> TagEntered:
        tag = replace(
            old,
            id=new_id("tag"),
            replaces=old.id,
            withdrawn=True,
            reason=reason,
            principal=self.gate.by(),
            recorded_us=self.clock.now_us(),
        )
        return self._keep(tag, [])

    def _tag(self, session: Session, told: TagByHand) -> Tag:
        """With what follows from what was told: the seat from the source, the section from the timeline."""
        source = self.catalogue.places.sources().get(told.source_id or "")
        numbers = [one.number for one in self.catalogue.projects.sections_of(session.project_id)]
        section = told.section_number
        if section is None:
            events = self.catalogue.sessions.events_of(session.id)
            section = section_at(session, numbers, events, told.at_us)
        return Tag(
            id=told.id or new_id("tag"),
            project_id=session.project_id,
            session_id=session.id,
            source_id=told.source_id,
            at_us=told.at_us,
            kind=told.kind,
            severity=told.severity,
            text=told.text,
            principal=self.gate.by(),
            recorded_us=self.clock.now_us(),
            seat_id=told.seat_id or (source.seat_id if source else None),
            section_number=section,
        )

    def _check(self, session: Session, tag: Tag) -> None:
        if tag.at_us > tag.recorded_us + AHEAD_US:
            _refuse(TagRefusal.IN_FUTURE, "the moment has not come yet.")
        if not fits(tag.kind, tag.severity):
            _refuse(TagRefusal.UNKNOWN_KIND, f"nothing of kind {tag.kind} {tag.severity} can be marked.")
        if not self._shown_in(session, tag):
            _refuse(TagRefusal.ELSEWHERE, f"source or seat is none of session {session.id}.")

    def _shown_in(self, session: Session, tag: Tag) -> bool:
        """Whether source and seat are the session's: its footage is held, never that of another project."""
        rooms = {session.room_id, *session.extra_room_ids}
        places = self.catalogue.places
        if tag.source_id is not None:
            source = places.sources().get(tag.source_id)
            if source is None or (source.room_id not in rooms and source.id not in session.source_ids):
                return False
        if tag.seat_id is None:
            return True
        seat, taken = places.seats().get(tag.seat_id), {one.seat_id for one in session.seats}
        return seat is not None and (seat.id in taken or (seat.room_id in rooms and not taken))

    def _holds(self, tag: Tag) -> list[Hold]:
        return locks(tag, self.catalogue.places.sources().values(), self.rule, new_id("hold"))

    def _keep(self, tag: Tag, holds: Sequence[Hold]) -> TagEntered:
        gone = 0
        try:
            if holds:
                gone = len(self.catalogue.tags.report(tag, holds).gone)
            else:
                self.catalogue.tags.add(tag)
        except EventReplaced as error:
            _refuse(TagRefusal.TAG_REPLACED, str(error))
        except TimelineError as error:
            _refuse(TagRefusal.OTHER, str(error))
        return self._answer(tag, gone)

    def _answer(self, tag: Tag, gone: int) -> TagEntered:
        """As it was kept: sent again, a tag is what it was the first time."""
        kept = self.catalogue.tags.get(tag.id)
        if kept is None or (kept.session_id, kept.principal) != (tag.session_id, tag.principal):
            _refuse(TagRefusal.OTHER, f"the id {tag.id} is taken.")
        _log.info(f"a tag of {kept.kind}", action="tag.added", tag=kept.id, principal=kept.principal)
        told = _Publisher.of(self.catalogue, [kept]).told(kept)
        made = self.catalogue.holds.find(told.hold_act_id) if told.hold_act_id else []
        return TagEntered(
            **told.model_dump(), held=[one.source_id for one in made if one.source_id], gone=gone
        )


def _refuse(code: TagRefusal, message: str) -> NoReturn:
    """Raises: HTTPException: 409."""
    raise HTTPException(409, {"code": code, "message": message})
