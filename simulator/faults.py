"""What can be wrong with a simulated source, switched on and off while it is served."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(kw_only=True, slots=True)
class Faults:
    """The faults of one source. All are off at first; any of them may be set at any time."""

    frozen: bool = False  # no more media nor reports; connections stay, requests are answered
    garbage: bool = False  # payloads are random bytes
    hanging: bool = False  # connections are accepted, requests never answered
    mute: bool = False  # no sender reports
    skew_us: int = 0  # its clock is ahead of the centre's by so much
    drift_ppm: float = 0.0  # and runs this much too fast
    drifting_since_us: int = 0
    lose_every: int = 0  # each n-th datagram is lost; 0 for none
    swap_every: int = 0  # each n-th datagram comes one later than it should; 0 for none
    bare_replay: bool = False  # what it replays carries no ONVIF header extension

    def heal(self) -> None:
        """Nothing is wrong any more."""
        for one in fields(self):
            setattr(self, one.name, one.default)

    def told_us(self, now_us: int) -> int:
        """What its clock shows: the wall time of its sender reports."""
        drifted_us = round((now_us - self.drifting_since_us) * self.drift_ppm / 1_000_000)
        return now_us + self.skew_us + (drifted_us if self.drift_ppm else 0)

    def set_clock(self, now_us: int, *, skew_us: int, drift_ppm: float = 0.0) -> None:
        """From now on its clock is off by so much, and drifts."""
        self.skew_us, self.drift_ppm, self.drifting_since_us = skew_us, drift_ppm, now_us
