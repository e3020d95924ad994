"""Declares the gaps of one source: expected time that nobody recorded (invariant 5). On the writer thread."""

from __future__ import annotations

from collections.abc import Sequence

from capture.footage_rows import FootageRows
from kernel.ids import new_id
from kernel.model.footage import Fault, Gap, GapCause
from kernel.timerange import TimeRange

LOST_PACKETS = "Packets were lost in transit."
NO_PICTURE = "The source sent no picture."
NO_RECORDER = "No recorder was running."
CONNECTING = "The recorder was connecting."

_Why = tuple[GapCause, str, Fault | None]

_EARLIER = (GapCause.NOT_RECORDING, GapCause.DISK_LOST)
"""Causes that say nothing new of the time since our start: on a disk that is away, earlier footage may lie
that is settled when it is back, and the gap that lasts moves behind it (``recover.open_behind_footage``)."""


class GapLedger:
    """Knows from when on a source is missing, and whether the catalogue knows it, too."""

    def __init__(self, source_id: str, rows: FootageRows) -> None:
        self._source_id = source_id
        self._rows = rows
        self._missing_since_us: int | None = None  # None while it is being recorded
        self._declared = False  # the catalogue has an open gap of this source
        self._declared_as: GapCause | None = None  # its cause, if it was declared here
        self._why: _Why | None = None  # of an outage that the catalogue could not take
        self._before_us: int | None = None  # the declared gap tells of the time up to this recorder's start

    def expect(self, now_us: int, since_us: int | None) -> None:
        """Recording is wanted. What is missing already, since the last recorder ran, is a gap.

        Args:
            since_us: from when on it is wanted; None: always. Before it nothing was expected: an open gap
                that reaches there from an earlier booking ends at it.
        """
        open_gap = next((one for one in self._rows.open_gaps() if one.source_id == self._source_id), None)
        if open_gap is not None and since_us is not None and open_gap.start_us < since_us:
            self._rows.close_gap(self._source_id, since_us)
            open_gap = None
        self._declared = open_gap is not None
        self._before_us = now_us
        until_us = self._rows.live_until(self._source_id)
        known = [one for one in (until_us, since_us) if one is not None]
        self._missing_since_us = max(known, default=now_us)
        if known and self._missing_since_us < now_us:
            self.outage(GapCause.NOT_RECORDING, NO_RECORDER)

    def ended(self, end_us: int) -> None:
        """The last run's last frame ended then."""
        if self._missing_since_us is None:
            self._missing_since_us = end_us

    def outage(self, cause: GapCause, detail: str, fault: Fault | None = None) -> None:
        """The source is not recorded, and why.

        The first cause of an outage stays, but for one: a source that fell silent and then cannot be reached
        was lost by the network.
        """
        if self._missing_since_us is None:
            return
        if self._declared and self._before_us is not None and cause not in _EARLIER:
            # That nobody was recording explains the time up to our start, and not what is missing since.
            self._rows.close_gap(self._source_id, self._before_us)
            self._missing_since_us = max(self._missing_since_us, self._before_us)
            self._declared, self._before_us = False, None
        if not self._declared:
            self._why = self._why or (cause, detail, fault)
            self._rows.open_gap(self._gap(self._missing_since_us, None, *self._why))
            self._declared, self._declared_as, self._why = True, self._why[0], None
        elif (self._declared_as, cause) == (GapCause.CAMERA_LOST, GapCause.NETWORK):
            self._rows.rename_gap(self._source_id, cause, detail, fault)
            self._declared_as = cause

    def resumed(self, start_us: int) -> None:
        """The first frame of a new run."""
        since_us = self._missing_since_us
        if self._declared:
            self._rows.close_gap(self._source_id, start_us)
        elif since_us is not None and start_us > since_us:
            why = self._why or (GapCause.NOT_RECORDING, CONNECTING, None)
            self._rows.add_gap(self._gap(since_us, start_us, *why))
        self._forget()

    def lost(self, stretches: Sequence[TimeRange]) -> list[Gap]:
        """Stretches within a run in which frames are missing because packets were lost, to be declared."""
        return [
            self._gap(wall.start_us, wall.end_us, GapCause.DISCONTINUITY, LOST_PACKETS) for wall in stretches
        ]

    def silent(self, stretches: Sequence[TimeRange]) -> list[Gap]:
        """Stretches within a run in which the source sent no picture, to be declared."""
        why = (GapCause.CAMERA_LOST, NO_PICTURE, Fault.NO_PICTURE)
        return [self._gap(wall.start_us, wall.end_us, *why) for wall in stretches]

    def stopped(self, cause: GapCause, detail: str, now_us: int) -> None:
        """Recording was ended: an outage before it ends here, and another gap begins."""
        unexplained_us = None if self._end_outage(now_us) else self._missing_since_us
        start_us = now_us if unexplained_us is None else unexplained_us
        self._rows.open_gap(self._gap(start_us, None, cause, detail))
        self._declared = True

    def released(self, now_us: int) -> None:
        """It is no longer wanted: nothing is expected from now on, so that an outage ends here."""
        self._end_outage(now_us)
        self._forget()

    def _end_outage(self, now_us: int) -> bool:
        """End the gap of an outage, or declare it whole; whether there was one whose cause is known."""
        if self._declared:
            self._rows.close_gap(self._source_id, now_us)
        elif self._missing_since_us is not None and self._why is not None:
            self._rows.add_gap(self._gap(self._missing_since_us, now_us, *self._why))
        else:
            return False
        return True

    def _forget(self) -> None:
        """Nothing is missing."""
        self._missing_since_us, self._declared, self._why = None, False, None
        self._declared_as = self._before_us = None

    def _gap(
        self, start_us: int, end_us: int | None, cause: GapCause, detail: str, fault: Fault | None = None
    ) -> Gap:
        return Gap(
            id=new_id("gap"),
            source_id=self._source_id,
            start_us=start_us,
            end_us=end_us,
            cause=cause,
            detail=detail,
            fault=fault,
        )
