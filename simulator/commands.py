"""The faults of a source as lines of standard input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from kernel.clock import SECOND_US
from simulator.centre import SimulatedCentre
from simulator.faults import Faults

COMMANDS = (
    "quit, lose ID, restore ID, drop ID, freeze ID, garbage ID, hang ID, mute ID, heal ID, jump ID SECONDS, "
    "skew ID SECONDS [PPM]"
)

_SWITCHES: dict[str, Callable[[Faults], None]] = {
    "freeze": lambda faults: setattr(faults, "frozen", True),
    "garbage": lambda faults: setattr(faults, "garbage", True),
    "hang": lambda faults: setattr(faults, "hanging", True),
    "mute": lambda faults: setattr(faults, "mute", True),
}

_log = structlog.get_logger(__name__)


def obey_fault(words: Sequence[str], centre: SimulatedCentre) -> bool:
    """Carry out one command; False for one that there is not. Call it in the loop that started the centre."""
    if len(words) < 2 or all(one.id != words[1] for one in centre.sources):
        return False
    try:
        known = _obey(words[0], words[1], [float(word) for word in words[2:]], centre)
    except ValueError:
        return False
    if known:
        _log.info("a simulated source changed", action=f"source_{words[0]}", source=words[1])
    return known


def _obey(verb: str, source_id: str, numbers: Sequence[float], centre: SimulatedCentre) -> bool:
    if verb in _SWITCHES and not numbers:
        _SWITCHES[verb](centre.faults(source_id))
    elif verb == "heal" and not numbers:
        centre.faults(source_id).heal()
    elif verb == "drop" and not numbers:
        centre.drop(source_id)
    elif verb == "jump" and len(numbers) == 1:
        centre.jump(source_id, numbers[0])
    elif verb == "skew" and 1 <= len(numbers) <= 2:
        skew_us = round(numbers[0] * SECOND_US)
        centre.set_clock(source_id, skew_us=skew_us, drift_ppm=numbers[1] if len(numbers) > 1 else 0.0)
    else:
        return False
    return True
