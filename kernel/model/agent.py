"""What an agent on an expert's computer and the receiver at the recorder say to each other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernel.errors import FixityError
from kernel.model.footage import Codec, EndReason, Gap, GapCause

API = "/agent/v1"
"""Where the receiver's addresses begin; the source's id follows."""
SHA256_HEADER = "x-segment-sha256"
END_REASON_HEADER = "x-segment-end-reason"
MOST_CLAIMS = 500
"""Segments that are asked for at once."""

ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")
"""Ids that may become part of a file's name: no dots, no separators."""
SHA256 = re.compile(r"^[0-9a-f]{64}$")
LONGEST_DETAIL = 500
_MOST_RUNS = 10_000
_TOO_LARGE = 1 << 62  # for a catalogue; no time of ours is later


_LOST = "lost-"


def gap_of_segment(segment_id: str) -> str:
    """Id of the gap for a segment that an agent has sealed and the recorder does not get."""
    return _LOST + segment_id


def segment_of_gap(gap_id: str) -> str:
    """Which segment a gap stands for; empty: none, nothing was recorded of its time."""
    return gap_id.removeprefix(_LOST) if gap_id.startswith(_LOST) else ""


def _are_sensible(*numbers: int | None) -> bool:
    return all(number is None or abs(number) < _TOO_LARGE for number in numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentClaim:
    """A segment that an agent has sealed: what the file says itself is not repeated.

    Raises:
        ValueError: it makes no sense.
    """

    segment_id: str
    sha256: str  # lower-case hex
    size_bytes: int
    end_reason: EndReason

    def __post_init__(self) -> None:
        if not ID.match(self.segment_id) or not SHA256.match(self.sha256) or self.size_bytes <= 0:
            raise ValueError("the claim of a segment makes no sense")


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The recorder has a segment, sealed, with a row and a place in its source's chain."""

    segment_id: str
    sha256: str  # lower-case hex
    chain: str  # chain value, lower-case hex
    number: int  # place in the chain, from 1

    def check(self, claim: SegmentClaim) -> None:
        """Raises: FixityError: it is the receipt of something else."""
        if (self.segment_id, self.sha256) != (claim.segment_id, claim.sha256):
            raise FixityError(f"the receipt for segment {claim.segment_id} speaks of another file.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the recorder has of the segments that it was asked for."""

    receipts: tuple[Receipt, ...]
    missing: tuple[str, ...]  # ids
    conflicts: tuple[str, ...]  # ids under which it has something else


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentReport:
    """How an agent is doing.

    Raises:
        ValueError: it makes no sense.
    """

    recording: bool
    detail: str  # for people, why it does not record; empty while it does
    last_frame_us: int | None  # wall time of the newest frame, by the recorder's clock
    clock_offset_us: int  # computer's clock minus recorder's
    waiting: int  # sealed segments without a receipt
    refused: int  # segments that the recorder will not have; a person must look
    unfinished_runs: tuple[str, ...]  # of which more will come: the one being recorded and those that wait
    codec: str = Codec.H264
    width: int = 0  # pixels
    height: int = 0  # pixels

    def __post_init__(self) -> None:
        counts = (self.waiting, self.refused, self.width, self.height)
        told = len(self.detail) <= LONGEST_DETAIL and len(self.unfinished_runs) <= _MOST_RUNS
        if not told or not _are_sensible(self.last_frame_us, self.clock_offset_us, *counts):
            raise ValueError("the report makes no sense")


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentGap:
    """A gap as an agent tells it; whose it is, its token says.

    Raises:
        ValueError: it makes no sense.
    """

    start_us: int
    end_us: int | None  # None while it lasts; equal to the start: there was none after all
    cause: GapCause
    detail: str  # for people

    def __post_init__(self) -> None:
        ends_before_it_starts = self.end_us is not None and self.end_us < self.start_us
        told = len(self.detail) <= LONGEST_DETAIL
        if ends_before_it_starts or not told or not _are_sensible(self.start_us, self.end_us):
            raise ValueError("the gap makes no sense")

    def of(self, source_id: str, gap_id: str) -> Gap:
        return Gap(
            id=gap_id,
            source_id=source_id,
            start_us=self.start_us,
            end_us=self.end_us,
            cause=self.cause,
            detail=self.detail,
        )
