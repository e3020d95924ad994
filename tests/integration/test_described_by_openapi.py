"""What the description of the interface says, with each role: schemathesis asks, the server keeps to it.

Examples are drawn from the description itself; whatever they are, the answer has the shape that is said, and
is never the server's own failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from player_api.gate import COOKIE
from tests.support.people import Served, served

ACCOUNTS = [
    "",
    *["w-zt-1", "s-zj-1", "i-jw-1", "arch-1", "boss-1", "agt-1", "sys-1", "sec-1", "aud-1", "api-tender"],
]
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("month"), "12 12:00") as made:
        yield made


@pytest.fixture(scope="module")
def operations(centre: Served) -> list[Any]:
    """All operations of the description."""
    schema = schemathesis.openapi.from_url(f"{centre.url}/api/openapi.json")
    found = [one.ok() for one in schema.get_all_operations()]
    assert len(found) > 80
    return found


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_server_keeps_to_its_description(account: str, centre: Served, operations: list[Any]) -> None:
    faults = [fault for one in operations for fault in _faults(one, account, centre)]
    assert not faults, "\n".join(faults)


def _faults(operation: Any, account: str, centre: Served) -> list[str]:
    """What is wrong with the answers to some examples of an operation."""
    token = centre.token(account) if account else ""  # anew each time: one operation signs it out
    found: list[str] = []

    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(cookies={COOKIE: token} if token else {})
        if answer.status_code == 503:
            return  # what this server has not: a ring, a checker of cameras
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            found.extend(f"{operation.label} as {account or 'nobody'}: {one}" for one in group.exceptions)

    ask()
    return found[:3]
