"""No route without a gate (invariant 15): a route that does not say what it needs is found here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute, RouteContext, iter_route_contexts

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.access import WATCH, access_matrix
from kernel.clock import FakeClock
from kernel.settings import AccountSettings, OidcSettings
from player_api.app import create_app
from player_api.gate import Needs
from player_api.people import people_of

FOR_EVERYONE = {
    "/{path:path}": "the page itself; what it shows comes by other routes",
    "/healthz": "whether the process is alive, and nothing else",
    "/api/sign-in": "how one signs in",
    "/api/sign-out": "of nobody, changes nothing",
    "/api/begin": "by a one-time link",
    "/api/begin/link": "likewise",
    "/api/demo/enter": "only in the demo",
}
"""Why nobody has to be signed in."""
FOR_WHOEVER_IS_SIGNED_IN = {
    "/api/regions",
    "/api/industries",
    "/api/event-kinds",
    "/api/tag-kinds",
    "/api/changes",
    "/api/retention/classes",
    "/api/saved-searches",
    "/api/saved-searches/{search_id}",
    "/api/attention",
    "/api/me",
    "/api/me/logins",
    "/api/me/logins/{login_id}/end",
    "/api/me/password",
    "/api/me/factor",
    "/api/me/factor/offer",
    "/api/my-watches",
    "/api/my-supervision",
}
"""What tells nothing that not everybody may know, or only what is one's own."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    directory = tmp_path_factory.mktemp("page")
    (directory / "index.html").write_text("page")
    catalogue = Catalogue.open(f"sqlite:///{directory / 'catalogue.sqlite'}")
    clock = FakeClock()
    people = people_of(
        catalogue, directory, clock, accounts=AccountSettings(), oidc=OidcSettings(), demo=True
    )
    yield create_app(catalogue, MemoryStore(), clock, static=directory, people=people)
    catalogue.close()


def gates(route: RouteContext) -> list[Needs]:
    """What a route says of itself, wherever in its dependencies it says so."""
    found, left = [], list(route.dependant.dependencies)
    while left:
        one = left.pop()
        left += one.dependencies
        if isinstance(one.call, Needs):
            found.append(one.call)
    return found


def routes(app: FastAPI) -> list[RouteContext]:
    """All of them, those of included routers as they are in the end."""
    return [
        one
        for one in iter_route_contexts(app.routes)
        if isinstance(one.original_route, APIRoute | APIWebSocketRoute)
    ]


def test_there_are_no_routes_of_another_kind(app: FastAPI) -> None:
    """But for the description of the interface, which tells nothing of what is in the catalogue."""
    ours = {str(one.path) for one in routes(app)}
    assert len(ours) > 70
    others = {str(one.path) for one in iter_route_contexts(app.routes)} - ours
    assert others == {"/api/openapi.json"}


def test_every_route_says_what_it_needs_once(app: FastAPI) -> None:
    said = {f"{one.methods} {one.path}": len(gates(one)) for one in routes(app)}
    assert {path: count for path, count in said.items() if count != 1} == {}


def test_what_is_open_to_everyone_is_listed_with_its_reason(app: FastAPI) -> None:
    everyone = {str(one.path) for one in routes(app) if gates(one)[0].kind == "everyone"}
    assert everyone == set(FOR_EVERYONE)


def test_what_is_open_to_whoever_is_signed_in_is_listed(app: FastAPI) -> None:
    found = {str(one.path) for one in routes(app) if gates(one)[0].kind == "signed_in"}
    assert found == FOR_WHOEVER_IS_SIGNED_IN


def test_programs_have_keys_of_their_own_below_trading_only(app: FastAPI) -> None:
    found = {str(one.path) for one in routes(app) if gates(one)[0].kind == "program"}
    assert found
    assert all(path.startswith("/api/trading/") for path in found)


def test_machines_are_told_how_this_one_is_and_nothing_else(app: FastAPI) -> None:
    found = {str(one.path) for one in routes(app) if gates(one)[0].kind == "machine"}
    assert found == {"/metrics", "/readyz"}


def test_a_route_that_names_a_thing_is_decided_by_it(app: FastAPI) -> None:
    """A path with a name in it and a gate that does not look at it is open to a role as a whole.

    Accounts lie in no region.
    """
    whole = [one for one in routes(app) if gates(one)[0].kind == "needs" and gates(one)[0].subject is None]
    careless = {str(one.path) for one in whole if "{" in str(one.path)}
    careless = {path for path in careless if not path.startswith("/api/accounts/")}
    assert careless == set()


def test_every_action_is_in_the_matrix(app: FastAPI) -> None:
    named = {gates(one)[0].action for one in routes(app)} - {"", WATCH}
    assert named <= set(access_matrix().actions)


def test_footage_is_given_out_by_the_action_of_watching_or_exporting(app: FastAPI) -> None:
    media = {
        str(one.path): gates(one)[0].action
        for one in routes(app)
        if str(one.path).startswith("/media/") or "originals" in str(one.path)
    }
    assert media == {
        "/media/renditions/{rendition_id}": WATCH,
        "/media/segments/{segment_id}": WATCH,
        "/media/documents/{document_id}": "document.see",
        "/api/clips/{clip_id}/originals": "export.make",
        "/api/clips/{clip_id}/originals/{number:int}.mp4": "export.make",
    }
