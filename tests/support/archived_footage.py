"""Archived footage whose pictures carry their time, put behind rows of the sample's month that have none.

All cameras of a session share the bytes of one file, all desktops those of another: what a picture shows is
the time, and that is the same for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
from sqlalchemy import insert, update

from archiver import encode_sound
from archiver.archive_file import JoinStep, join
from archiver.encode import VideoStep, encode_frames
from archiver.encode_sound import AudioStep, encode_audio
from archiver.ring_reader import PictureFormat
from archiver.rules import archive_rules
from archiver.stretches import Stretch
from catalog.database import writing
from catalog.tables import METADATA
from kernel.clock import SECOND_US
from kernel.isobmff.reader import read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.model.cut import Clip
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.sample_month import Month

RULES = archive_rules()
_RATE, _BLOCK = 48_000, 960
DESKTOPS = (ContentKind.SEAT_DESKTOP, ContentKind.SCREEN, ContentKind.EXTRACTION_TERMINAL)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one kind of source looks."""

    width: int
    height: int
    fps: int
    kind: ContentKind


CAMERA = Look(width=480, height=270, fps=10, kind=ContentKind.SEAT_FACE)
DESKTOP = Look(width=640, height=360, fps=4, kind=ContentKind.SEAT_DESKTOP)


def picture(wall_us: int, look: Look) -> Any:
    """A moving scene with the strip of its capture time."""
    planes = np.full((look.height * 3 // 2, look.width), 128, np.uint8)
    luma = planes[: look.height]
    luma[:] = 90 + (np.arange(look.width) % 64)[None, :]
    left = wall_us // 20_000 % (look.width - 60)
    luma[100:160, left : left + 60] = 200
    strip = np.ascontiguousarray(luma)
    timestrip.draw(strip, wall_us // 1000)
    planes[: look.height] = strip
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _pictures(wall: TimeRange, look: Look) -> Iterator[tuple[int, Any]]:
    for at_us in range(wall.start_us, wall.end_us, SECOND_US // look.fps):
        yield at_us, picture(at_us, look)


@dataclass
class Footage:
    """Makes files and puts them behind a month's clips."""

    month: Month
    directory: Path
    codec: ArchiveCodec = ArchiveCodec.AV1
    _made: dict[tuple[object, ...], Path] = field(default_factory=dict)

    def give(
        self,
        session_id: str,
        wall: TimeRange,
        *,
        camera: Look = CAMERA,
        desktop: Look = DESKTOP,
        sounding: tuple[str, ...] = (),
    ) -> None:
        """Pictures of a time to all clips of a session, a tone to those of some sources."""
        kinds = self.month.catalogue.places.sources()
        for source_id, clips in self.month.clips(session_id).items():
            look = desktop if kinds[source_id].content_kind in DESKTOPS else camera
            for clip in clips:
                part = clip.wall.intersect(wall)
                if part is not None:
                    file = self.file(look, part, clip.wall.start_us, sound=source_id in sounding)
                    self.put(clip, file, look)

    def file(self, look: Look, wall: TimeRange, clip_start_us: int, *, sound: bool = False) -> Path:
        """An archived file, made once for all that look the same."""
        key = (look, wall, clip_start_us, sound)
        if key not in self._made:
            self._made[key] = self._encode(look, wall, clip_start_us, sound)
        return self._made[key]

    def put(self, clip: Clip, file: Path, look: Look) -> None:
        """What is archived of a clip is this file."""
        data = file.read_bytes()
        with file.open("rb") as opened:
            codecs = [codec_string(track.sample_entry) for track in read_init(opened).tracks]
            key = f"footage/{clip.id}-{hashlib.sha256(data).hexdigest()[:8]}.mp4"
            opened.seek(0)
            sha256 = self.month.store.put(key, opened)
        rows, objects = METADATA.tables["rendition"], METADATA.tables["archive_object"]
        with writing(self.month.catalogue._engine) as session:
            connection = session.connection()
            old = connection.execute(rows.select().where(rows.c.clip_id == clip.id)).mappings().one()
            told: dict[str, Any] = {
                "object_key": key,
                "video_codec": codecs[0],
                "audio_codec": (*codecs[1:], None)[0],
            }
            told |= {"width": look.width, "height": look.height}
            weight = {"key": key, "size_bytes": len(data), "sha256": sha256}
            connection.execute(insert(objects).values(archive_id=old["archive_id"], **weight))
            connection.execute(update(rows).where(rows.c.id == old["id"]).values(**told))

    def _encode(self, look: Look, wall: TimeRange, clip_start_us: int, sound: bool) -> Path:
        name = f"{len(self._made)}"
        rule, codec = RULES.kinds[look.kind], RULES.codecs[self.codec]
        step = VideoStep(
            stretch=Stretch(wall=wall, slices=()),
            clip_start_us=clip_start_us,
            picture=PictureFormat(width=look.width, height=look.height, rate=Fraction(look.fps)),
            encoder=codec.encoder,
            options=codec.options(rule, 40),
            key_seconds=rule.key_seconds,
            target=self.directory / f"v{name}.mp4",
        )
        encode_frames(step, _pictures(wall, look))
        heard = _tone(wall, clip_start_us, self.directory / f"a{name}.mp4") if sound else None
        target = self.directory / f"{name}.mp4"
        join(JoinStep(stretches=((step.target,),), audio=heard, clip_start_us=clip_start_us, target=target))
        return target


def _tone(wall: TimeRange, clip_start_us: int, target: Path) -> Path:
    """A tone for as long as the pictures."""

    def recorded(_stretch: object, _tally: object) -> Iterator[tuple[int, Any]]:
        for start in range(0, wall.duration_us * _RATE // SECOND_US, _BLOCK):
            time = (np.arange(_BLOCK) + start) / _RATE
            block = (0.2 * np.sin(2 * np.pi * 440 * time)).astype(np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, "fltp", "mono")
            frame.sample_rate = _RATE
            yield wall.start_us + start * SECOND_US // _RATE, frame

    step = AudioStep(
        stretches=(Stretch(wall=wall, slices=()),),
        clip_start_us=clip_start_us,
        encoding=RULES.sound.codecs[ArchiveCodec.AV1],
        target=target,
    )
    with patch.object(encode_sound, "audio_frames", recorded):
        encode_audio(step)
    return target
