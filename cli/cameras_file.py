"""``cameras.yaml`` while it is in use: read again when it was changed, or when somebody asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from kernel.errors import JianzhengError, SettingsError
from kernel.log import logger
from kernel.settings import CamerasFile, load_cameras

_TICK_S = 1.0
_QUIET_LOOKS = 2
"""So many looks after the last change find the same: half of a file that is being written may well be YAML,
with sources missing."""
_AGAIN_LOOKS = 30  # before it is tried again with a catalogue that failed

_log = logger("cli")


class CamerasInUse:
    """Looked at once a second. A file that cannot be used changes nothing, and is told of once.

    Args:
        places: what was read of the file at the start and is in use; the file may be another by now.
        prepare: what else must succeed before it is used, such as registering; called on another thread.
        use: from now on this is in use; called on the event loop.
    """

    def __init__(
        self,
        path: Path,
        places: CamerasFile,
        *,
        prepare: Callable[[CamerasFile], None],
        use: Callable[[CamerasFile], None],
    ) -> None:
        self._path = path
        self._prepare = prepare
        self._use = use
        self._places = places
        self._used = b""  # digest of the file in use; empty before the first look
        self._seen: tuple[int, ...] | None = None
        self._asked = False
        self._quiet: int | None = None  # looks since a change that is not judged yet; None: there is none
        self.problem = ""  # why the file as it is now is not in use; empty while it is

    def ask(self) -> None:
        """Read it at the next look, whether or not it seems to be the same."""
        self._asked = True

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await stop.wait()
            try:
                await self.run_once()
            except Exception as error:  # noqa: BLE001 - the one place: whatever it is, recording goes on
                said = str(error) if isinstance(error, JianzhengError) else type(error).__name__
                self._refuse(said)
                if not isinstance(
                    error, SettingsError
                ):  # a catalogue that fails now may take it another time
                    self._quiet = -_AGAIN_LOOKS

    async def run_once(self) -> None:
        """One look.

        Raises:
            SettingsError, CatalogError: ``prepare`` does not take it.
        """
        if not self._due():
            return
        found = await asyncio.to_thread(self._read)
        if found is None:
            return
        digest, places = found
        await asyncio.to_thread(self._prepare, places)
        self._use(places)
        self._used, self._places = digest, places
        self._mended()

    def _due(self) -> bool:
        """Whether there is something to be read; cheap."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen, self._quiet = stamp, 0
        elif self._quiet is not None:
            self._quiet += 1
        asked, self._asked = self._asked, False
        if not asked and (self._quiet is None or self._quiet < _QUIET_LOOKS):
            return False
        self._quiet = None
        return True

    def _read(self) -> tuple[bytes, CamerasFile] | None:
        """What the file says now; None where it is what is in use, or cannot be used."""
        try:
            digest = _digest(self._path)
            if digest == self._used:
                self._mended()
                return None
            places = load_cameras(self._path)
        except SettingsError as error:
            self._refuse(str(error))
            return None
        if _digest(self._path) != digest:
            self._quiet = 0  # it is being written
            return None
        if places == self._places:  # it says the same, in other words
            self._used = digest
            self._mended()
            return None
        return digest, places

    def _refuse(self, problem: str) -> None:
        if problem != self.problem:
            said = f"{problem} Nothing was changed: all sources are recorded as before."
            _log.error(said, action="cameras.unusable")
        self.problem = problem

    def _mended(self) -> None:
        if self.problem:
            _log.info("cameras.yaml can be used again", action="cameras.mended")
        self.problem = ""

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino


def _digest(path: Path) -> bytes:
    """Raises: SettingsError: the file cannot be read."""
    try:
        return sha256(path.read_bytes()).digest()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}).") from None
