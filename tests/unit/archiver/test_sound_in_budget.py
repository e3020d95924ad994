"""The bytes of sound are known before pictures are planned, and whose sound is left out is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from archiver.archive_file import JoinStep
from archiver.clip_work import ClipWork
from archiver.encode import VideoResult, VideoStep
from archiver.encode_sound import AudioResult, AudioStep
from kernel.model.source import ContentKind
from tests.unit.archiver.test_within_budget import Foundry, encode, work

SOUND_BYTES = 600 * 18 * 125  # ten minutes of 18 kbit/s


class WithSound(Foundry):
    """All clips have sound; those named have not one picture that can be decoded."""

    def __init__(self, *blind: str) -> None:
        super().__init__()
        self._blind = blind
        self.joined: dict[str, bool] = {}  # whether a file was given its own sound

    def _make(self, step: Any) -> Any:
        if isinstance(step, AudioStep):
            return AudioResult(
                path=step.target,
                size_bytes=SOUND_BYTES,
                padded_us=0,
                trimmed_us=0,
                undecodable_units=0,
                decoders=(),
                heard=tuple(stretch.wall for stretch in step.stretches),
            )
        if isinstance(step, JoinStep):
            self.joined[step.target.parent.name] = step.audio is not None
        return super()._make(step)

    def _encode(self, step: VideoStep) -> VideoResult:
        made = super()._encode(step)
        blind = step.target.parents[1].name in self._blind
        return replace(made, path=None, size_bytes=0, frames=0) if blind else made


def room_and_seat(directory: Path) -> list[ClipWork]:
    room = work(directory, "room")
    source = replace(room.source, content_kind=ContentKind.ROOM)
    return [replace(room, source=source), work(directory, "seat")]


def test_with_bytes_enough_everybody_keeps_their_sound_and_pictures_get_what_is_left(tmp_path: Path) -> None:
    foundry = WithSound()
    made, weight, room = encode(foundry, room_and_seat(tmp_path), kbps=150)
    assert foundry.joined == {"room": True, "seat": True}
    assert [one.sound_in for one in made.clips] == [("room-room-p1.mp4",), ("seat_face-seat-p1.mp4",)]
    assert weight <= room - 2 * SOUND_BYTES


def test_with_few_bytes_the_seat_is_heard_in_the_rooms_file_and_pictures_get_its_share(
    tmp_path: Path,
) -> None:
    foundry = WithSound()
    made, weight, room = encode(foundry, room_and_seat(tmp_path), kbps=60)
    assert foundry.joined == {"room": True, "seat": False}
    assert [one.sound_in for one in made.clips] == [("room-room-p1.mp4",)] * 2
    assert room - 2 * SOUND_BYTES < weight <= room - SOUND_BYTES


def test_sound_of_a_room_whose_file_is_not_made_stays_with_the_seat(tmp_path: Path) -> None:
    """Not one picture of the room could be decoded: nobody may lose the only file with sound by that."""
    foundry = WithSound("room")
    made, _, _ = encode(foundry, room_and_seat(tmp_path), kbps=60)
    assert foundry.joined == {"seat": True}
    assert [one.sound_in for one in made.clips] == [("seat_face-seat-p1.mp4",)]
