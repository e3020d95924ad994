"""The user's own footage: which file serves what, and the seam of its loop."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kernel.clock import SECOND_US
from kernel.errors import SettingsError
from kernel.model.footage import Codec
from simulator.footage import FootageFeed, assign, footage_feeds
from simulator.media import MediaUnit
from simulator.source import DEFAULT_CENTRE

FPS, FRAMES = 10, 25


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """2.5 s of H.264 with B pictures, and AAC."""
    path = tmp_path / "seat-01-face.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream(
            "libx264", rate=FPS, options={"bf": "2", "g": "10", "preset": "ultrafast", "b-adapt": "0"}
        )
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = out.add_stream("aac", rate=16_000, layout="mono")
        rng = np.random.default_rng(0)
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(
                rng.integers(0, 255, (180, 320, 3)).astype(np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(video.encode(frame))
        for start in range(0, FRAMES * 1600 - 1024, 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 16_000, start
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def _units(feed: FootageFeed, count: int) -> list[MediaUnit]:
    units = [feed.make(feed.due_us) for _ in range(count)]
    return [unit for unit in units if unit is not None]


def test_the_loop_has_no_seam(clip: Path) -> None:
    feed = FootageFeed(clip)
    feed.start(SECOND_US)
    pictures = sorted(unit.ticks for unit in _units(feed, 200) if unit.video)
    whole = pictures[: 2 * FRAMES]
    assert whole == [index * 9000 for index in range(2 * FRAMES)]


def test_pictures_go_in_decoding_order_and_never_before_their_capture(clip: Path) -> None:
    feed = FootageFeed(clip)
    feed.start(SECOND_US)
    shown, due = [], []
    for _ in range(150):
        due_us = feed.due_us
        unit = feed.make(due_us)
        assert unit is not None
        assert unit.at_us <= due_us
        due.append(due_us)
        if unit.video:
            shown.append(unit.at_us)
    assert due == sorted(due)
    assert shown != sorted(shown)


def test_the_tracks_are_described(clip: Path) -> None:
    video, audio = FootageFeed(clip).tracks
    assert (video.codec, len(video.parameter_sets)) == (Codec.H264, 2)
    assert (audio.codec, audio.clock_rate, audio.channels) == (Codec.AAC, 16_000, 1)
    assert audio.config[:2] == bytes.fromhex("1408")


def test_a_file_named_like_a_source_serves_it() -> None:
    files = [Path("a-desktop.mp4"), Path("hall-camera.mp4"), Path("my-face.mkv"), Path("room.mp4")]
    chosen = assign(files, DEFAULT_CENTRE)
    assert chosen["hall-camera"].stem == "hall-camera"
    assert chosen["extraction-room"].stem == "room"
    assert chosen["seat-02-desktop"].stem == "a-desktop"
    assert chosen["hall-screen"].stem == "a-desktop"
    assert chosen["seat-03-face"].stem == "my-face"


def test_files_take_turns() -> None:
    files = [Path("desktop-a.mp4"), Path("desktop-b.mp4")]
    chosen = assign(files, DEFAULT_CENTRE)
    desktops = [chosen[f"seat-0{seat}-desktop"].stem for seat in (1, 2, 3)]
    assert set(desktops) == {"desktop-a", "desktop-b"}


def test_one_file_serves_everything() -> None:
    chosen = assign([Path("holiday.mp4")], DEFAULT_CENTRE)
    assert {path.stem for path in chosen.values()} == {"holiday"}
    assert set(chosen) == {source.id for source in DEFAULT_CENTRE}


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_a_directory_without_video_is_named_with_what_is_needed(
    tmp_path: Path, content: bytes | None
) -> None:
    directory = tmp_path / "mine"
    if content is not None:
        directory.mkdir()
        (directory / "broken.mp4").write_bytes(content)
    with pytest.raises(SettingsError, match=r"mine has no video.*H\.264 or H\.265"):
        footage_feeds(directory, DEFAULT_CENTRE)


def test_the_sample_footage_serves_all_default_sources() -> None:
    default = Path(__file__).resolve().parents[4] / "shared" / "footage"
    directory = Path(os.environ.get("JIANZHENG_FOOTAGE", str(default)))
    if not directory.is_dir():
        assert os.environ.get("CI") != "true", f"{directory} is missing"
        pytest.skip(f"{directory} is missing; set JIANZHENG_FOOTAGE")
    feeds = footage_feeds(directory, DEFAULT_CENTRE)
    assert set(feeds) == {source.id for source in DEFAULT_CENTRE}
    for (feed,) in feeds.values():
        feed.start(SECOND_US)
        assert feed.make(feed.due_us) is not None


@pytest.mark.parametrize("seconds", [0, 1.25, 2.49, 2.5, 6.1])
def test_what_is_replayed_is_what_was_sent_from_the_key_frame_before(clip: Path, seconds: float) -> None:
    feed = FootageFeed(clip)
    feed.start(100 * SECOND_US)
    live = [unit for unit in _units(feed, 400) if unit.video]
    start_us = round((100 + seconds) * SECOND_US)
    again = [unit for unit in _units(feed.replay(start_us), 60) if unit.video]
    first = max(number for number, unit in enumerate(live) if unit.key and unit.at_us <= start_us)
    assert again == live[first : first + len(again)]
    assert len(again) > 10


def test_what_was_before_the_first_pass_can_be_replayed_too(clip: Path) -> None:
    feed = FootageFeed(clip)
    feed.start(100 * SECOND_US)
    first = next(unit for unit in _units(feed.replay(95 * SECOND_US + 1), 10) if unit.video)
    assert (first.at_us, first.ticks, first.key) == (95 * SECOND_US, -5 * 90_000, True)
