"""What a keeper tells a recording process: its sources and when each is wanted, as one line of JSON.

It holds credentials: it goes through a pipe, and never into a log or a file (invariant 16).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kernel.model.source import RecordMode, Wish
from kernel.settings import SourceSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """For one process."""

    specs: Sequence[SourceSpec]
    wishes: Sequence[Wish]

    def line(self) -> bytes:
        told = {
            "sources": [_open(spec) for spec in self.specs],
            "wishes": [asdict(wish) for wish in self.wishes],
        }
        return json.dumps(told).encode("ascii") + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Orders:
        """The same, at the other end of the pipe."""
        told = json.loads(line)
        return cls(
            specs=[SourceSpec.model_validate(one) for one in told["sources"]],
            wishes=[Wish(**{**one, "record": RecordMode(one["record"])}) for one in told["wishes"]],
        )


def _open(spec: SourceSpec) -> dict[str, object]:
    return {**spec.model_dump(mode="json"), "password": spec.password.get_secret_value()}
