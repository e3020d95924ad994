"""Archived sound in a real Chromium, by Media Source as the replay wall feeds it: to the millisecond."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from archiver import encode_sound
from archiver.encode_sound import AudioStep, encode_audio
from archiver.rules import archive_rules
from archiver.stretches import Stretch
from kernel.clock import SECOND_US
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange

START = 1_772_420_400_000_000
RATE = 48_000
SECONDS = 3  # of each file
EVERY = 0.5  # seconds between two bursts
TRIES = 4
LISTEN = """async files => {
    const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
    const video = document.createElement('video')
    document.body.replaceChildren(video)
    const media = new MediaSource()
    video.src = URL.createObjectURL(media)
    await new Promise(done => media.addEventListener('sourceopen', done, { once: true }))
    const buffer = media.addSourceBuffer(files[0].mime)
    for (const file of files) {
        buffer.changeType(file.mime)
        buffer.timestampOffset = file.at
        await new Promise((done, failed) => {
            buffer.addEventListener('updateend', done, { once: true })
            buffer.addEventListener('error', () => failed(new Error('refused: ' + file.mime)), { once: true })
            buffer.appendBuffer(bytes(file.data))
        })
    }
    media.endOfStream()
    const context = new AudioContext({ sampleRate: 48000 })
    const listener = context.createScriptProcessor(4096, 1, 1)
    const heard = []
    listener.onaudioprocess = event => heard.push(...event.inputBuffer.getChannelData(0))
    context.createMediaElementSource(video).connect(listener)
    listener.connect(context.destination)
    await context.resume()
    await new Promise((done, failed) => {
        video.onended = done
        video.onerror = () => failed(new Error(video.error.message))
        video.play().catch(failed)
    })
    await new Promise(done => setTimeout(done, 500))
    await context.close()
    const data = new Uint8Array(new Float32Array(heard).buffer)
    let text = ''
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192))
    return btoa(text)
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


def bursts() -> Any:
    """Silence with short bursts, the middle of each at 0.25 s, 0.75 s, ..."""
    sound = np.zeros(SECONDS * RATE, np.float32)
    burst = np.hanning(192) * np.sin(np.arange(192) * 2 * np.pi * 1500 / RATE)
    for at in np.arange(EVERY / 2, SECONDS, EVERY):
        place = round(at * RATE)
        sound[place - 96 : place + 96] = 0.7 * burst
    return sound


def exact(path: Path, sound: Any) -> Path:
    """The sound without loss and without delay, as a reference: FLAC."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream: Any = container.add_stream("flac", rate=RATE, layout="mono")
        for start in range(0, len(sound), 4800):
            part = (sound[start : start + 4800] * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def archived(path: Path, sound: Any, codec: ArchiveCodec, monkeypatch: pytest.MonkeyPatch) -> Path:
    def recorded(_stretch: object, _tally: object) -> Iterator[tuple[int, Any]]:
        for start in range(0, len(sound), 960):
            frame = av.AudioFrame.from_ndarray(sound[start : start + 960].reshape(1, -1), "fltp", "mono")
            frame.sample_rate = RATE
            yield START + start * SECOND_US // RATE, frame

    monkeypatch.setattr(encode_sound, "audio_frames", recorded)
    wall = TimeRange(start_us=START, end_us=START + SECONDS * SECOND_US)
    step = AudioStep(
        stretches=(Stretch(wall=wall, slices=()),),
        clip_start_us=START,
        encoding=archive_rules().sound.codecs[codec],
        target=path,
    )
    encode_audio(step)
    return path


def mime(path: Path) -> str:
    with path.open("rb") as file:
        (track,) = read_init(file).tracks
    return f'video/mp4; codecs="{codec_string(track.sample_entry)}"'


def test_opus_and_aac_are_heard_where_they_belong_to_the_millisecond(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three files in a row, the first without any codec's delay: the bursts of all come at an even pace."""
    sound = bursts()
    reference = exact(tmp_path / "flac.mp4", sound)
    opus = archived(tmp_path / "opus.mp4", sound, ArchiveCodec.AV1, monkeypatch)
    aac = archived(tmp_path / "aac.mp4", sound, ArchiveCodec.H264, monkeypatch)
    kinds = [(reference, 'video/mp4; codecs="flac"'), (opus, mime(opus)), (aac, mime(aac))]
    assert kinds[1][1] == 'video/mp4; codecs="opus"'
    files = [
        {"mime": kind, "at": number * SECONDS, "data": base64.b64encode(path.read_bytes()).decode()}
        for number, (path, kind) in enumerate(kinds)
    ]
    page.goto("about:blank")
    # On a busy machine playing may falter; sound that is misplaced is so every time.
    assert any(in_even_pace(page, files) for _ in range(TRIES))


def in_even_pace(page: Page, files: list[dict[str, Any]]) -> bool:
    heard = np.frombuffer(base64.b64decode(page.evaluate(LISTEN, files)), np.float32)
    found = moments(np.abs(heard) ** 2)
    if len(found) != len(files) * SECONDS / EVERY:
        return False
    expected = found[0] + np.arange(len(found)) * EVERY
    return bool(np.max(np.abs(np.array(found) - expected)) < 0.001)


def moments(energy: Any) -> list[float]:
    """The middle of each burst, in seconds."""
    found: list[float] = []
    for place in np.flatnonzero(energy > 0.05):
        if not found or place / RATE > found[-1] + 0.1:
            first = max(0, int(place) - 400)
            near = energy[first : place + 600]
            middle = first + float(np.sum(np.arange(len(near)) * near)) / float(np.sum(near))
            found.append(middle / RATE)
    return found
