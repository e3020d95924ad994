"""Writes ``jianzheng.toml`` beside this file: every setting with its default, as a sample to start from."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kernel.settings import ENV_PREFIX, Settings

TARGET = Path(__file__).with_name("jianzheng.toml")
HEAD = f"""\
# Every setting of Jianzheng with its default. Copy what you want to change into jianzheng.toml, in the
# directory that you start it from. In the environment the same setting is {ENV_PREFIX}NAME, or
# {ENV_PREFIX}TABLE__NAME inside a table.
# A key that is not listed here is refused.
"""


def sample() -> str:
    """The text of the sample."""
    plain = [name for name, field in Settings.model_fields.items() if not _is_table(field.annotation)]
    tables = [name for name in Settings.model_fields if name not in plain]
    parts = [HEAD, *(_line(Settings, name) for name in plain)]
    for table in tables:
        model: Any = Settings.model_fields[table].annotation
        parts.append(f"\n# {(model.__doc__ or '').strip()}\n[{table}]\n")
        parts += [_line(model, name) for name in model.model_fields]
    return "".join(parts)


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _line(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    return f"{name} = {_toml(field.default)}  # {field.description}\n"


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        return json.dumps(value.value)
    return json.dumps(str(value) if isinstance(value, Path) else value)


if __name__ == "__main__":
    TARGET.write_text(sample(), encoding="utf-8")
