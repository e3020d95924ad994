"""Every command's help: a sentence, and an example that can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.main import app


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_sentence_and_an_example_that_it_understands(name: str) -> None:
    command = COMMANDS[name]
    told = command.help or ""
    assert re.match(r"[A-Z].*[.]\n", told + "\n"), told
    found = re.search(r"Example: `(.+?)`", told)
    assert found, told
    words = shlex.split(found[1].partition(" >")[0])
    assert " ".join(words[: len(name.split()) + 1]) == f"jianzheng {name}"
    command.make_context(name, words[len(name.split()) + 1 :])  # raises on what it does not know


@pytest.mark.parametrize(
    ("option", "meaning"),
    [
        ("--as", "principal"),
        ("--json", "as_json"),
        ("--json-log", "json_log"),
        ("--data-dir", "data_dir"),
        ("--cameras", "cameras"),
        ("--seconds", "seconds"),
        ("--username", "username"),
        ("--password", "password"),
        ("--reason", "reason"),
    ],
)
def test_an_option_means_the_same_in_every_command(option: str, meaning: str) -> None:
    found = [one for command in COMMANDS.values() for one in command.params if option in one.opts]
    assert found
    assert {one.name for one in found} == {meaning}
    assert all(one.help for one in found)


@pytest.mark.parametrize("variable", ["SOURCE_USERNAME", "SOURCE_PASSWORD"])
def test_logins_of_devices_come_from_the_same_environment(variable: str) -> None:
    """One command read ONVIF_PASSWORD, the other SOURCE_PASSWORD."""
    reading = {name for name, command in COMMANDS.items() for one in command.params if variable == one.envvar}
    assert reading == {"discover", "probe"}
