"""Sound like somebody speaking in a room, made from noise and harmonics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOOP_SECONDS = 32  # whole AAC frames at 16 kHz, and whole packets of 20 ms
_FORMANTS_HZ = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840), (440, 1020))
_CLICK_SECONDS = 0.004

Sound = NDArray[np.float64]


def speech(rate: int, seed: int) -> NDArray[np.int16]:
    """``LOOP_SECONDS`` of speech-like sound with pauses, and a soft click at each whole second.

    ``rate`` is in Hz. The loop is placed so that second 0 is a whole second of wall time.
    """
    rng = np.random.default_rng(seed)
    total = LOOP_SECONDS * rate
    sound = rng.normal(0, 0.004, total)  # the room itself
    at = 0.3
    while at < LOOP_SECONDS - 1.0:
        for _ in range(int(rng.integers(5, 14))):
            at = _add_syllable(sound, rate, at, rng)
        at += float(rng.uniform(0.5, 1.8))
    _add_clicks(sound, rate)
    sound *= 0.5 / max(0.5, float(np.abs(sound).max()))
    return np.asarray(np.rint(sound * 32767), np.int16)


def _add_syllable(sound: Sound, rate: int, at: float, rng: np.random.Generator) -> float:
    """Add a consonant and a vowel at ``at`` seconds; returns when the next may follow."""
    consonant = _hiss(rate, rng) * float(rng.uniform(0.02, 0.07))
    vowel = _vowel(rate, rng) * float(rng.uniform(0.2, 0.4))
    for part in (consonant, vowel):
        start = int(at * rate)
        part = part[: max(0, len(sound) - start)]
        sound[start : start + len(part)] += part
        at += len(part) / rate * 0.9
    return at + float(rng.uniform(0.0, 0.06))


def _vowel(rate: int, rng: np.random.Generator) -> Sound:
    """Harmonics of a gliding pitch, weighed by two formants."""
    times = np.arange(int(rate * rng.uniform(0.09, 0.2))) / rate
    pitch = rng.uniform(105, 150) * (1 + rng.uniform(-0.8, 0.8) * times)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = _FORMANTS_HZ[int(rng.integers(len(_FORMANTS_HZ)))]
    sound = np.zeros(len(times))
    for harmonic in range(1, int(min(3400, rate / 2.2) / 150)):
        frequency = harmonic * float(pitch.mean())
        gain = sum(np.exp(-(((frequency - formant) / 220) ** 2)) for formant in formants)
        sound += (float(gain) + 0.08) / harmonic**0.5 * np.sin(harmonic * phase)
    return sound * np.hanning(len(times)) / 3


def _hiss(rate: int, rng: np.random.Generator) -> Sound:
    """A consonant: noise with the low part taken out."""
    noise = np.diff(rng.normal(0, 1, int(rate * rng.uniform(0.03, 0.07)) + 1))
    return noise * np.hanning(len(noise))


def _add_clicks(sound: Sound, rate: int) -> None:
    times = np.arange(int(_CLICK_SECONDS * rate)) / rate
    click = 0.25 * np.sin(2 * np.pi * 1500 * times) * np.exp(-times * 800)
    for second in range(LOOP_SECONDS):
        sound[second * rate : second * rate + len(click)] += click
