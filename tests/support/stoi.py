"""How intelligible speech is left: STOI, the short-time objective intelligibility measure.

C. H. Taal, R. C. Hendriks, R. Heusdens, J. Jensen, "An Algorithm for Intelligibility Prediction of
Time-Frequency Weighted Noisy Speech", IEEE Trans. Audio, Speech, Language Process. 19 (7), 2011. Written from
the paper: 1 is "as the original", about 0.75 is where listeners begin to miss words.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Signal: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

RATE_HZ = 10_000  # the paper's; sound of other rates is resampled before
_FRAME = 256  # samples, half of them overlapping
_TRANSFORM = 512
_BANDS = 15  # one-third octaves from 150 Hz on
_LOWEST_HZ = 150
_SPAN = 30  # frames, 384 ms
_WORST_SDR_DB = -15
_DYNAMIC_RANGE_DB = 40  # frames that are quieter than the loudest one by more hold no speech
_TINY = np.finfo(float).eps


def stoi(clean: Signal, heard: Signal) -> float:
    """The measure of two signals of equal length and of ``RATE_HZ``, the second in place to the sample."""
    clean_frames, heard_frames = _frames(clean), _frames(heard)
    energy = 20 * np.log10(np.linalg.norm(clean_frames, axis=1) + _TINY)
    speech = energy > energy.max() - _DYNAMIC_RANGE_DB
    x, y = (_bands(_joined(frames[speech])) for frames in (clean_frames, heard_frames))
    scores = [_correlation(x[:, n : n + _SPAN], y[:, n : n + _SPAN]) for n in range(x.shape[1] - _SPAN + 1)]
    return float(np.mean(scores))


def _frames(signal: Signal) -> Signal:
    window = np.hanning(_FRAME + 2)[1:-1]
    starts = range(0, len(signal) - _FRAME + 1, _FRAME // 2)
    return np.array([signal[start : start + _FRAME] * window for start in starts])


def _joined(frames: Signal) -> Signal:
    """Overlap and add: what is left of the signal when frames without speech are taken out."""
    joined = np.zeros((len(frames) - 1) * _FRAME // 2 + _FRAME)
    for number, frame in enumerate(frames):
        joined[number * _FRAME // 2 :][:_FRAME] += frame
    return joined


def _bands(signal: Signal) -> Signal:
    """Magnitude in each third of an octave (rows) over time (columns)."""
    power = np.abs(np.fft.rfft(_frames(signal), _TRANSFORM)) ** 2
    frequencies = np.fft.rfftfreq(_TRANSFORM, 1 / RATE_HZ)
    centres = _LOWEST_HZ * 2 ** (np.arange(_BANDS) / 3)
    edges = [(centre * 2 ** (-1 / 6), centre * 2 ** (1 / 6)) for centre in centres]
    inside = np.array([(frequencies >= low) & (frequencies < high) for low, high in edges], dtype=float)
    bands: Signal = np.sqrt(inside @ power.T)
    return bands


def _correlation(x: Signal, y: Signal) -> float:
    """Mean over bands; what was heard is brought to the same energy, and clipped where it is far off."""
    scaled = y * (np.linalg.norm(x, axis=1) / (np.linalg.norm(y, axis=1) + _TINY))[:, None]
    clipped = np.minimum(scaled, x * (1 + 10 ** (-_WORST_SDR_DB / 20)))
    x0, y0 = (part - part.mean(axis=1, keepdims=True) for part in (x, clipped))
    norms = np.linalg.norm(x0, axis=1) * np.linalg.norm(y0, axis=1) + _TINY
    return float(np.mean(np.sum(x0 * y0, axis=1) / norms))
