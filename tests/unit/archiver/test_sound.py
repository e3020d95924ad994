"""Sound is archived where it belongs, whatever the encoder, and what is not there is not made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from archiver import encode_sound
from archiver.archive_file import AUDIO_TRACK
from archiver.encode_sound import AudioResult, AudioStep, encode_audio
from archiver.rules import archive_rules
from archiver.stretches import Stretch
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import codec_string, decoder_config
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange

START = 1_772_420_400_000_000
RATE = 16_000
CODECS = list(ArchiveCodec)


def clicks(seconds: float, every: float = 0.5, first: float = 0.25) -> Any:
    """Noise too weak to hear, and short bursts at known moments."""
    sound = np.random.default_rng(5).normal(0, 1e-4, round(seconds * RATE)).astype(np.float32)
    burst = np.hanning(64) * np.sin(np.arange(64) * 2 * np.pi * 1500 / RATE)
    for at in np.arange(first, seconds - 0.1, every):
        place = round(at * RATE) - 32  # the middle of the burst is the moment
        sound[place : place + 64] += 0.7 * burst
    return sound


def frames(sound: Any, wall_us: int, rate: int = RATE) -> Iterator[tuple[int, Any]]:
    """Decoded sound in frames of 20 ms."""
    step = rate // 50
    for start in range(0, len(sound), step):
        frame = av.AudioFrame.from_ndarray(sound[start : start + step].reshape(1, -1), "fltp", "mono")
        frame.sample_rate = rate
        yield wall_us + start * 1_000_000 // rate, frame


def wall(first_us: int, end_us: int) -> TimeRange:
    return TimeRange(start_us=START + first_us, end_us=START + end_us)


@pytest.fixture
def encode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Encodes stretches of made-up sound: ``(wall, [(start, samples), ...])`` each."""

    def run(
        codec: ArchiveCodec, *given: tuple[TimeRange, list[tuple[int, Any]]], rate: int = RATE
    ) -> AudioResult:
        sounds = {str(stretch): parts for stretch, parts in given}

        def audio_frames(stretch: Stretch, _tally: object) -> Iterator[tuple[int, Any]]:
            for at_us, sound in sounds[str(stretch.wall)]:
                yield from frames(sound, START + at_us, rate)

        monkeypatch.setattr(encode_sound, "audio_frames", audio_frames)
        step = AudioStep(
            stretches=tuple(Stretch(wall=stretch, slices=()) for stretch, _ in given),
            clip_start_us=START,
            encoding=archive_rules().sound.codecs[codec],
            target=tmp_path / "sound.mp4",
        )
        return encode_audio(step)

    return run


def decoded(path: Path) -> tuple[Any, int]:
    """All sound of a file on one time line from media time 0; nothing where there are no packets."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = int(stream.rate or 0)
        line = np.zeros(rate * 60, np.float32)
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().reshape(-1)
            place = round((frame.time or 0.0) * rate)
            line[place : place + len(samples)] = samples
    return line, rate


def moments(line: Any, rate: int, expected: list[float]) -> list[float]:
    """Where the bursts are that are expected nearby."""
    found = []
    for at in expected:
        near = np.abs(line[round((at - 0.1) * rate) : round((at + 0.1) * rate)]) ** 2
        found.append(at - 0.1 + float(np.sum(near * np.arange(len(near))) / np.sum(near)) / rate)
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_sound_is_in_its_place_to_the_millisecond_before_and_after_a_gap(
    encode: Any, codec: ArchiveCodec
) -> None:
    """An encoder's priming, or a player's pre-skip, would move every word by 6.5 to 64 ms."""
    first, second = wall(0, 3_000_000), wall(4_123_456, 8_000_000)
    result = encode(codec, (first, [(0, clicks(3))]), (second, [(4_123_456, clicks(3.876, first=0.1))]))
    line, rate = decoded(result.path)
    expected = [0.25 + 0.5 * n for n in range(6)] + [4.223456 + 0.5 * n for n in range(7)]
    found = moments(line, rate, expected)
    assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) < 0.001
    assert (result.padded_us, result.trimmed_us) == (pytest.approx(550, abs=20), 0)  # it ends so early


@pytest.mark.parametrize("codec", CODECS)
def test_telephone_sound_is_in_its_place_too_and_after_a_hole(encode: Any, codec: ArchiveCodec) -> None:
    """What the resampler held from before the hole would push all that comes after it."""
    sound = clicks(6)[::2].copy()  # 8 kHz
    parts = [(0, sound[:16_000]), (3_000_000, sound[24_000:])]
    result = encode(codec, (wall(0, 6_000_000), parts), rate=8000)
    line, rate = decoded(result.path)
    expected = [0.25, 0.75, 1.25, 1.75, 3.25, 3.75, 4.25, 5.25]
    found = moments(line, rate, expected)
    assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) < 0.001
    assert result.padded_us == pytest.approx(1_000_000, abs=1000)


def test_where_sound_was_heard_is_told_and_a_hole_is_not_counted_as_heard(encode: Any) -> None:
    result = encode(ArchiveCodec.AV1, (wall(0, 9_000_000), [(1_000_000, clicks(2)), (5_000_000, clicks(3))]))
    edges = [moment - START for part in result.heard for moment in (part.start_us, part.end_us)]
    assert edges == pytest.approx([1_000_000, 3_000_000, 5_000_000, 8_000_000], abs=1000)
    assert result.padded_us == pytest.approx(4_000_000, abs=1000)


def test_opus_lies_on_its_own_clock_with_nothing_left_to_skip(encode: Any) -> None:
    """The track counts 48,000 a second (Opus in ISOBMFF, 4.3); a pre-skip would cost the first 6.5 ms."""
    result = encode(ArchiveCodec.AV1, (wall(0, 3_000_000), [(0, clicks(3))]))
    with result.path.open("rb") as file:
        (track,) = read_init(file).tracks
        samples = [one for found in read_fragments(file) for one in found.runs[AUDIO_TRACK]]
    assert (codec_string(track.sample_entry), track.timescale) == ("opus", 48_000)
    assert decoder_config(track.sample_entry).extradata[10:12] == bytes(2)
    assert samples[0].dts == 0
    assert {one.duration for one in samples} == {2880}  # frames of 60 ms
    assert len(samples) == 50


@pytest.mark.parametrize("codec", CODECS)
def test_a_microphone_that_is_not_there_is_told_from_a_quiet_one(encode: Any, codec: ArchiveCodec) -> None:
    """Silence of A-law is not zero but 8 of 32,768."""
    result = encode(codec, (wall(0, 3_000_000), [(0, np.full(3 * RATE, 8 / 32768, np.float32))]))
    assert (result.mute, result.heard) == (True, ())


def test_a_whisper_is_no_digital_silence(encode: Any) -> None:
    quiet = np.zeros(3 * RATE, np.float32)
    quiet[20_000] = 1 / 32768
    result = encode(ArchiveCodec.AV1, (wall(0, 3_000_000), [(0, quiet)]))
    assert not result.mute
    assert result.path is not None


def test_digital_silence_costs_less_than_a_third_of_speech(encode: Any) -> None:
    loud = np.random.default_rng(3).normal(0, 0.1, 10 * RATE).astype(np.float32)
    talking = encode(ArchiveCodec.AV1, (wall(0, 10_000_000), [(0, loud)])).size_bytes
    still = loud.copy()
    still[2 * RATE :] = 0
    less = encode(ArchiveCodec.AV1, (wall(0, 10_000_000), [(0, still)])).size_bytes
    assert less < 0.2 * talking + 0.8 * talking / 3
