"""Speech is left intelligible: STOI of real footage's speech, before and after.

Measured on the synthetic Mandarin speech of room-panorama-h264-aac.mp4 (30 s of AAC at 16 kHz), with all that
a file holds counted:

| | kbit/s | STOI |
| --- | --- | --- |
| Opus 12 | 12.2 | 0.981 |
| Opus 16 (with frames of 20 ms instead of 60) | 15.8 (16.9) | 0.990 (0.989) |
| Opus 16 without a cut-off at 8 kHz | 15.8 | 0.967 |
| Opus 20 | 19.2 | 0.994 |
| Opus 24 | 22.6 | 0.996 |
| AAC-LC 24 (FFmpeg's) | 24.9 | 0.968 |
| AAC-LC 32 | 32.9 | 0.991 |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from archiver import encode_sound
from archiver.encode_sound import AudioStep, encode_audio
from archiver.rules import archive_rules
from archiver.stretches import Stretch
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange
from tests.support.peers import missing
from tests.support.stoi import RATE_HZ, stoi

FOOTAGE = Path(__file__).parents[2].parent / "shared" / "footage" / "room-panorama-h264-aac.mp4"
SECONDS = 30
START = 1_772_420_400_000_000


def sound_of(path: Path) -> Any:
    """The sound of a file from media time 0, as STOI wants it."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE_HZ)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
    blocks = [block.to_ndarray().reshape(-1) for frame in frames for block in resampler.resample(frame)]
    return np.concatenate(blocks)[: SECONDS * RATE_HZ].astype(float)


@pytest.mark.parametrize(
    ("codec", "kbps", "least"),
    [
        (ArchiveCodec.AV1, None, 0.98),
        (ArchiveCodec.H264, None, 0.95),
        (ArchiveCodec.AV1, 20, 0.985),
        (ArchiveCodec.AV1, 24, 0.99),
    ],
)
def test_speech_is_left_intelligible(
    codec: ArchiveCodec, kbps: float | None, least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not FOOTAGE.exists():
        missing("room-panorama-h264-aac.mp4", "it belongs into ../shared/footage")

    def recorded(_stretch: object, _tally: object) -> Any:
        with av.open(str(FOOTAGE)) as container:
            for frame in container.decode(audio=0):
                if frame.time is not None and frame.time < SECONDS:
                    yield START + round(frame.time * 1_000_000), frame

    monkeypatch.setattr(encode_sound, "audio_frames", recorded)
    encoding = archive_rules().sound.codecs[codec]
    step = AudioStep(
        stretches=(Stretch(wall=TimeRange(start_us=START, end_us=START + SECONDS * 1_000_000), slices=()),),
        clip_start_us=START,
        encoding=encoding.model_copy(update={"kbps": kbps}) if kbps else encoding,
        target=tmp_path / "sound.mp4",
    )
    made = encode_audio(step)
    assert made.path is not None
    before, after = sound_of(FOOTAGE), sound_of(made.path)
    length = min(len(before), len(after))
    score = stoi(before[:length], after[:length])
    assert least <= score <= 1
    assert stoi(before[:length], np.roll(before[:length], RATE_HZ)) < 0.5  # the measure can tell
