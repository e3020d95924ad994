"""Who was refused footage is put on record, but nobody can fill the audit chain by being refused."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from catalog.watching import Refusal, Watches
from kernel.access import WATCH, Need, Thing
from kernel.clock import SECOND_US, Clock
from player_api.gate import Person

_AGAIN_US = 60 * SECOND_US  # the same thing once a minute
_MOST = 30  # of one person in a minute, whatever it is that is asked for
_SESSION = "session.see"  # the page of a replay asks for its session first
_KEPT = 10_000  # that are remembered


class Refusals:
    """Puts refusals on record, at most so many; how many were left out, the next record tells."""

    def __init__(self, watches: Watches, clock: Clock) -> None:
        self._watches = watches
        self._clock = clock
        self._lock = threading.Lock()
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()  # by person and thing: when
        self._minutes: dict[str, tuple[int, int]] = {}  # by person: since when, and how many
        self._left_out: dict[str, int] = {}

    def report(self, person: Person, action: str, things: Sequence[Thing], need: Need) -> None:
        """What the gate calls when it refuses; of footage, and of what leads to it, that is put on record."""
        if action not in (WATCH, _SESSION):
            return
        one = things[0] if things else Thing()
        subject = " ".join(filter(None, (one.session_id or one.project_id, one.source_id)))
        self.add(Refusal(principal=person.id, at_us=self._clock.now_us(), subject=subject, need=need.value))

    def add(self, refusal: Refusal) -> bool:
        """Put one on record, unless there were too many; whether it was."""
        with self._lock:
            if not self._is_due(refusal):
                self._left_out[refusal.principal] = self._left_out.get(refusal.principal, 0) + 1
                return False
            before = self._left_out.pop(refusal.principal, 0)
        self._watches.refused(replace(refusal, before=before))
        return True

    def _is_due(self, one: Refusal) -> bool:
        now_us, key = one.at_us, (one.principal, one.subject)
        last_us = self._last.get(key)
        if last_us is not None and 0 <= now_us - last_us < _AGAIN_US:
            return False
        since_us, count = self._minutes.get(one.principal, (now_us, 0))
        if not 0 <= now_us - since_us < _AGAIN_US:
            since_us, count = now_us, 0
        if count >= _MOST:
            return False
        self._minutes[one.principal] = (since_us, count + 1)
        self._last[key] = now_us
        self._last.move_to_end(key)
        while len(self._last) > _KEPT:
            self._last.popitem(last=False)
        return True
