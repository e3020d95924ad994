"""Bookings by the page: when rooms are to be recorded, until a trading system says so by itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, StringConstraints

from catalog.bookings import check_bookable
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import BookingOver, BookingTooLong, TimelineError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.footage import Booking
from kernel.timerange import TimeRange
from player_api.entries import Moment, Name, range_of
from player_api.gate import Gate, Subject

_SHOWN_US = 366 * 24 * 3600 * SECOND_US

_log = logger("player_api")


class BookingPublic(BaseModel):
    """A room is to be recorded from then to then, longer if a session overruns."""

    id: str
    room_id: str
    start_us: int
    end_us: int
    title: str
    principal: str


class BookingRequest(BaseModel):
    """Which room is booked, when, what for, and by whom."""

    room_id: str
    start_us: Moment
    end_us: Moment
    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    principal: Name | None = None


class CancelRequest(BaseModel):
    """Who cancels a booking."""

    principal: Name | None = None


def booking_public(booking: Booking) -> BookingPublic:
    return BookingPublic(
        id=booking.id,
        room_id=booking.room_id,
        start_us=booking.wall.start_us,
        end_us=booking.wall.end_us,
        title=booking.title,
        principal=booking.principal,
    )


def bookings_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/bookings", tags=["bookings"])

    @router.get("", dependencies=[gate.inside("booking.see")])
    def bookings(room_id: str | None = None) -> list[BookingPublic]:
        """Bookings of the next year that are not over, the earliest first."""
        now_us = clock.now_us()
        found = catalogue.bookings.touching(TimeRange(start_us=now_us, end_us=now_us + _SHOWN_US))
        seen = gate.rooms("booking.see", [one.room_id for one in found])
        return [
            booking_public(one) for one in found if one.room_id in seen and room_id in (None, one.room_id)
        ]

    @router.post("", status_code=201, dependencies=[gate.inside("booking.make")])
    def book(request: BookingRequest) -> BookingPublic:
        """Book a room."""
        gate.check("booking.make", gate.things(Subject.ROOM, request.room_id))
        if request.room_id not in catalogue.places.rooms():
            raise HTTPException(404, "没有这个场所。No such room.")
        booking = Booking(
            id=new_id("book"),
            room_id=request.room_id,
            wall=_bookable(range_of(request.start_us, request.end_us), clock.now_us()),
            title=request.title,
            principal=gate.by(request.principal),
        )
        catalogue.bookings.book(booking, at_us=clock.now_us())
        _say("made", booking.id, gate.by(request.principal))
        return booking_public(booking)

    @router.post(
        "/{booking_id}/cancel",
        status_code=204,
        dependencies=[gate.needs("booking.make", Subject.BOOKING)],
    )
    def cancel(booking_id: str, request: CancelRequest) -> None:
        """Cancel a booking; what was recorded of it stays."""
        try:
            catalogue.bookings.cancel(booking_id, principal=gate.by(request.principal), at_us=clock.now_us())
        except TimelineError:
            raise HTTPException(404, "没有这个预约。No such booking.") from None
        _say("cancelled", booking_id, gate.by(request.principal))

    return router


def _bookable(wall: TimeRange, now_us: int) -> TimeRange:
    try:
        check_bookable(wall, now_us)
    except BookingOver:
        raise HTTPException(422, "预约的时间已经过去。The booked time is over.") from None
    except BookingTooLong:
        raise HTTPException(422, "一次预约最长31天。A booking lasts 31 days at most.") from None
    return wall


def _say(what: str, booking_id: str, principal: str) -> None:
    said = {"booking": booking_id, "principal": principal}
    _log.info(f"booking {booking_id} was {what}", action=f"booking.{what}", **said)
