"""How a request that makes no sense is told, and the body that refusals of programs have."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel


class Refused(BaseModel):
    """Why a request was refused, and what to do about it."""

    detail: str


class Turned(BaseModel):
    """What would be needed."""

    code: str
    message: str
    """For people, in Chinese and in English."""


class TurnedAway(BaseModel):
    """Whoever asks may not, or is not signed in."""

    detail: Turned


class Unfit(BaseModel):
    """What was asked makes no sense: in words, with a code, or field by field."""

    detail: str | Turned | list[dict[str, Any]]


_AS_JSON: dict[str, Any] = {"content": {"application/json": {}}}
"""Of routes that answer with a page or a file, too."""
AT_THE_GATE: dict[int | str, dict[str, Any]] = {
    401: {"model": TurnedAway, "description": "Nobody is signed in", **_AS_JSON},
    403: {"model": TurnedAway, "description": "Whoever asks may not", **_AS_JSON},
    422: {"model": Unfit, "description": "What was asked makes no sense", **_AS_JSON},
}
"""How every route refuses, before it does anything."""


def in_words(error: RequestValidationError) -> str:
    """What is wrong with a request and where, without what was sent."""
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    whole = said.encode(errors="replace").decode()  # a key may be no text at all
    return f"the request makes no sense: {whole}."
