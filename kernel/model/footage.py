"""Packets, runs, segments and gaps: what recording makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.timerange import TimeRange


class Codec(StrEnum):
    """Codecs that a source may send into the ring."""

    H264 = "h264"
    H265 = "h265"
    AAC = "aac"
    G711A = "g711a"
    G711U = "g711u"

    @property
    def is_video(self) -> bool:
        return self in (Codec.H264, Codec.H265)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackInfo:
    """One track of a run, as its init segment describes it."""

    codec: Codec
    timescale: int  # ticks per second of pts, dts and durations
    sample_entry: bytes  # the whole ISO BMFF sample entry box (avc1, hvc1, mp4a, alaw, ulaw)
    width: int = 0  # pixels, video only
    height: int = 0  # pixels, video only
    sample_rate: int = 0  # Hz, audio only
    channels: int = 0  # audio only


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """One access unit of video or one frame of audio, as the source sent it."""

    codec: Codec
    pts: int  # presentation time in the track's ticks, unwrapped, counted from an origin of the run
    data: bytes  # NAL units each behind a four-byte length (video) or the raw frame (audio)
    key: bool  # a picture from which decoding can start; always True for audio
    arrival_us: int  # wall time of the recorder when its last byte arrived
    wall_us: int | None  # capture time by the source's clock; None before the first sender report


class ClockBasis(StrEnum):
    """Where a segment's wall time comes from (``docs/design/time.md``)."""

    SENDER_REPORT = "sender_report"
    """RTCP sender reports of the source (RFC 3550, 6.4.1)."""
    ARRIVAL = "arrival"
    """Least-delay arrival at the recorder: the source sent no usable report."""


class EndReason(StrEnum):
    """Why a segment or a run ended."""

    LENGTH = "length"
    """The set length was reached at a key frame; the run goes on."""
    STOPPED = "stopped"
    """Somebody stopped recording."""
    SOURCE_LOST = "source_lost"
    """The connection broke or fell silent."""
    DISCONTINUITY = "discontinuity"
    """Time stamps or a clock jumped."""
    FORMAT_CHANGE = "format_change"
    """The source changed its codec parameters."""
    DISK_FULL = "disk_full"
    """No room left."""
    CRASH = "crash"
    """The recorder ended without sealing; settled at the next start."""


class GapCause(StrEnum):
    """Why expected time was not recorded (invariant 5)."""

    CAMERA_LOST = "camera_lost"
    """The source stopped answering, or its connection ended."""
    REFUSED = "refused"
    """The source refused credentials, path or codec."""
    DISCONTINUITY = "discontinuity"
    """Its time stamps jumped, or packets were lost in transit."""
    DISK_FULL = "disk_full"
    STOPPED = "stopped"
    """Recording was stopped by a principal, named in ``detail``."""
    CRASH = "crash"
    """The recorder itself failed."""
    NOT_RECORDING = "not_recording"
    """No recorder was running, or nothing more is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One unbroken connection to a source."""

    id: str
    source_id: str
    started_us: int
    ended_us: int | None
    end_reason: EndReason | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One sealed file of the ring."""

    id: str
    run_id: str
    source_id: str
    sequence: int  # position in its run, from 0
    wall: TimeRange  # from its first frame to its successor's first frame, or to the end of its last
    media_start: int  # dts of its first video sample, ticks of the video track
    media_duration: int  # ticks of the video track
    timescale: int  # ticks per second of the video track
    clock_basis: ClockBasis
    clock_offset_us: int  # source clock minus recorder clock, least delay seen
    path: str  # below the ring's root, with forward slashes; a label, never truth
    size_bytes: int
    sha256: str  # lower-case hex
    chain: str  # SHA-256 over the source's previous chain value and this sha256, lower-case hex
    end_reason: EndReason


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Expected time of a source that nobody recorded."""

    id: str
    source_id: str
    start_us: int
    end_us: int | None  # None while it lasts
    cause: GapCause
    detail: str  # for people: what happened, without credentials


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHealth:
    """What the recorder last knew of a source."""

    source_id: str
    state: SourceState
    detail: str  # for people; empty while all is well
    since_us: int  # when this state began
    updated_us: int  # when the recorder last said so
    last_frame_us: int | None  # wall time of the newest frame received


class SourceState(StrEnum):
    """What a source is doing, as the recorder sees it."""

    CONNECTING = "connecting"
    RECORDING = "recording"
    LOST = "lost"
    REFUSED = "refused"
    """It answers but cannot be recorded until somebody changes a setting."""
    STOPPED = "stopped"
