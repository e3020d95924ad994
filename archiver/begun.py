"""What was decided while a session still ran: it holds when the session is archived, or nothing is gained.

Kept as one small file in the session's working directory. The encoded chunks lie beside it; a file that is
lost costs time and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archiver.clip_work import Chunk
from archiver.output import whole_file
from kernel.timerange import TimeRange

_NAME = "begun.json"


@dataclass(kw_only=True, slots=True)
class Begun:
    """Settings of chunks that were encoded already, and the stretches that were probed."""

    settings: dict[str, tuple[int, float]] = field(default_factory=dict)  # CRF and height, by chunk
    probed: dict[str, list[TimeRange]] = field(default_factory=dict)  # by clip

    def setting(self, chunk: Chunk) -> tuple[int, float] | None:
        """What a chunk was encoded with; None where it was not, or where a tag has come near since."""
        return self.settings.get(_key(chunk))

    def choose(self, chunk: Chunk, crf: int, height: float) -> None:
        """Note the setting of a chunk, before it is encoded."""
        self.settings[_key(chunk)] = crf, height

    def heights(self) -> Mapping[str, float]:
        """The height of each clip that was begun: a file has one size of picture."""
        return {key.split("|")[0]: height for key, (_, height) in self.settings.items()}

    def save(self, directory: Path) -> None:
        """Keep it for the next process."""
        directory.mkdir(parents=True, exist_ok=True)
        probed = {name: [[one.start_us, one.end_us] for one in walls] for name, walls in self.probed.items()}
        with whole_file(directory / _NAME) as file:
            file.write(json.dumps({"settings": self.settings, "probed": probed}).encode())


def begun(directory: Path) -> Begun:
    """What was noted in a session's working directory; nothing where there is no note that can be read."""
    try:
        told = json.loads((directory / _NAME).read_bytes())
        return Begun(
            settings={key: (int(crf), float(height)) for key, (crf, height) in told["settings"].items()},
            probed={
                name: [TimeRange(start_us=start, end_us=end) for start, end in walls]
                for name, walls in told["probed"].items()
            },
        )
    except (OSError, ValueError, LookupError, TypeError):
        return Begun()


def _key(chunk: Chunk) -> str:
    wall = chunk.stretch.wall
    return f"{chunk.clip_id}|{wall.start_us}|{wall.end_us}|{'tagged' if chunk.tagged else ''}"
