"""What the API promises to whoever builds on it: its OpenAPI description, kept beside the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.objects import MemoryStore
from kernel.clock import FakeClock
from player_api.app import create_app
from tests.support.catalogue import open_catalogue

DESCRIPTION = Path(__file__).parents[2] / "web" / "openapi.json"


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    directory = tmp_path_factory.mktemp("api")
    catalogue = open_catalogue(directory)
    yield create_app(catalogue, MemoryStore(), FakeClock(), static=directory / "none").openapi()
    catalogue.close()


def test_the_description_that_the_page_is_built_from_is_that_of_the_server(
    description: dict[str, Any],
) -> None:
    assert json.loads(DESCRIPTION.read_text(encoding="utf-8")) == json.loads(json.dumps(description))


def test_the_addresses_that_others_rely_on_are_there(description: dict[str, Any]) -> None:
    assert set(description["paths"]) >= {
        "/api/regions",
        "/api/industries",
        "/api/projects",
        "/api/projects/{project_id}",
        "/api/sessions/{session_id}",
        "/api/renditions/{rendition_id}/index",
        "/api/live/sources",
        "/media/renditions/{rendition_id}",
    }


def test_nothing_else_can_be_changed_from_outside(description: dict[str, Any]) -> None:
    changing = {
        (address, method)
        for address, path in description["paths"].items()
        for method in path
        if method != "get"
    }
    assert changing == {
        ("/api/sign-in", "post"),
        ("/api/sign-out", "post"),
        ("/api/begin", "post"),
        ("/api/begin/link", "post"),
        ("/api/me/password", "post"),
        ("/api/me/factor", "post"),
        ("/api/me/factor/offer", "post"),
        ("/api/me/logins/{login_id}/end", "post"),
        ("/api/accounts", "post"),
        ("/api/accounts/{account_id}", "post"),
        ("/api/accounts/{account_id}/role", "post"),
        ("/api/accounts/{account_id}/invite", "post"),
        ("/api/accounts/{account_id}/disable", "post"),
        ("/api/accounts/{account_id}/enable", "post"),
        ("/api/accounts/{account_id}/identity", "post"),
        ("/api/accounts/{account_id}/logins/{login_id}/end", "post"),
        ("/api/rooms/{room_id}/checkups", "post"),
        ("/api/checkups/{checkup_id}/override", "post"),
        ("/api/holds", "post"),
        ("/api/holds/{hold_id}/release", "post"),
        ("/api/bookings", "post"),
        ("/api/bookings/{booking_id}/cancel", "post"),
        ("/api/sessions/{session_id}/events", "post"),
        ("/api/sessions/{session_id}/seatings", "post"),
        ("/api/sessions/{session_id}/tags", "post"),
        ("/api/tags/{tag_id}/corrections", "post"),
        ("/api/tags/{tag_id}/withdrawal", "post"),
        ("/api/sessions/{session_id}/witness-record", "post"),
        ("/api/trading/projects/{project_id}", "put"),
        ("/api/trading/events", "post"),
        ("/api/trading/sessions/{session_id}/seats", "put"),
        ("/api/holds/sessions", "post"),
        ("/api/holds/projects", "post"),
        ("/api/holds/agencies", "post"),
        ("/api/holds/acts/{act_id}/release", "post"),
        ("/api/retention/projects/{project_id}/choices", "post"),
        ("/api/retention/choices/{choice_id}/confirm", "post"),
        ("/api/retention/projects/{project_id}/days", "post"),
        ("/api/disposals", "post"),
        ("/api/disposals/extensions", "post"),
        ("/api/disposals/{disposal_id}/sign", "post"),
        ("/api/disposals/{disposal_id}/withdraw", "post"),
        ("/api/projects/{project_id}/documents", "post"),
        ("/api/watches", "post"),
        ("/api/watches/{watch_id}/beat", "post"),
        ("/api/watches/{watch_id}/close", "post"),
        ("/api/watches/{watch_id}/stills", "post"),
        ("/api/requests", "post"),
        ("/api/requests/{request_id}/decision", "post"),
        ("/api/saved-searches", "post"),
        ("/api/saved-searches/{search_id}", "delete"),
        ("/api/projects/{project_id}/directives", "post"),
        ("/api/directives/{directive_id}/answer", "post"),
        ("/api/directives/{directive_id}/close", "post"),
        ("/api/projects/{project_id}/presence", "post"),
        ("/api/presence/{presence_id}/beat", "post"),
        ("/api/presence/{presence_id}/leave", "post"),
        ("/api/alerts/{alert_id}/acknowledge", "post"),
    }


def test_every_route_and_schema_says_what_it_is(description: dict[str, Any]) -> None:
    routes = [route for path in description["paths"].values() for route in path.values()]
    assert all(route.get("description") for route in routes)
    own = {
        name: schema
        for name, schema in description["components"]["schemas"].items()
        if not name.endswith("Error") and name != "JsonValue"  # anything that JSON has
    }
    assert own
    assert [name for name, schema in own.items() if not schema.get("description")] == []


def test_times_are_integers_with_their_unit_in_the_name(description: dict[str, Any]) -> None:
    """Invariant 6. Other people's systems report in ISO 8601, with the zone; whole days are called days."""
    for name, schema in description["components"]["schemas"].items():
        for field, what in schema.get("properties", {}).items():
            kinds = {what.get("type"), *(one.get("type") for one in what.get("anyOf", []))}
            kinds_of_time = {what.get("format"), *(one.get("format") for one in what.get("anyOf", []))}
            if field.endswith(("_us", "_bytes")):
                assert kinds <= {"integer", "null", None}, f"{name}.{field}"
            if not name.endswith("Report"):
                assert "date-time" not in kinds_of_time, f"{name}.{field}"
                assert "date" not in kinds_of_time or "day" in field or "date" in field, f"{name}.{field}"
