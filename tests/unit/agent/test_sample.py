"""The sample of the agent's settings names every one with its default."""

from __future__ import annotations

import runpy
import tomllib

from agent.settings import AgentSettings
from tests.support.peers import REPOSITORY


def test_the_sample_names_every_setting_with_its_default() -> None:
    """If this fails: ``python docs/ref/make_settings.py``."""
    made = runpy.run_path(str(REPOSITORY / "docs" / "ref" / "make_settings.py"))["agent_sample"]()
    shipped = (REPOSITORY / "docs" / "ref" / "agent.toml").read_text(encoding="utf-8")
    assert shipped == made
    assert AgentSettings.model_validate(tomllib.loads(shipped)) == AgentSettings()
