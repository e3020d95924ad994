"""Keeps the audit chain's newest link elsewhere: whoever owns the catalogue could write another chain."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from catalog.catalogue import Catalogue
from kernel.audit_head import SignedHead, read_lines, signed_line
from kernel.clock import SECOND_US, Clock
from kernel.durable import fsync_directory, write_whole
from kernel.errors import CatalogError, JianzhengError, SettingsError, StorageError
from kernel.log import logger
from kernel.model.audit import AnchorState, AuditHead
from kernel.settings import Settings, public_uri
from kernel.signing_key import signing_key

KEY = "audit.pem"
_STATE = "audit-anchor.json"
_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 30.0
_AGAIN_US = 60 * SECOND_US  # after what did not go
_log = logger("cli")


def export_head(catalogue: Catalogue, settings: Settings, now_us: int, *to: str | Path) -> str | None:
    """Sign the newest link and keep it in files or at addresses; the line that was signed, None without one.

    Raises:
        StorageError: a file cannot be written, or an address does not take it.
    """
    head = catalogue.audit.head(now_us)
    if head is None:
        return None
    line = signed_line(head, signing_key(settings.keys_dir / KEY))
    for place in to:
        if isinstance(place, Path):
            _append(place, line)
        else:
            _post(place, line)
    return line


def place_of(text: str) -> str | Path:
    """An address, or a file."""
    return text if text.startswith(("http://", "https://")) else Path(text)


def _append(path: Path, line: str) -> None:
    """Its directory is not made: a disk that is not mounted must not look like one that is."""
    try:
        new = not path.exists()
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            fsync_directory(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} does not take the head of the audit chain: {error.strerror}.",
            hint="Mount its disk, or name another file.",
        ) from error


def _post(url: str, line: str) -> None:
    name = public_uri(url)
    try:
        answer = httpx.post(
            url, content=line, headers={"Content-Type": "application/json"}, timeout=_ANSWER_SECONDS
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StorageError(
            f"{name} does not take the head of the audit chain: {type(error).__name__}.",
            hint="See whether it runs and is reached.",
        ) from error
    if not answer.is_success:
        raise StorageError(
            f"{name} does not take the head of the audit chain: HTTP status {answer.status_code}.",
            hint="See what it expects of whoever posts.",
        )


def read_anchors(path: Path) -> list[SignedHead]:
    """Heads that were kept in a file, their signatures verified.

    Raises:
        SettingsError: it cannot be read.
        FixityError: a line is no signed head.
    """
    try:
        return read_lines(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None


def anchor_state(settings: Settings) -> AnchorState:
    """How the export stands, by whichever program did it last."""
    try:
        told = json.loads((settings.data_dir / _STATE).read_text(encoding="utf-8"))
        head = AuditHead(**told["head"]) if told["head"] else None
        return AnchorState(head=head, checked_us=told["checked_us"], trouble=told["trouble"])
    except (OSError, ValueError, TypeError, KeyError):  # never exported, or not by us
        return AnchorState()


class Anchor:
    """Exports the head again and again; what does not go is told, tried again and holds up nothing."""

    def __init__(self, settings: Settings, catalogue: Catalogue, clock: Clock) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._clock = clock
        self._told = ""  # the trouble that was told last
        self._tried_us: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - nothing else may end because of it
                _log.error(f"The audit chain's head was not exported: {error}", action="audit.anchor")
            stop.wait(_LOOK_SECONDS)

    def run_once(self) -> bool:
        """Export the head if that is due; whether it was.

        Raises:
            StorageError: the state cannot be written.
        """
        now_us, before = self._clock.now_us(), anchor_state(self._settings)
        if not self._due(before, now_us):
            return False
        try:
            after = AnchorState(head=self._export(before.head, now_us), checked_us=now_us)
        except JianzhengError as error:
            after = AnchorState(head=before.head, checked_us=before.checked_us, trouble=error.message)
        self._tell(after.trouble)
        self._keep(after, now_us)
        return True

    def _due(self, before: AnchorState, now_us: int) -> bool:
        """By the state that any program left; a clock that was set back is no reason to wait."""
        every_us = round(self._settings.audit.anchor_minutes * 60 * SECOND_US)
        last_us = self._tried_us if before.trouble else before.checked_us
        wait_us = min(every_us, _AGAIN_US) if before.trouble else every_us
        return last_us is None or not 0 <= now_us - last_us < wait_us

    def _export(self, before: AuditHead | None, now_us: int) -> AuditHead | None:
        """Nothing new is not exported again; one that is lost is trouble, and what is there now no anchor."""
        audit = self._settings.audit
        if before is not None and self._catalogue.audit.lost(before):
            raise CatalogError(
                f"record {before.number} of the audit chain is not the one whose head was exported.",
                hint="Run 'jianzheng audit check'.",
            )
        head = self._catalogue.audit.head(now_us)
        if head is None or (before is not None and before.number == head.number):
            return before
        places = [one for one in (audit.anchor_file, audit.anchor_url) if one]
        line = export_head(self._catalogue, self._settings, now_us, *places)
        return read_lines([line])[0].head if line else before

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._told:
            _log.warning(f"The audit chain's head is not kept elsewhere: {trouble}", action="audit.anchor")
        self._told = trouble

    def _keep(self, state: AnchorState, now_us: int) -> None:
        self._tried_us = now_us
        head = state.head
        told = {
            "head": {"number": head.number, "hash": head.hash, "at_us": head.at_us} if head else None,
            "checked_us": state.checked_us,
            "trouble": state.trouble,
        }
        write_whole(self._settings.data_dir / _STATE, json.dumps(told).encode())


@contextmanager
def anchoring(settings: Settings, catalogue: Catalogue, clock: Clock) -> Iterator[None]:
    """The head is exported meanwhile, in a thread of its own, if the settings name where to."""
    stop = threading.Event()
    anchor = Anchor(settings, catalogue, clock)
    thread = threading.Thread(target=anchor.run, args=(stop,), name="audit-anchor")
    if settings.audit.anchored:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if settings.audit.anchored:
            thread.join()
