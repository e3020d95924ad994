"""Writes ``jianzheng.toml`` and ``agent.toml`` beside this file: every setting with its default."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from agent.settings import AgentSettings
from kernel.settings import ENV_PREFIX, Settings

TARGET = Path(__file__).with_name("jianzheng.toml")
AGENT_TARGET = Path(__file__).with_name("agent.toml")
HEAD = f"""\
# Every setting of Jianzheng with its default. Copy what you want to change into jianzheng.toml, in the
# directory that you start it from. In the environment the same setting is {ENV_PREFIX}NAME, or
# {ENV_PREFIX}TABLE__NAME inside a table.
# A key that is not listed here is refused.
"""
AGENT_HEAD = """\
# Every setting of jianzheng-agent with its default. recorder, source and token must be given:
# 'jianzheng enrol' at the recorder writes a file with them. A key that is not listed here is refused.
"""


def agent_sample() -> str:
    """The text of the agent's sample."""
    return AGENT_HEAD + "".join(_line(AgentSettings, name) for name in AgentSettings.model_fields)


def sample() -> str:
    """The text of the sample."""
    plain = [name for name, field in Settings.model_fields.items() if not _is_table(field.annotation)]
    tables = [name for name in Settings.model_fields if name not in plain]
    parts = [HEAD, *(_line(Settings, name) for name in plain)]
    for table in tables:
        parts += _table(table, Settings.model_fields[table].annotation)
    return "".join(parts)


def _table(name: str, model: Any) -> list[str]:
    """A table, and after its own keys those inside it: TOML wants them in this order."""
    fields = {key: field.annotation for key, field in model.model_fields.items()}
    head = f"\n# {(model.__doc__ or '').strip()}\n[{name}]\n"
    lines = [_line(model, key) for key, kind in fields.items() if not _is_table(kind)]
    inner = [_table(f"{name}.{key}", kind) for key, kind in fields.items() if _is_table(kind)]
    return [head, *lines, *(line for lines in inner for line in lines)]


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _line(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.default is None:  # TOML has no word for it
        return f"# {name} =  # {field.description}\n"
    return f"{name} = {_toml(field.default)}  # {field.description}\n"


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        return json.dumps(value.value)
    return json.dumps(str(value) if isinstance(value, Path | SecretStr) else value, ensure_ascii=False)


if __name__ == "__main__":
    TARGET.write_text(sample(), encoding="utf-8")
    AGENT_TARGET.write_text(agent_sample(), encoding="utf-8")
