"""The newest sealed segment of a source as a ``PacketSource``, for a look at what cannot be opened twice.

A source that pushes has one connection, and the recorder has it; some cameras refuse a second one. While the
recorder says that it records such a source right now, its last minute is in the ring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from capture.packets import Delivery, PacketSource, TrackStarted
from capture.recorder import OpenSource
from kernel.clock import SECOND_US, Clock
from kernel.errors import BoxError, SourceError, SourceUnreachable
from kernel.isobmff.reader import InitSegment, read_fragments, read_init
from kernel.isobmff.sample_entry import channel_count, decoder_config
from kernel.isobmff.tracks import SampleRef, Track
from kernel.model.footage import ClockBasis, Codec, Packet, Segment, SourceHealth, SourceState, TrackInfo
from kernel.settings import CaptureSettings, SourceSpec
from kernel.timerange import TimeRange

PUSHED = frozenset({"push+rtsp", "push+rtmp", "agent"})
"""Schemes of sources that call us."""
_FRESH_US = 180 * SECOND_US  # a segment of a minute, sealed a minute ago
_NOW_US = 10 * SECOND_US  # a recorder says how its sources are every second
_CODECS = {
    "avc1": Codec.H264,
    "hvc1": Codec.H265,
    "jpeg": Codec.MJPEG,
    "mp4a": Codec.AAC,
    "alaw": Codec.G711A,
    "ulaw": Codec.G711U,
    "Opus": Codec.OPUS,
}


class NewestRows(Protocol):
    """What is needed of the catalogue; ``catalog.footage.Footage`` is one."""

    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]:
        """Segments of a source that touch a range, oldest first."""

    def health(self) -> dict[str, SourceHealth]:
        """What was last said of each source, by its id."""


def also_from_ring(open_source: OpenSource, rows: NewestRows, ring: Path) -> OpenSource:
    """An opener that takes pushed sources, and those that refuse a second connection, from the ring."""

    async def open_either(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> PacketSource:
        refused: SourceError = SourceUnreachable(
            f"source {spec.id}: it is not being recorded now.",
            hint="Check that the device pushes and the recorder runs.",
        )
        if spec.scheme not in PUSHED:
            try:
                return await open_source(spec, settings, clock)
            except SourceError as error:
                refused = error
        now_us = clock.now_us()
        if not await asyncio.to_thread(_recorded_now, rows, spec.id, now_us):
            raise refused
        fresh = TimeRange(start_us=now_us - _FRESH_US, end_us=now_us + 1)
        segments = await asyncio.to_thread(rows.segments_of, spec.id, fresh)
        if not segments:
            message = f"source {spec.id}: it is being recorded, but no segment of it is sealed yet."
            raise SourceUnreachable(message, hint="Check again in a minute.")
        return RingSource(spec.id, ring, segments[-1])

    return open_either


def _recorded_now(rows: NewestRows, source_id: str, now_us: int) -> bool:
    """Whether a recorder that lives says that it records this source."""
    health = rows.health().get(source_id)
    if health is None or health.state is not SourceState.RECORDING or health.last_frame_us is None:
        return False
    return max(now_us - health.last_frame_us, now_us - health.updated_us) <= _NOW_US


class RingSource:
    """One segment, read at once."""

    def __init__(self, name: str, ring: Path, segment: Segment) -> None:
        self._name = name
        self._path = ring / segment.path
        self._segment = segment
        self._read = False

    async def read(self) -> Sequence[Delivery]:
        """See ``PacketSource``."""
        if self._read:
            raise SourceUnreachable(f"source {self._name}: the recording ended.")
        self._read = True
        try:
            with self._path.open("rb") as file:
                return list(_deliveries(file, self._segment))
        except (OSError, BoxError):
            raise SourceUnreachable(f"source {self._name}: its newest segment cannot be read.") from None

    async def close(self) -> None:
        """See ``PacketSource``."""


def _deliveries(file: BinaryIO, segment: Segment) -> Iterator[Delivery]:
    init = read_init(file)
    infos = _infos(init)
    for info in infos.values():
        yield TrackStarted(info=info)
    for fragment in read_fragments(file, init.size):
        for number, samples in fragment.runs.items():
            for sample in samples if number in infos else ():
                file.seek(sample.offset)
                yield _packet(infos[number], sample, file.read(sample.size), segment)


def _infos(init: InitSegment) -> dict[int, TrackInfo]:
    found = {}
    for track in init.tracks:
        codec = _CODECS.get(decoder_config(track.sample_entry).kind)
        if codec is not None:
            found[track.id] = _info(codec, track)
    return found


def _info(codec: Codec, track: Track) -> TrackInfo:
    return TrackInfo(
        codec=codec,
        timescale=track.timescale,
        sample_entry=track.sample_entry,
        width=track.width,
        height=track.height,
        sample_rate=0 if track.is_video else track.timescale,
        channels=0 if track.is_video else channel_count(track.sample_entry),
    )


def _packet(info: TrackInfo, sample: SampleRef, data: bytes, segment: Segment) -> Packet:
    """Arrival and source clock as the recorder found them: its offset is kept with the segment."""
    media_us = sample.pts * SECOND_US // info.timescale
    told = segment.clock_basis is ClockBasis.SENDER_REPORT or segment.clock_offset_us != 0
    return Packet(
        codec=info.codec,
        pts=sample.pts,
        data=data,
        key=sample.key,
        arrival_us=media_us,
        wall_us=media_us + segment.clock_offset_us if told else None,
    )
