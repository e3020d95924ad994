"""Which sources a process records, and when each asks to be: may change while recording goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import StorageError
from kernel.lock import sole_user
from kernel.log import logger
from kernel.model.source import Wish
from kernel.settings import SourceSpec

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entered:
    """A source of the roster."""

    spec: SourceSpec
    since_us: int | None  # when it was added to a recording that ran already; None: it was there before


class Roster:
    """The sources as they are now. Used on the event loop only; what it hands out does not change."""

    def __init__(self, specs: Iterable[SourceSpec], wishes: Iterable[Wish] = ()) -> None:
        self.entered: Mapping[str, Entered] = {one.id: Entered(spec=one, since_us=None) for one in specs}
        self.wishes: Sequence[Wish] = self._ours(wishes)

    @property
    def specs(self) -> list[SourceSpec]:
        return [one.spec for one in self.entered.values()]

    def change(self, specs: Iterable[SourceSpec], wishes: Iterable[Wish], now_us: int) -> None:
        """From now on these. What is new was not expected before now: of that time no gap is declared."""
        since = {source_id: one.since_us for source_id, one in self.entered.items()}
        self.entered = {one.id: Entered(spec=one, since_us=since.get(one.id, now_us)) for one in specs}
        self.wishes = self._ours(wishes)

    def _ours(self, wishes: Iterable[Wish]) -> list[Wish]:
        return [wish for wish in wishes if wish.source_id in self.entered]


def same_connection(one: SourceSpec, other: SourceSpec) -> bool:
    """Whether a change of its entry leaves a source's connection as it is: a label changes no recording."""
    return _connection(one) == _connection(other)


def _connection(spec: SourceSpec) -> tuple[object, ...]:
    return spec.uri, spec.username, spec.password, spec.transport, spec.certificate_sha256


def source_lock(source_id: str) -> str:
    """Name of the lock that whoever records a source holds, below ``locks_dir``."""
    return f"recorder of {source_id}"


class SourceLocks:
    """One source has one writer, whoever else may have it, under whatever name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, ExitStack] = {}
        self._waited_for: set[str] = set()

    def take(self, source_id: str) -> None:
        """Raises: StorageError: another program records that source."""
        held = ExitStack()
        held.enter_context(sole_user(self._directory, source_lock(source_id)))
        self._held[source_id] = held

    def holds(self, source_id: str) -> bool:
        """Whether it is ours; one that is not yet is tried for."""
        if source_id in self._held:
            return True
        try:
            self.take(source_id)
        except StorageError as error:
            if source_id not in self._waited_for:
                _log.warning(f"{error.message} It is waited for.", action="source.taken", source=source_id)
            self._waited_for.add(source_id)
            return False
        self._waited_for.discard(source_id)
        return True

    def keep(self, source_ids: Collection[str]) -> None:
        """Let go of all others."""
        for source_id in [one for one in self._held if one not in source_ids]:
            self._held.pop(source_id).close()

    def close(self) -> None:
        self.keep(())
