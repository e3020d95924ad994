"""Bookings on the command line: what one will not do is said when it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.catalogue import Catalogue
from cli.bookings import add_booking, new_booking
from cli.main import app
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import TimelineError
from kernel.settings import CamerasFile
from tests.support.catalogue import CAMERAS, open_catalogue

NOW = 1_772_420_400 * SECOND_US  # 2026-03-02T11:00+08:00
DAY = ("2026-03-02T00:00+08:00", "2026-03-03T00:00+08:00")
HOUR = ("2026-03-02T14:00+08:00", "2026-03-02T15:00+08:00")
Book = Callable[..., str]
BOOKED = CamerasFile.model_validate_json(CAMERAS.model_dump_json().replace('"always"', '"booked"'))


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = open_catalogue(tmp_path)
    yield made
    made.close()


@pytest.fixture
def book(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> Book:
    def made(start: str, end: str, *, title: str = "", cameras: CamerasFile = BOOKED) -> str:
        day = "2026-03-02T"
        booking = new_booking("OH", f"{day}{start}+08:00", f"{day}{end}+08:00", title, "clerk")
        add_booking(catalogue, cameras, booking, FakeClock(NOW))
        return " ".join(capsys.readouterr().out.split())

    return made


def test_a_booking_ahead_is_made_in_one_line_without_remarks(book: Book) -> None:
    told = book("14:00", "15:00", title="开标")
    assert "OH 2026-03-02T14:00:00+08:00 - 2026-03-02T15:00:00+08:00 clerk 开标" in told
    assert "note" not in told


def test_a_booking_that_is_over_is_refused(book: Book, catalogue: Catalogue) -> None:
    """It would do nothing, and in silence."""
    with pytest.raises(TimelineError, match=r"over already.*year"):
        book("09:00", "10:00")
    assert catalogue.bookings.touching(new_booking("OH", *DAY, "", "").wall) == []


def test_a_booking_of_months_is_a_slip_of_the_pen(catalogue: Catalogue) -> None:
    booking = new_booking("OH", "2026-03-02T14:00+08:00", "2026-08-02T14:00+08:00", "", "clerk")
    with pytest.raises(TimelineError, match="31 days"):
        add_booking(catalogue, BOOKED, booking, FakeClock(NOW))


def test_a_booking_that_began_says_what_it_cannot_bring_back(book: Book) -> None:
    assert "it began 30 min ago" in book("10:30", "12:00")


def test_an_overlap_names_the_other_booking_and_how_long_it_is(book: Book, catalogue: Catalogue) -> None:
    book("14:00", "15:00", title="项目甲")
    told = book("14:40", "16:00")
    first = catalogue.bookings.touching(new_booking("OH", *HOUR, "", "").wall)[0]
    assert f"it overlaps {first.id} 项目甲 by 20 min" in told
    assert "overlaps" not in book("16:00", "17:00")


def test_a_booking_that_no_source_waits_for_says_so(book: Book) -> None:
    assert "day and night" in book("14:00", "15:00", cameras=CAMERAS)


def test_an_unknown_room_is_refused_with_those_that_there_are(catalogue: Catalogue) -> None:
    with pytest.raises(TimelineError, match="OH"):
        add_booking(catalogue, BOOKED, new_booking("nope", *HOUR, "", "clerk"), FakeClock(NOW))


def test_an_empty_list_and_a_cancelled_booking_say_so(tmp_path: Path, catalogue: Catalogue) -> None:
    booking = new_booking("OH", "2999-01-01T00:00Z", "2999-01-01T01:00Z", "", "clerk")
    catalogue.bookings.book(booking)

    def run(*words: str) -> str:
        return CliRunner().invoke(app, ["booking", *words, "--data-dir", str(tmp_path)]).output

    assert "is cancelled" in run("cancel", booking.id)
    assert "No bookings" in run("list")
