"""Watches for sessions that are cut and archives each, without a click."""

from __future__ import annotations

import shutil
from functools import partial

from archiver.equipment import Tools
from archiver.progress import ProgressTeller
from archiver.session_archive import SessionArchiver
from archiver.steps import Stopped
from archiver.urgency import turn_us
from kernel.clock import SECOND_US
from kernel.errors import JianzhengError
from kernel.log import logger
from kernel.model.archive import Archive, ArchiveRequest, RequestKind
from kernel.model.timeline import Session, SessionState

_log = logger("archiver")
_RETRY_US = 30 * SECOND_US
_LONGEST_RETRY_US = 3600 * SECOND_US


class Cancelled(JianzhengError):
    """Somebody cancelled the archiving of this session."""

    hint = "'jianzheng archive --retry SESSION' goes on with it; what is finished is kept."

    def __init__(self, request: ArchiveRequest) -> None:
        super().__init__(f"cancelled by {request.principal}: {request.reason}.")


class Archiver:
    """Archives what is due. What is done is in catalogue and store: this object may forget everything."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._tidy = False
        self._failed_us: dict[str, int] = {}
        self._failures: dict[str, int] = {}

    def due(self) -> list[Session]:
        """Sessions that wait to be archived, the most urgent first.

        Those that were cancelled, or failed a moment ago and were not asked for since, are left out.
        """
        waiting = self._tools.catalogue.sessions.in_state(SessionState.CUT)
        due = [session for session in waiting if self._wanted(session.id)]
        if len(due) < 2:
            return due
        holds = self._tools.catalogue.holds.all()
        clips = self._tools.catalogue.clips
        return sorted(due, key=lambda one: (turn_us(one, clips.of_session(one.id), holds), one.id))

    def _wanted(self, session_id: str) -> bool:
        asked = self._tools.catalogue.archive_requests.newest(session_id)
        if asked is not None and asked.kind is RequestKind.CANCEL:
            return False
        failed_us = self._failed_us.get(session_id)
        if failed_us is None or (asked is not None and asked.at_us > failed_us):
            return True
        pause_us = min(_RETRY_US << min(self._failures[session_id] - 1, 10), _LONGEST_RETRY_US)
        return failed_us + pause_us <= self._tools.clock.now_us()

    def run_once(self) -> Archive | None:
        """Archive the session that is most urgent; None where none waits, or it was cancelled meanwhile.

        Raises:
            Exception: it failed; the catalogue says why, it is tried again later, and nothing is lost.
            Stopped: the archiver was told to stop.
        """
        self._tidy_up()
        session = next(iter(self.due()), None)
        if session is None:
            return None
        try:
            with self._tools.runner.asking(partial(self._refuse_cancelled, session.id)):
                archive = SessionArchiver(self._tools, session).run()
        except Stopped:
            raise
        except Cancelled as cancelled:
            self._tell(session, "cancelled", cancelled)
            return None
        except Exception as error:
            self._failed(session, error)
            raise
        self._failures.pop(session.id, None)
        self._failed_us.pop(session.id, None)
        _log.info(
            f"Archived session {session.id}: {archive.size_bytes} of {archive.budget_bytes} bytes, verified.",
            action="session.archived",
        )
        return archive

    def _tidy_up(self) -> None:
        """Once: remove what lies about of sessions that are archived; an archiver fell before it could."""
        if self._tidy:
            return
        self._tidy = True
        for directory in self._tools.work.glob("*/"):
            session = self._tools.catalogue.sessions.get(directory.name)
            if session is not None and session.state is SessionState.ARCHIVED:
                shutil.rmtree(directory, ignore_errors=True)

    def _failed(self, session: Session, error: Exception) -> None:
        """Say so and let others go first; the pauses double, for what fails again costs as much again."""
        self._failures[session.id] = self._failures.get(session.id, 0) + 1
        self._failed_us[session.id] = self._tools.clock.now_us()
        self._tell(session, "failed", error)

    def _tell(self, session: Session, step: str, error: Exception) -> None:
        """Say why it did not go on; how far it had come stays."""
        said = str(error) if isinstance(error, JianzhengError) else f"{type(error).__name__}: {error}"
        archives = self._tools.catalogue.archives
        before = archives.progress(session.id)
        teller = ProgressTeller(archives, self._tools.clock, session.id)
        teller.tell(step, before.fraction if before else 0.0, said, always=True)

    def _refuse_cancelled(self, session_id: str) -> None:
        """Asked before each step.

        Raises:
            Cancelled: somebody cancelled it.
        """
        asked = self._tools.catalogue.archive_requests.newest(session_id)
        if asked is not None and asked.kind is RequestKind.CANCEL:
            raise Cancelled(asked)
