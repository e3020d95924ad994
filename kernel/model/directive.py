"""监督指令: what a supervisor orders in a project, what was answered, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DirectiveKind(StrEnum):
    """What is ordered; ``DIRECTIVE_KINDS`` has the words."""

    VERIFY = "verify"
    NOTICE = "notice"
    PAUSE = "pause"
    RESUME = "resume"
    RE_EVALUATE = "re_evaluate"


@dataclass(frozen=True, kw_only=True, slots=True)
class KindFacts:
    """What a kind of directive is called and does."""

    zh: str
    en: str
    minutes: int  # limit that is proposed for its answer
    event: str = ""  # kind of the event that it puts on its session's timeline; empty: none


DIRECTIVE_KINDS: Mapping[DirectiveKind, KindFacts] = {
    DirectiveKind.VERIFY: KindFacts(zh="核实", en="Verify", minutes=15),
    DirectiveKind.NOTICE: KindFacts(zh="提示", en="Notice", minutes=60),
    DirectiveKind.PAUSE: KindFacts(zh="暂停评标", en="Pause evaluation", minutes=5, event="eval.pause"),
    DirectiveKind.RESUME: KindFacts(zh="恢复评标", en="Resume evaluation", minutes=5, event="eval.resume"),
    DirectiveKind.RE_EVALUATE: KindFacts(zh="责令复评", en="Order re-evaluation", minutes=24 * 60),
}


class DirectiveState(StrEnum):
    """Where a directive stands: issued, answered, closed. That one is overdue, the clock tells."""

    ISSUED = "issued"
    OVERDUE = "overdue"
    """It was issued, its limit has passed, and nobody has answered."""
    ANSWERED = "answered"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Directive:
    """A directive and what became of it. Times are the server's, UTC microseconds."""

    id: str  # made by whoever sends it: the same one sent again is not issued again
    project_id: str
    kind: DirectiveKind
    text: str
    issued_by: str
    issued_us: int
    due_us: int  # until when it is to be answered
    number: int = 0  # within its project; 0: to be given
    section_number: int | None = None  # None: the project as a whole
    session_id: str | None = None  # None: no session in particular
    to_room: bool = False  # it is to stand on the room's screen, too
    tag_id: str = ""  # the mark that gave rise to it
    event_id: str = ""  # the event that it put on the timeline
    answered_by: str = ""
    answered_us: int | None = None
    answer: str = ""
    closed_by: str = ""
    closed_us: int | None = None
    close_note: str = ""

    @property
    def label(self) -> str:
        """What people call it, such as ``DIR-02``; unique within its project."""
        return f"DIR-{self.number:02d}"

    def state(self, now_us: int) -> DirectiveState:
        """Where it stands at a moment."""
        if self.closed_us is not None:
            return DirectiveState.CLOSED
        if self.answered_us is not None:
            return DirectiveState.ANSWERED
        return DirectiveState.OVERDUE if now_us > self.due_us else DirectiveState.ISSUED

    @property
    def late(self) -> bool:
        """Whether it was answered after its limit."""
        return self.answered_us is not None and self.answered_us > self.due_us
