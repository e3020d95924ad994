"""Tasks I2, I7, I11: nothing is asked for without a basis number, nobody decides on their own request."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.requests import Decision
from catalog.tables import UseRequestRow
from cli.sample.files import DATA
from kernel.clock import SECOND_US
from kernel.errors import RequestDenied, RequestError
from kernel.model.account import Role
from kernel.model.audit import AuditRecord
from kernel.model.timeline import Phase
from kernel.model.use import Denial, RequestState, Scope, UseKind, UseRequest, denial
from tests.support.catalogue import PROJECT, add_session

DAY_US = 24 * 3600 * SECOND_US

RQ_01 = UseRequest(
    id="RQ-01",
    project_id="P",
    kind=UseKind.EXPORT,
    role=Role.INSPECTOR,
    scope=Scope(session_ids=("P-E",), source_ids=("cam",), start_us=5, end_us=9),
    reason="问题线索核查",
    basis_no="样例调取字〔2026〕1号",
    principal="i-jw-1",
    asked_us=1000,
)
RQ_03 = replace(
    RQ_01,
    id="RQ-03",
    role=Role.AGENCY,
    scope=Scope(session_ids=("P-O",)),
    basis_no="样例申请〔2026〕3号",
    principal="agt-1",
)
RQ_04 = replace(RQ_01, id="RQ-04", basis_no=" ", scope=Scope(session_ids=("P-E",)), reason="快查")


@pytest.fixture
def known(catalogue: Catalogue) -> Catalogue:
    """Project P with an opening and an evaluation."""
    opening = add_session(catalogue, SECOND_US, 2 * SECOND_US)
    evaluation = replace(opening, id="P-E", phase=Phase.EVALUATION)
    catalogue.projects.add_project(PROJECT, [evaluation])
    return catalogue


def yes(principal: str = "boss-1", **more: int) -> Decision:
    return Decision(approved=True, principal=principal, reason="", at_us=2000, **more)


def no(reason: str = "只给开标,须填申请表", principal: str = "boss-1") -> Decision:
    return Decision(approved=False, principal=principal, reason=reason, at_us=2000)


def uses(catalogue: Catalogue) -> list[tuple[str, str, str]]:
    return [(one.principal, one.action, one.result) for one in reversed(catalogue.requests.uses("P"))]


def newest(catalogue: Catalogue) -> AuditRecord:
    return catalogue.audit.records(AuditFilter(action="use."))[0]


def test_without_a_basis_number_nothing_is_asked_and_the_attempt_is_logged(known: Catalogue) -> None:
    """Task I2, RQ-04."""
    with pytest.raises(RequestDenied, match="basis number"):
        known.requests.ask(RQ_04)
    assert known.requests.all() == []
    record = newest(known)
    assert (record.subject, record.principal, record.result) == ("P", "i-jw-1", "refused")
    assert (record.details["denied"], record.details["request"]) == ("no_basis", "RQ-04")


def test_the_retrievals_of_the_sample_end_as_they_did_there(known: Catalogue) -> None:
    """RQ-01 is approved and used, RQ-02 approved, RQ-03 refused by the approver, RQ-04 cannot be asked."""
    roles = {"i-jw-1": Role.INSPECTOR, "i-sj-1": Role.INSPECTOR, "agt-1": Role.AGENCY}
    ends = {}
    for told in yaml.safe_load((DATA / "retrievals.yaml").read_text(encoding="utf-8")):
        role = roles[told["by"]]
        asked = replace(
            RQ_01,
            id=told["id"],
            role=role,
            scope=Scope(session_ids=("P-O",) if role is Role.AGENCY else ()),
            reason=told["reason_zh"],
            basis_no=told["basis_no"] or "",
            principal=told["by"],
        )
        try:
            known.requests.ask(asked)
        except RequestDenied:
            ends[told["id"]] = "denied"
            continue
        known.requests.decide(told["id"], yes() if told["approved_at"] else no())
        if told["exported"]:
            known.requests.use(told["id"], told["by"], 3000)
        ends[told["id"]] = known.requests.get(told["id"]).state(4000)
    assert ends == {"RQ-01": "used", "RQ-02": "approved", "RQ-03": "refused", "RQ-04": "denied"}
    assert known.requests.get("RQ-03").decision_reason == "只给开标,须填申请表"


def test_who_asked_for_anything_of_a_project_ever_is_answered_from_the_chain(known: Catalogue) -> None:
    """Task I11."""
    known.requests.ask(RQ_01)
    known.requests.decide("RQ-01", yes())
    known.requests.use("RQ-01", "i-jw-1", 3000)
    with pytest.raises(RequestDenied):
        known.requests.ask(RQ_04)
    assert uses(known) == [
        ("i-jw-1", "use.asked", "done"),
        ("boss-1", "use.approved", "done"),
        ("i-jw-1", "use.done", "done"),
        ("i-jw-1", "use.asked", "refused"),
    ]
    assert known.requests.uses("P")[1].details["scope"] == {
        "sessions": ["P-E"],
        "sources": ["cam"],
        "start_us": 5,
        "end_us": 9,
    }
    assert list(known.audit.faults()) == []


@pytest.mark.parametrize("name", ["i-jw-1", " I-JW-1 "])
def test_whoever_asks_does_not_decide(known: Catalogue, name: str) -> None:
    known.requests.ask(RQ_01)
    for decision in (yes(name), no(principal=name)):
        with pytest.raises(RequestDenied, match="does not decide"):
            known.requests.decide("RQ-01", decision)
    assert known.requests.get("RQ-01").state(0) is RequestState.ASKED
    assert [one[2] for one in uses(known)] == ["done", "refused", "refused"]


def test_what_was_decided_stays_decided(known: Catalogue) -> None:
    known.requests.ask(RQ_03)
    known.requests.decide("RQ-03", no())
    with pytest.raises(RequestError, match="boss-1"):
        known.requests.decide("RQ-03", yes("boss-2"))
    assert known.requests.get("RQ-03").state(0) is RequestState.REFUSED


def test_a_refusal_without_a_reason_is_none(known: Catalogue) -> None:
    known.requests.ask(RQ_03)
    with pytest.raises(RequestError, match="reason"):
        known.requests.decide("RQ-03", no(" "))
    assert known.requests.get("RQ-03").state(0) is RequestState.ASKED


def test_what_is_given_out_was_approved_and_is_given_out_once(known: Catalogue) -> None:
    known.requests.ask(RQ_01)
    with pytest.raises(RequestDenied, match="asked"):
        known.requests.use("RQ-01", "i-jw-1", 1500)
    known.requests.decide("RQ-01", yes(expires_us=5000))
    assert known.requests.use("RQ-01", "i-jw-1", 4999).state(9999) is RequestState.USED
    with pytest.raises(RequestDenied, match="used"):
        known.requests.use("RQ-01", "i-jw-1", 4999)
    assert newest(known).result == "refused"


def test_an_approval_that_was_not_used_in_time_is_over(known: Catalogue) -> None:
    known.requests.ask(RQ_01)
    known.requests.decide("RQ-01", yes(expires_us=5000))
    assert known.requests.get("RQ-01").state(4999) is RequestState.APPROVED
    assert known.requests.get("RQ-01").state(5000) is RequestState.EXPIRED
    with pytest.raises(RequestDenied, match="expired"):
        known.requests.use("RQ-01", "i-jw-1", 5000)


def test_an_agency_gets_the_opening_only(known: Catalogue) -> None:
    """RQ-03: the whole project has an evaluation in it."""
    known.requests.ask(RQ_03)
    for scope in (Scope(), Scope(session_ids=("P-E",)), Scope(session_ids=("P-O", "P-E"))):
        with pytest.raises(RequestDenied, match="opening"):
            known.requests.ask(replace(RQ_03, id="RQ-03b", scope=scope))
    assert newest(known).details["denied"] == "opening_only"


@pytest.mark.parametrize(
    "changed",
    [
        {"project_id": "none"},
        {"reason": " "},
        {"scope": Scope(session_ids=("none",))},
        {"scope": Scope(source_ids=("none",))},
        {"scope": Scope(start_us=9, end_us=5)},
        {"scope": Scope(start_us=9)},
    ],
)
def test_a_request_that_makes_no_sense_leaves_nothing(known: Catalogue, changed: dict[str, object]) -> None:
    with pytest.raises(RequestError) as caught:
        known.requests.ask(replace(RQ_01, **changed))  # type: ignore[arg-type]
    assert not isinstance(caught.value, RequestDenied)
    assert known.requests.all() == []
    assert uses(known) == []


def test_requests_are_listed_the_newest_first_and_by_project(known: Catalogue) -> None:
    known.projects.add_project(replace(PROJECT, id="Q", project_code="Q"), [])
    known.requests.ask(RQ_01)
    known.requests.ask(replace(RQ_01, id="RQ-02", project_id="Q", scope=Scope(), asked_us=2000))
    assert [one.id for one in known.requests.all()] == ["RQ-02", "RQ-01"]
    assert known.requests.all(project_id="P") == [RQ_01]


def test_a_request_of_before_accounts_names_an_administrator_by_an_older_word(known: Catalogue) -> None:
    known.requests.ask(RQ_01)
    with writing(known._engine) as session:
        session.get_one(UseRequestRow, "RQ-01").role = "administrator"
    assert known.requests.get("RQ-01").role is Role.SYSTEM_ADMIN


EVALUATION, OPENING = frozenset({Phase.EVALUATION}), frozenset({Phase.OPENING})
CASES = [
    (UseKind.EXPORT, Role.INSPECTOR, EVALUATION, "1", None),
    (UseKind.EXPORT, Role.INSPECTOR, EVALUATION, "", Denial.NO_BASIS),
    (UseKind.EXPORT, Role.SUPERVISOR, EVALUATION, "1", None),
    (UseKind.EXPORT, Role.AGENCY, OPENING, "1", None),
    (UseKind.EXPORT, Role.AGENCY, OPENING, "", Denial.NO_BASIS),
    (UseKind.EXPORT, Role.AGENCY, EVALUATION | OPENING, "1", Denial.OPENING_ONLY),
    (UseKind.EXPORT, Role.WITNESS, OPENING, "1", Denial.NOT_THIS_ROLE),
    (UseKind.EXPORT, Role.PUBLIC, OPENING, "1", Denial.NOT_THIS_ROLE),
    (UseKind.EXPORT, Role.ARCHIVIST, OPENING, "1", Denial.NOT_THIS_ROLE),
    (UseKind.EXPORT, Role.SYSTEM_ADMIN, OPENING, "1", Denial.NOT_THIS_ROLE),
    (UseKind.VIEW, Role.WITNESS, EVALUATION, "1", None),
    (UseKind.VIEW, Role.INSPECTOR, EVALUATION, " ", Denial.NO_BASIS),
    (UseKind.VIEW, Role.AGENCY, EVALUATION, "1", Denial.OPENING_ONLY),
    (UseKind.VIEW, Role.PUBLIC, OPENING, "1", Denial.NOT_THIS_ROLE),
    (UseKind.VIEW, Role.SYSTEM_ADMIN, OPENING, "1", Denial.NOT_THIS_ROLE),
]


@pytest.mark.parametrize(("kind", "role", "phases", "basis", "wanted"), CASES)
def test_who_may_ask_for_what_is_one_table(
    kind: UseKind, role: Role, phases: frozenset[Phase], basis: str, wanted: Denial | None
) -> None:
    """Invariant 15: default is no."""
    assert denial(kind, role, phases, basis) is wanted
