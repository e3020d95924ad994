"""Watches for sessions that are cut and archives each, without a click."""

from __future__ import annotations

from archiver.progress import ProgressTeller
from archiver.session_archive import SessionArchiver, Tools
from archiver.steps import Stopped
from kernel.clock import SECOND_US
from kernel.errors import JianzhengError
from kernel.log import logger
from kernel.model.archive import Archive
from kernel.model.timeline import Session, SessionState

_log = logger("archiver")
_RETRY_US = 30 * SECOND_US
_LONGEST_RETRY_US = 3600 * SECOND_US


class Archiver:
    """Archives what is due. What is done is in catalogue and store: this object may forget everything."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._not_before_us: dict[str, int] = {}
        self._failures: dict[str, int] = {}

    def due(self) -> list[Session]:
        """Sessions that wait to be archived and did not fail a moment ago."""
        now_us = self._tools.clock.now_us()
        waiting = self._tools.catalogue.sessions.in_state(SessionState.CUT)
        return [session for session in waiting if self._not_before_us.get(session.id, 0) <= now_us]

    def run_once(self) -> Archive | None:
        """Archive the session that has waited longest; None where none waits.

        Raises:
            Exception: it failed; the catalogue says why, it is tried again later, and nothing is lost.
            Stopped: the archiver was told to stop.
        """
        session = next(iter(self.due()), None)
        if session is None:
            return None
        try:
            archive = SessionArchiver(self._tools, session).run()
        except Stopped:
            raise
        except Exception as error:
            self._failed(session, error)
            raise
        self._failures.pop(session.id, None)
        _log.info(
            f"Archived session {session.id}: {archive.size_bytes} of {archive.budget_bytes} bytes, verified.",
            action="session.archived",
        )
        return archive

    def _failed(self, session: Session, error: Exception) -> None:
        """Say so and let others go first; the pauses double, for what fails again costs as much again."""
        count = self._failures.get(session.id, 0)
        self._failures[session.id] = count + 1
        pause_us = min(_RETRY_US << min(count, 10), _LONGEST_RETRY_US)
        self._not_before_us[session.id] = self._tools.clock.now_us() + pause_us
        said = str(error) if isinstance(error, JianzhengError) else f"{type(error).__name__}: {error}"
        teller = ProgressTeller(self._tools.catalogue.archives, self._tools.clock, session.id)
        teller.tell("failed", 0.0, said, always=True)
