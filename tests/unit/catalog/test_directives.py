"""Directives: issued once, answered once, on the timeline with their number (W8, V6, V7, V19, V20)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US
from kernel.errors import NothingRuns, SeenToAlready, SupervisionRefused
from kernel.events import in_force
from kernel.model.directive import DIRECTIVE_KINDS, Directive, DirectiveKind, DirectiveState
from kernel.model.timeline import Phase, Section, Session, SessionState, TimelineEvent
from tests.support.catalogue import PROJECT

T = 1_000 * SECOND_US
VERIFY = Directive(
    id="directive-1",
    project_id="P",
    kind=DirectiveKind.VERIFY,
    text="请核实04席是否携带通讯设备",
    section_number=1,
    session_id="P-E",
    issued_by="s-zj-1",
    issued_us=T,
    due_us=T + 900 * SECOND_US,
)


@pytest.fixture
def running(catalogue: Catalogue) -> Catalogue:
    """Project P whose evaluation runs."""
    session = Session(
        id="P-E",
        project_id="P",
        phase=Phase.EVALUATION,
        room_id="OH",
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=(),
    )
    section = Section(project_id="P", number=1, section_code="S1", name_zh="一标段", unified_deal_code="U")
    catalogue.projects.add_project(PROJECT, [session], sections=[section])
    tell(catalogue, "eval.start", 500 * SECOND_US)
    return catalogue


def tell(catalogue: Catalogue, kind: str, at_us: int) -> None:
    catalogue.sessions.record_event(
        TimelineEvent(
            id=f"{kind}-{at_us}",
            session_id="P-E",
            at_us=at_us,
            type=kind,
            reason="",
            principal="test",
            recorded_us=at_us,
        )
    )


def acts(catalogue: Catalogue) -> list[str]:
    return [one.action for one in reversed(catalogue.audit.records(AuditFilter(action="directive.")))]


def told(catalogue: Catalogue) -> list[tuple[str, object]]:
    """Pauses and resumptions of the session, with the number of their directive."""
    events = in_force(catalogue.sessions.events_of("P-E"))
    return [(one.type, one.details.get("directive")) for one in events if one.type != "eval.start"]


def test_an_answer_within_the_limit_then_closed_by_who_issued_it(running: Catalogue) -> None:
    issued = running.directives.issue(VERIFY)
    assert (issued.number, issued.label, issued.state(T)) == (1, "DIR-01", DirectiveState.ISSUED)
    answered = running.directives.answer("directive-1", "已收存", principal="w-zt-2", at_us=T + 60)
    assert (answered.state(T + 60), answered.late) == (DirectiveState.ANSWERED, False)
    with pytest.raises(SupervisionRefused, match="issued by s-zj-1"):
        running.directives.close("directive-1", "", principal="s-jt-1", at_us=T + 70)
    closed = running.directives.close("directive-1", "", principal="s-zj-1", at_us=T + 80)
    assert closed.state(T + 80) is DirectiveState.CLOSED
    assert running.directives.all(only_open=True) == []
    assert acts(running) == ["directive.issued", "directive.answered", "directive.closed"]


def test_one_that_nobody_answers_is_overdue_by_the_clock_alone(running: Catalogue) -> None:
    issued = running.directives.issue(VERIFY)
    assert issued.state(VERIFY.due_us) is DirectiveState.ISSUED
    assert issued.state(VERIFY.due_us + 1) is DirectiveState.OVERDUE
    late = running.directives.answer("directive-1", "晚了", principal="w", at_us=VERIFY.due_us + 1)
    assert late.late


def test_sent_again_after_a_dropped_line_it_is_issued_once(running: Catalogue) -> None:
    first = running.directives.issue(VERIFY)
    later = replace(VERIFY, issued_us=T + 9 * SECOND_US, due_us=VERIFY.due_us + 9 * SECOND_US)
    assert running.directives.issue(later) == first
    assert running.directives.all() == [first]
    assert acts(running) == ["directive.issued"]
    with pytest.raises(SupervisionRefused, match="belongs to another directive"):
        running.directives.issue(replace(VERIFY, text="something else"))


def test_the_same_answer_again_changes_nothing_and_another_one_is_refused(running: Catalogue) -> None:
    running.directives.issue(VERIFY)
    once = running.directives.answer("directive-1", "已收存", principal="w-1", at_us=T + 1)
    assert running.directives.answer("directive-1", "已收存", principal="w-1", at_us=T + 5) == once
    with pytest.raises(SeenToAlready, match="was answered by w-1"):
        running.directives.answer("directive-1", "不是", principal="w-2", at_us=T + 5)


def test_a_pause_stands_on_the_timeline_with_its_number_until_one_resumes(running: Catalogue) -> None:
    pause = replace(VERIFY, id="directive-2", kind=DirectiveKind.PAUSE, text="补抽专家")
    resume = replace(pause, id="directive-3", kind=DirectiveKind.RESUME, issued_us=T + 60, text="到位")
    running.directives.issue(VERIFY)
    issued = running.directives.issue(pause)
    running.directives.issue(pause)  # as after a line that dropped
    assert told(running) == [("eval.pause", "DIR-02")]
    [event] = [one for one in running.sessions.events_of("P-E") if one.id == issued.event_id]
    assert (event.at_us, event.reason, event.principal) == (T, "补抽专家", "s-zj-1")
    running.directives.issue(resume)
    assert told(running) == [("eval.pause", "DIR-02"), ("eval.resume", "DIR-03")]


@pytest.mark.parametrize("session_id", [None, "P-E"])
def test_what_does_not_run_cannot_be_paused_and_no_directive_stays(
    running: Catalogue, session_id: str | None
) -> None:
    tell(running, "eval.end", 900 * SECOND_US)
    with pytest.raises(NothingRuns):
        running.directives.issue(replace(VERIFY, kind=DirectiveKind.PAUSE, session_id=session_id))
    assert running.directives.all() == []
    assert told(running) == [("eval.end", None)]


def test_two_supervisors_in_one_project_both_stand_in_the_servers_order(running: Catalogue) -> None:
    """V19."""
    other = replace(VERIFY, id="directive-of-jt", issued_by="s-jt-1", kind=DirectiveKind.RE_EVALUATE)
    running.directives.issue(replace(VERIFY, issued_us=T + 2, due_us=T + 3))
    running.directives.issue(replace(other, issued_us=T + 1, due_us=T + 3))
    found = running.directives.all(project_id="P")
    assert [(one.issued_by, one.number) for one in found] == [("s-zj-1", 1), ("s-jt-1", 2)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"project_id": "Q"},
        {"section_number": 2},
        {"session_id": "P-X"},
        {"text": "  "},
        {"due_us": T},
    ],
)
def test_a_directive_that_names_nothing_is_refused_whole(
    running: Catalogue, wrong: dict[str, object]
) -> None:
    with pytest.raises(SupervisionRefused):
        running.directives.issue(replace(VERIFY, **wrong))  # type: ignore[arg-type]
    assert running.directives.all() == []
    assert acts(running) == []


def test_closing_without_an_answer_needs_a_note(running: Catalogue) -> None:
    running.directives.issue(VERIFY)
    with pytest.raises(SupervisionRefused, match="no answer"):
        running.directives.close("directive-1", " ", principal="s-zj-1", at_us=T + 1)
    running.directives.close("directive-1", "撤回", principal="s-zj-1", at_us=T + 1)
    with pytest.raises(SeenToAlready, match="was closed"):
        running.directives.answer("directive-1", "已收存", principal="w-1", at_us=T + 2)


def test_every_kind_has_words_and_a_limit() -> None:
    assert set(DIRECTIVE_KINDS) == set(DirectiveKind)
    assert [facts.zh for facts in DIRECTIVE_KINDS.values()] == [
        "核实",
        "提示",
        "暂停评标",
        "恢复评标",
        "责令复评",
    ]
    assert all(facts.minutes > 0 and facts.en for facts in DIRECTIVE_KINDS.values())
