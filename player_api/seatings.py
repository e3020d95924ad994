"""Who sat where, with all that was ever said of it; and putting it right by hand, with a reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from kernel.model.report import storable
from kernel.model.source import Seat
from kernel.model.timeline import Seating, SeatOccupation
from player_api.entries import Moment
from player_api.reporters import ReporterPublic, Reporters

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(storable)]
_Id = Annotated[str, Field(max_length=64), AfterValidator(storable)]


class SeatingPublic(BaseModel):
    """What somebody said of a seat: a member by ordinal, from when to when."""

    id: str
    seat_id: str
    seat_ordinal: int | None
    member: str
    from_us: int | None
    """Empty: from the session's start."""
    to_us: int | None
    """Empty: to the session's end."""
    never: bool
    """Said is that this member never sat there."""
    reason: str
    principal: str
    reporter: ReporterPublic
    recorded_us: int
    replaced_us: int | None
    """Since when something else is said; empty while it holds."""


class SeatingByHand(BaseModel):
    """Who sat on one seat and when, entered by a person with a reason; or that somebody never sat there."""

    seat_id: _Id
    member: Annotated[str, Field(pattern=r"^[A-Z]{1,2}[0-9]{1,3}$")]
    from_us: Moment | None = None
    to_us: Moment | None = None
    reason: Words = Field(max_length=500)
    principal: Words | None = Field(default=None, max_length=100)
    replaces: _Id | None = None
    """What is put right; empty: somebody more sat there."""
    withdrawn: bool = False
    """What is put right never was so: this member never sat there."""

    def occupation(self) -> SeatOccupation:
        return SeatOccupation(
            seat_id=self.seat_id, member=self.member, from_us=self.from_us, to_us=self.to_us
        )


def seating_public(seating: Seating, seats: dict[str, Seat], reporters: Reporters) -> SeatingPublic:
    told = seating.occupation
    return SeatingPublic(
        id=seating.id,
        seat_id=told.seat_id,
        seat_ordinal=seats[told.seat_id].ordinal if told.seat_id in seats else None,
        member=told.member,
        from_us=told.from_us,
        to_us=told.to_us,
        never=told.from_us is not None and told.to_us is not None and told.to_us <= told.from_us,
        reason=seating.reason,
        principal=seating.principal,
        reporter=reporters.of_seating(seating),
        recorded_us=seating.recorded_us,
        replaced_us=seating.replaced_us,
    )
