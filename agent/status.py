"""What the recording thread lets the sending thread know."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Doing:
    """What the agent is doing."""

    recording: bool = False
    detail: str = "It is starting."  # why it does not record; empty while it does
    last_frame_us: int | None = None  # wall time of the newest picture
    run_id: str | None = None  # of the run that is being recorded
    width: int = 0  # pixels
    height: int = 0


class Status:
    """Shared by the thread that records and the one that sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing = Doing()

    @property
    def doing(self) -> Doing:
        with self._lock:
            return self._doing

    def recording(self, run_id: str, last_frame_us: int, width: int, height: int) -> None:
        """A picture was seen, and is recorded if it differs."""
        with self._lock:
            self._doing = Doing(
                recording=True,
                detail="",
                last_frame_us=last_frame_us,
                run_id=run_id,
                width=width,
                height=height,
            )

    def not_recording(self, detail: str) -> None:
        """Nothing is recorded, and why."""
        with self._lock:
            self._doing = replace(self._doing, recording=False, detail=detail, run_id=None)
