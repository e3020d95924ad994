"""The one tree of errors is what its module says it is."""

from __future__ import annotations

import pickle
import re

import pytest

from kernel import errors
from kernel.errors import JianzhengError
from kernel.ids import new_id

_LINE = re.compile(r"^    (?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<says> .*)?$")


def classes() -> list[type[JianzhengError]]:
    return [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, JianzhengError) and one.__module__ == errors.__name__
    ]


def drawn() -> dict[str, tuple[str | None, str]]:
    """Parent and remark of each class, as the module's docstring draws them."""
    found: dict[str, tuple[str | None, str]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 4
        del path[depth:]
        found[match["name"]] = (path[-1] if path else None, match["says"] or "")
        path.append(match["name"])
    return found


def test_the_drawn_tree_is_the_real_tree() -> None:
    real = {
        one.__name__: one.__base__.__name__ if one is not JianzhengError and one.__base__ else None
        for one in classes()
    }
    assert {name: parent for name, (parent, _) in drawn().items()} == real


def test_the_drawn_tree_marks_exactly_the_errors_that_a_retry_can_help() -> None:
    marked = {name for name, (_, says) in drawn().items() if "(retry helps)" in says}
    assert marked == {one.__name__ for one in classes() if one.retryable}


@pytest.mark.parametrize("error", classes())
def test_no_error_is_without_a_default_message(error: type[JianzhengError]) -> None:
    assert "__doc__" in vars(error)
    said = (error.__doc__ or "").strip()
    assert said.endswith(".")
    assert error().message == said


@pytest.mark.parametrize("error", classes())
def test_what_an_error_says_contains_its_hint(error: type[JianzhengError]) -> None:
    assert str(error("Broken.")) == f"Broken. {error.hint}".strip()
    assert str(error("Broken.", hint="Do this.")) == "Broken. Do this."
    assert str(error("Broken.", hint="")) == "Broken."


@pytest.mark.parametrize("error", classes())
def test_an_error_keeps_message_and_hint_on_its_way_out_of_a_worker_process(
    error: type[JianzhengError],
) -> None:
    back = pickle.loads(pickle.dumps(error("Broken.", hint="Do this.")))
    assert type(back) is error
    assert (back.message, back.remedy, str(back)) == ("Broken.", "Do this.", "Broken. Do this.")


def test_two_ids_of_one_kind_differ_and_name_their_kind() -> None:
    ids = {new_id("run") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"run-[0-9a-f]{32}", one) for one in ids)
