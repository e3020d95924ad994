"""What a source delivers, counted. Pure: deliveries in, figures out."""

from __future__ import annotations

from dataclasses import dataclass

from capture.packets import Delivery, TrackStarted
from capture.run_clock import Anchors
from kernel.clock import SECOND_US
from kernel.model.footage import Codec, Packet, TrackInfo

_AVC_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2"}
_HEVC_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture"}
_BURST_US = SECOND_US


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoFigures:
    """The picture track."""

    codec: Codec
    profile: str  # such as "High, level 4.1"; empty where the codec has none
    width: int  # pixels
    height: int  # pixels
    pictures: int
    frame_rate: float | None  # pictures a second, by their arrival; None where too few came to tell
    stamped_rate: float | None  # pictures a second, by their time stamps
    key_frames: int
    key_interval_s: float | None  # longest seen, by time stamps; None where no two came
    bit_rate_kbps: float | None
    b_frames: bool  # pictures come in another order than they are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundFigures:
    """The sound track."""

    codec: Codec
    sample_rate: int  # Hz
    channels: int
    bit_rate_kbps: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A source, as it delivered."""

    seconds: float  # from the first packet to the last; of a file, the time in it
    video: VideoFigures | None  # None: no picture came
    sound: SoundFigures | None
    packets_lost: int  # RTP packets missing, or units dropped
    reports: bool  # the source tells the time of its pictures
    clock_offset_us: int | None  # source clock minus ours, at the least delay; None where it tells none
    first_picture_us: int | None  # from the beginning to the first picture that can be shown


class Meter:
    """Counts what a source delivers."""

    def __init__(self, began_us: int, *, paced: bool = True) -> None:
        """``paced``: it comes as it happens; a file comes as fast as it can be read."""
        self._began_us = began_us  # wall time
        self._paced = paced
        self._video: TrackStarted | None = None
        self._sound: TrackInfo | None = None
        self._anchors: Anchors | None = None
        self._first: Packet | None = None
        self._first_key: Packet | None = None
        self._pictures = self._keys = self._lost = 0
        self._video_bytes = self._sound_bytes = 0
        self._first_arrival_us = self._last_arrival_us = 0
        self._steady: tuple[int, int] | None = None  # arrival and number of a picture after the first burst
        self._picture_arrival_us = 0
        self._stamps: tuple[int, int] | None = None  # lowest and highest, ticks
        self._last_key: int | None = None
        self._longest = 0  # between key frames, ticks
        self._reordered = False

    def take(self, one: Delivery) -> None:
        if isinstance(one, TrackStarted):
            self._track(one)
        elif isinstance(one, Packet):
            self._packet(one)
        else:
            self._lost += one.count

    def _track(self, track: TrackStarted) -> None:
        if not track.info.codec.is_video:
            self._sound = track.info
        elif self._video is None or track.info.timescale == self._video.info.timescale:
            self._video = track
            self._anchors = self._anchors or Anchors(track.info.timescale)

    def _packet(self, packet: Packet) -> None:
        self._first_arrival_us = self._first_arrival_us or packet.arrival_us
        self._last_arrival_us = packet.arrival_us
        if packet.codec.is_video:
            self._picture(packet)
        else:
            self._sound_bytes += len(packet.data)

    def _picture(self, packet: Packet) -> None:
        self._pictures += 1
        self._video_bytes += len(packet.data)
        self._first = self._first or packet
        self._picture_arrival_us = packet.arrival_us
        if self._steady is None and packet.arrival_us - self._first.arrival_us >= _BURST_US:
            self._steady = packet.arrival_us, self._pictures
        low, high = self._stamps or (packet.pts, packet.pts)
        self._reordered = self._reordered or packet.pts < high
        self._stamps = min(low, packet.pts), max(high, packet.pts)
        if self._anchors is not None:
            self._anchors.add(packet)
        if packet.key:
            self._key(packet)

    def _key(self, packet: Packet) -> None:
        self._keys += 1
        self._first_key = self._first_key or packet
        if self._last_key is not None:
            self._longest = max(self._longest, packet.pts - self._last_key)
        self._last_key = packet.pts

    @property
    def told_time(self) -> bool:
        """The source has told the time of its pictures."""
        return self._anchors is not None and self._anchors.source_us is not None

    @property
    def key_frames(self) -> int:
        """Seen so far."""
        return self._keys

    def measured(self) -> Measured:
        """Of what has come until now."""
        anchors = self._anchors
        told_us = anchors.source_us if anchors is not None else None
        offset_us = None if anchors is None or told_us is None else told_us - anchors.arrival_us
        first = self._first_key
        return Measured(
            seconds=self._lasted_us() / SECOND_US,
            video=self._video_figures(),
            sound=self._sound_figures(),
            packets_lost=self._lost,
            reports=self.told_time,
            clock_offset_us=offset_us,
            first_picture_us=first.arrival_us - self._began_us if first else None,
        )

    def _lasted_us(self) -> int:
        if self._paced or self._video is None or self._stamps is None:
            return self._last_arrival_us - self._first_arrival_us
        return (self._stamps[1] - self._stamps[0]) * SECOND_US // self._video.info.timescale

    def _kbps(self, size: int) -> float | None:
        lasted_us = self._lasted_us()
        return size * 8000 / lasted_us if lasted_us > 0 else None

    def _video_figures(self) -> VideoFigures | None:
        if self._video is None or self._first is None or self._stamps is None:
            return None
        info = self._video.info
        stamped = self._stamps[1] - self._stamps[0]
        between = self._pictures - 1
        stamped_rate = between * info.timescale / stamped if stamped > 0 else None
        return VideoFigures(
            codec=info.codec,
            profile=profile_of(info),
            width=info.width,
            height=info.height,
            pictures=self._pictures,
            frame_rate=self._frame_rate() if self._paced else stamped_rate,
            stamped_rate=stamped_rate,
            key_frames=self._keys,
            key_interval_s=self._longest / info.timescale if self._keys > 1 else None,
            bit_rate_kbps=self._kbps(self._video_bytes),
            b_frames=self._reordered,
        )

    def _frame_rate(self) -> float | None:
        """Counted after the burst of old pictures with which many devices begin."""
        if self._steady is None:
            return None
        since_us, number = self._steady
        arrived_us = self._picture_arrival_us - since_us
        return (self._pictures - number) * SECOND_US / arrived_us if arrived_us > 0 else None

    def _sound_figures(self) -> SoundFigures | None:
        if self._sound is None:
            return None
        return SoundFigures(
            codec=self._sound.codec,
            sample_rate=self._sound.sample_rate,
            channels=self._sound.channels,
            bit_rate_kbps=self._kbps(self._sound_bytes) if self._sound_bytes else None,
        )


def profile_of(info: TrackInfo) -> str:
    """Profile and level as the sample entry says them (ISO/IEC 14496-15, 5.3.3 and 8.3.3)."""
    entry = info.sample_entry
    if info.codec is Codec.H264 and (at := entry.find(b"avcC") + 4) > 3:
        name = _AVC_PROFILES.get(entry[at + 1], f"profile {entry[at + 1]}")
        return f"{name}, level {entry[at + 3] / 10:.1f}"
    if info.codec is Codec.H265 and (at := entry.find(b"hvcC") + 4) > 3:
        number = entry[at + 1] & 31
        return f"{_HEVC_PROFILES.get(number, f'profile {number}')}, level {entry[at + 12] / 30:.1f}"
    return ""
