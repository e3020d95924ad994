"""Packets, runs, segments and gaps: what recording makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kernel.timerange import ALL_TIME, TimeRange, subtract


class Codec(StrEnum):
    """Codecs that a source may send into the ring."""

    is_video: bool  # an attribute, not a property: it is asked for every frame

    H264 = "h264", True
    H265 = "h265", True
    AAC = "aac", False
    G711A = "g711a", False
    G711U = "g711u", False
    G726 = "g726", False
    OPUS = "opus", False
    MJPEG = "mjpeg", True

    def __new__(cls, value: str, is_video: bool) -> Codec:
        member = str.__new__(cls, value)
        member._value_ = value
        member.is_video = is_video
        return member


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackInfo:
    """One track of a run, as its init segment describes it."""

    codec: Codec
    timescale: int  # ticks per second of pts, dts and durations
    sample_entry: bytes  # the whole ISO BMFF sample entry box (avc1, hvc1, jpeg, mp4a, alaw, ulaw, ...)
    width: int = 0  # pixels, video only
    height: int = 0  # pixels, video only
    sample_rate: int = 0  # Hz, audio only
    channels: int = 0  # audio only
    on_video_clock: bool = False  # audio only: its pts count on the same clock as the run's video


class Packet(NamedTuple):
    """One access unit of video or one frame of audio, as the source sent it.

    A tuple, because it is made in a third of the time: 7000 a second for 100 sources.
    """

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
    REPLAY = "replay"
    """The device's own memory, fetched afterwards: the times that it kept with its recording."""
    AGENT = "agent"
    """The clock of an expert's computer, set against the recorder's at each exchange."""
    DECLARED = "declared"
    """A file taken in: its start and offset as a principal declared them."""


class EndReason(StrEnum):
    """Why a segment or a run ended."""

    LENGTH = "length"
    """The set length was reached at a key frame; the run goes on."""
    STOPPED = "stopped"
    """Somebody stopped recording, or the booked time was over."""
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


class RunOrigin(StrEnum):
    """How a run's footage came into the ring."""

    LIVE = "live"
    BACKFILL = "backfill"
    """Fetched from the device's own memory after a gap; the gap stays visible."""
    AGENT = "agent"
    """Recorded on the expert's computer and sent."""
    INTAKE = "intake"
    """A file that somebody handed in."""


class Backfill(StrEnum):
    """Whether a gap was filled afterwards: from the device's own memory, or with a file taken in."""

    NONE = "none"
    """Not tried, or the device offers nothing."""
    WHOLE = "whole"
    PART = "part"
    NOTHING = "nothing"
    """The device was asked and has no recording of that time."""


class GapCause(StrEnum):
    """Why expected time was not recorded (invariant 5)."""

    CAMERA_LOST = "camera_lost"
    """The source stopped answering, or its connection ended."""
    NETWORK = "network"
    """The way to the source is broken: nothing comes back from its address."""
    GARBAGE = "garbage"
    """It sent what cannot be decoded."""
    REFUSED = "refused"
    """The source refused credentials, path or codec."""
    DISCONTINUITY = "discontinuity"
    """Its time stamps jumped, or packets were lost in transit."""
    DISK_FULL = "disk_full"
    DISK_LOST = "disk_lost"
    """The ring's disk is gone, or another one is in its place."""
    STOPPED = "stopped"
    """Recording was stopped by a principal, named in ``detail``."""
    CRASH = "crash"
    """The recorder itself failed."""
    REMOVED = "removed"
    """It was recorded, and removed by rule before anything needed it; only gaps of clips are called so."""
    NOT_RECORDING = "not_recording"
    """No recorder was running, or nothing more is known."""
    PENDING = "pending"
    """Not in the ring yet; only gaps of clips are called so, while their session is ended and not cut."""


class Fault(StrEnum):
    """What exactly is the matter with a source: finer than a gap's cause, and for each a remedy of its own.

    Pages have the words for it in their language; no program reads the sentences in ``detail``.
    """

    NETWORK = "network"
    """Nothing comes back from its address."""
    NOT_LISTENING = "not_listening"
    """Its address answers, but refuses the connection."""
    NOT_ANSWERING = "not_answering"
    """It takes the connection and answers no request."""
    NOT_CALLING = "not_calling"
    """A device that pushes is not connected."""
    CONNECTION_LOST = "connection_lost"
    """The connection ended, or the device cannot serve the stream now."""
    NO_PICTURE = "no_picture"
    """It is connected and sends no picture: it is frozen."""
    NO_KEY_FRAMES = "no_key_frames"
    """Pictures come, but none from which decoding can begin."""
    GARBAGE = "garbage"
    """What it sends cannot be decoded."""
    PROTOCOL = "protocol"
    """It breaks the protocol."""
    CREDENTIALS = "credentials"
    """It refuses username or password (401, 403)."""
    CERTIFICATE = "certificate"
    NO_SUCH_PATH = "no_such_path"
    """It has no such stream (404)."""
    NO_VIDEO = "no_video"
    CODEC = "codec"
    """Its codec cannot be recorded."""
    SETTINGS = "settings"
    """It cannot be recorded as its entry in cameras.yaml says."""
    TIME_JUMP = "time_jump"
    DISK_FULL = "disk_full"
    DISK_LOST = "disk_lost"
    RECORDER_FAILED = "recorder_failed"
    """The recorder itself failed, in a way that nobody foresaw."""
    RECEIVER_SILENT = "receiver_silent"
    """Nothing is heard from the program at the recorder that receives agents: it does not run."""
    AGENT_NEVER_HEARD = "agent_never_heard"
    """The program on the expert's computer has not reported since the receiver knows of it."""
    AGENT_SILENT = "agent_silent"
    """It reported, and does not any more: the computer is off, or the network is down."""
    AGENT_NOT_RECORDING = "agent_not_recording"
    """It reports that it does not record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One unbroken connection to a source."""

    id: str
    source_id: str
    started_us: int
    ended_us: int | None
    end_reason: EndReason | None
    origin: RunOrigin = RunOrigin.LIVE


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
class SegmentSpan:
    """What cutting needs to know of a segment: a day's session has thousands."""

    id: str
    sequence: int  # position in its run, from 0
    wall: TimeRange  # as its segment has it
    clock_basis: ClockBasis


class SegmentState(StrEnum):
    """States of a segment's row; drawn in ``docs/design/segments.md``."""

    SEALED = "sealed"
    """Its file is in place (invariant 1)."""
    REMOVING = "removing"
    """Released: no hold and no open session needs it; its file is being removed (invariant 4)."""
    REMOVED = "removed"
    """A tombstone: hash, chain value, reason and principal stay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tombstone:
    """A segment whose file was removed by rule."""

    segment: Segment
    removed_us: int
    reason: str
    principal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainHead:
    """The newest link of a source's chain."""

    source_id: str
    number: int  # place in the chain, from 1
    chain: str  # chain value, lower-case hex


@dataclass(frozen=True, kw_only=True, slots=True)
class RecorderKey:
    """A key with which a recorder signs checkpoints."""

    id: str  # SHA-256 of the public key's raw bytes, lower-case hex
    public_key: str  # Ed25519, raw, lower-case hex
    made_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Chain heads signed by a recorder (``docs/design/segments.md``)."""

    number: int  # from 1, without holes, per recorder key
    key_id: str  # SHA-256 of the public key's raw bytes, lower-case hex
    at_us: int
    statement: str  # canonical JSON: what was signed, with the heads that are new and the previous hash
    signature: str  # Ed25519 over the statement's UTF-8 bytes, lower-case hex


class HoldKind(StrEnum):
    """What a hold is on."""

    SOURCE = "source"
    SESSION = "session"
    PROJECT = "project"
    AGENCY = "agency"
    """All projects of an agency that have a session which began in a range, those to come included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """冻结: footage and archives that must not be removed, and why (invariant 4).

    One act may hold several things: each is a row of its own, and all have the act's id.
    """

    id: str
    source_id: str = ""  # of kind source
    wall: TimeRange = ALL_TIME  # of an agency: in which its projects' sessions began
    reason: str
    principal: str
    made_us: int
    released_us: int | None = None
    released_by: str = ""
    release_reason: str = ""
    kind: HoldKind = HoldKind.SOURCE
    session_id: str = ""  # of kind session
    project_id: str = ""  # of kind project
    agency: str = ""  # of kind agency, as the trading system says
    tag_id: str = ""  # mark that gave rise to it
    act_id: str = ""  # one act, several rows; empty: the row's own id


class BookingStatus(StrEnum):
    """Whether a booking stands."""

    CONFIRMED = "confirmed"
    MOVED = "moved"
    RELEASED = "released"


@dataclass(frozen=True, kw_only=True, slots=True)
class Booking:
    """预约: a room is to be recorded from then to then, longer if a session overruns.

    One that was moved or released stays, and nothing is recorded for it.
    """

    id: str
    room_id: str
    wall: TimeRange
    title: str  # for people
    principal: str
    status: BookingStatus = BookingStatus.CONFIRMED
    project_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Expected time of a source that nobody recorded."""

    id: str
    source_id: str
    start_us: int
    end_us: int | None  # None while it lasts
    cause: GapCause
    detail: str  # for people: what happened, without credentials
    backfill: Backfill = Backfill.NONE  # what was fetched afterwards; the gap stays visible all the same
    fault: Fault | None = None  # finer than the cause, where that is known

    def filled_by(self, pictures: Sequence[TimeRange]) -> Backfill:
        """How its mark reads once files that were taken in have pictures of these stretches."""
        if self.backfill is Backfill.WHOLE:
            return Backfill.WHOLE
        if self.end_us is None:  # it lasts, so that they are a part of it
            return Backfill.PART if any(one.end_us > self.start_us for one in pictures) else self.backfill
        wall = TimeRange(start_us=self.start_us, end_us=self.end_us)
        left_us = sum(part.duration_us for part in subtract(wall, pictures))
        if left_us == wall.duration_us:
            return self.backfill
        return Backfill.PART if left_us else Backfill.WHOLE


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHealth:
    """What the recorder last knew of a source."""

    source_id: str
    state: SourceState
    detail: str  # for people; empty while all is well
    since_us: int  # when this state began
    updated_us: int  # when the recorder last said so
    last_frame_us: int | None  # wall time of the newest frame received
    codec: str = ""  # of its video, as in ``Codec``; empty before the first run
    width: int = 0  # pixels
    height: int = 0  # pixels
    bit_rate_kbps: float | None = None  # all tracks, over the last seconds
    frame_rate: float | None = None  # pictures a second, over the last seconds
    lost_packets: int = 0  # RTP packets missing or damaged since this recorder took it up
    clock_offset_us: int | None = None  # source clock minus recorder clock; None while it tells none
    fault: Fault | None = None  # what ``detail`` says, as a word; None while all is well, or of no known kind


class SourceState(StrEnum):
    """What a source is doing, as the recorder sees it."""

    CONNECTING = "connecting"
    RECORDING = "recording"
    LOST = "lost"
    REFUSED = "refused"
    """It answers but cannot be recorded until somebody changes a setting."""
    STOPPED = "stopped"
