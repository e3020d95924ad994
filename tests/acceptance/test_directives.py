"""Directives, presence and alerts in Chromium: a supervisor in one window, a witness in another one.

The sample's 9 March at 11:20, while P06 is evaluated in the shared hall; other tests take other days.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from kernel.events import in_force
from kernel.model.directive import DirectiveState
from kernel.model.presence import LAPSE_US, PresenceMode
from tests.support.people import Served, served

STATIC = Path(os.environ.get("JIANZHENG_TEST_STATIC", Path(__file__).parents[2] / "player_api" / "static"))
SENDING = "**/api/projects/P06/directives"


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """P06 and P07 side by side in one hall."""
    with served(tmp_path_factory.mktemp("hall"), "09 11:20", static=STATIC) as opened:
        yield opened


def fill(page: Page, kind: str, text: str, minutes: int | None = None) -> None:
    page.get_by_test_id("issue").click()
    page.get_by_test_id(f"kind-{kind}").check()
    page.get_by_test_id("field-text").fill(text)
    if minutes is not None:
        page.get_by_test_id("field-minutes").fill(str(minutes))


def drop(route: Route, *, heard: bool) -> None:
    """The line drops while a directive is sent, before or after the server heard of it."""
    if route.request.method != "POST":
        route.continue_()
        return
    if heard:
        route.fetch()
    route.abort()


def reply(page: Page, label: str, words: str) -> None:
    """What stands in the banner is answered or closed."""
    page.get_by_test_id(f"banner-{label}").get_by_test_id("banner-act").click()
    page.get_by_test_id("reply-text").fill(words)
    page.get_by_test_id("reply-send").click()
    expect(page.get_by_test_id("reply-dialog")).to_be_hidden()


def test_v6_w8_a_directive_is_on_the_witnesss_screen_and_its_answer_on_the_supervisors(
    hall: Served, browser: Browser
) -> None:
    with (
        hall.window(browser, "s-zj-1", "/projects/P06") as supervisor,
        hall.window(browser, "w-zt-2", "/search") as witness,
    ):
        said = witness.get_by_test_id("directive-banner")
        expect(said).to_contain_text("DIR-05")  # six days old, and nobody answered it
        fill(supervisor, "verify", "请核实04席是否携带通讯设备", 15)
        expect(supervisor.get_by_test_id("field-section")).to_have_value("1")
        supervisor.get_by_test_id("send").click()
        expect(said).to_contain_text("请核实04席是否携带通讯设备")
        [directive] = hall.catalogue.directives.all(project_id="P06")
        assert (directive.issued_by, directive.section_number) == ("s-zj-1", 1)
        assert directive.due_us - directive.issued_us == 15 * 60_000_000
        reply(witness, directive.label, "已收存电子手环,评标继续")
        shown = supervisor.get_by_test_id("directive-banner")
        expect(shown).to_contain_text("已收存电子手环,评标继续")
        expect(said).not_to_contain_text("请核实04席是否携带通讯设备")
        card = supervisor.get_by_test_id(f"directive-{directive.label}")
        expect(card.get_by_test_id("state-answered")).to_be_visible()
        reply(supervisor, directive.label, "")
        expect(card.get_by_test_id("state-closed")).to_be_visible()
    [closed] = hall.catalogue.directives.all(project_id="P06")
    assert (closed.answered_by, closed.closed_by, closed.late) == ("w-zt-2", "s-zj-1", False)


def test_v6_it_stands_on_the_rooms_screen_where_that_is_set(hall: Served, browser: Browser) -> None:
    with hall.window(browser, "s-zj-1", "/projects/P06") as supervisor:
        screen = hall.page(browser, "w-zt-1")
        screen.goto("/rooms/ZT-SH1/screen")
        expect(screen.get_by_text("目前没有监督指令")).to_be_visible()
        fill(supervisor, "notice", "请保持席位整洁")
        supervisor.get_by_test_id("field-session").select_option("P06-E")
        supervisor.get_by_test_id("field-room").check()
        supervisor.get_by_test_id("send").click()
        expect(screen.get_by_text("请保持席位整洁")).to_be_visible()
        screen.context.close()


def test_v7_a_pause_and_a_resumption_stand_on_the_timeline_with_their_numbers(
    hall: Served, browser: Browser
) -> None:
    with hall.window(browser, "s-zj-1", "/projects/P06") as supervisor:
        for kind, text in (("pause", "暂停评标,补抽专家"), ("resume", "专家已到位")):
            fill(supervisor, kind, text)
            supervisor.get_by_test_id("field-session").select_option("P06-E")
            supervisor.get_by_test_id("send").click()
            expect(supervisor.get_by_test_id("directive-dialog")).to_be_hidden()
        supervisor.goto("/projects/P06/timeline")
        expect(supervisor.get_by_text("暂停评标,补抽专家").first).to_be_visible()
    resume, pause = hall.catalogue.directives.all(project_id="P06")[:2]
    events = {one.id: one for one in in_force(hall.catalogue.sessions.events_of("P06-E"))}
    assert [
        (events[one.event_id].type, events[one.event_id].details["directive"]) for one in (pause, resume)
    ] == [("eval.pause", pause.label), ("eval.resume", resume.label)]
    with hall.client("s-zj-1") as asking:
        timeline = asking.get("/api/projects/P06/timeline").json()
    [session] = [one for one in timeline["sessions"] if one["id"] == "P06-E"]
    spans = [(one["start_us"], one["end_us"]) for one in session["pauses"]]
    assert (pause.issued_us, resume.issued_us) in spans


def test_v19_directives_of_two_supervisors_both_stand_in_the_servers_order(
    hall: Served, browser: Browser
) -> None:
    with (
        hall.client("s-zj-1") as other,  # the same industry, at another desk
        hall.window(browser, "s-zj-1", "/projects/P06") as supervisor,
    ):
        fill(supervisor, "verify", "请核实09席")
        told = {"id": "directive-other-desk", "kind": "notice", "text": "请核实14席", "minutes": 20}
        assert other.post("/api/projects/P06/directives", json=told).status_code == 201
        supervisor.get_by_test_id("send").click()
        panel = supervisor.get_by_test_id("directive-panel")
        expect(panel).to_contain_text("请核实09席")
        expect(panel).to_contain_text("请核实14席")
    second, first = hall.catalogue.directives.all(project_id="P06")[:2]
    assert (first.text, second.text) == ("请核实14席", "请核实09席")
    assert second.number == first.number + 1
    assert second.issued_us >= first.issued_us


def test_v20_a_line_that_drops_before_the_server_heard_shows_it_as_not_sent(
    hall: Served, browser: Browser
) -> None:
    before = len(hall.catalogue.directives.all())
    with hall.window(browser, "s-zj-1", "/projects/P06") as supervisor:
        supervisor.route(SENDING, lambda route: drop(route, heard=False))
        fill(supervisor, "notice", "线路中断时的指令")
        supervisor.get_by_test_id("send").click()
        expect(supervisor.get_by_test_id("unsent")).to_be_visible()
        assert len(hall.catalogue.directives.all()) == before
        supervisor.unroute(SENDING)
        supervisor.reload()  # the page was left, and what was not sent is still told
        expect(supervisor.get_by_test_id("issue")).to_contain_text("未送达")
        supervisor.get_by_test_id("issue").click()
        supervisor.get_by_test_id("send").click()
        expect(supervisor.get_by_test_id("directive-panel")).to_contain_text("线路中断时的指令")
    assert len(hall.catalogue.directives.all()) == before + 1


def test_v20_a_line_that_drops_after_the_server_heard_issues_it_once(hall: Served, browser: Browser) -> None:
    before = len(hall.catalogue.directives.all())
    with hall.window(browser, "s-zj-1", "/projects/P06") as supervisor:
        supervisor.route(SENDING, lambda route: drop(route, heard=True))
        fill(supervisor, "notice", "只下达一次的指令")
        supervisor.get_by_test_id("send").click()
        expect(supervisor.get_by_test_id("unsent")).to_be_visible()
        assert len(hall.catalogue.directives.all()) == before + 1
        supervisor.unroute(SENDING)
        supervisor.get_by_test_id("send").click()
        expect(supervisor.get_by_test_id("directive-dialog")).to_be_hidden()
    assert len(hall.catalogue.directives.all()) == before + 1


def test_v5_who_is_there_from_afar_shows_in_the_project_and_a_wall_without_pictures_marks_nobody(
    hall: Served, browser: Browser
) -> None:
    with (
        hall.window(browser, "s-zj-1", "/projects/P06") as supervisor,
        hall.window(browser, "w-zt-1", "/projects/P06") as witness,
    ):
        shown = witness.get_by_test_id("presence-panel")
        [on_site] = [
            one for one in hall.catalogue.presences.of_project("P06") if one.mode is PresenceMode.ON_SITE
        ]
        assert (on_site.account_id, on_site.room_id) == ("s-zj-1", "ZT-SR1")
        expect(shown).to_contain_text("住建监督员01")
        expect(shown).to_contain_text("现场")
        live = hall.page(browser, "s-zj-1")
        live.goto("/live?project=P06")  # nothing is recorded in this test, so that no pane has a picture
        expect(live.get_by_test_id("live-supervision")).to_be_visible()
        expect(live.get_by_test_id("presence-mark")).to_have_count(0)
        live.context.close()
        supervisor.get_by_test_id("mark-remote").click()
        expect(shown.get_by_test_id("presence-s-zj-1").filter(has_text="远程")).to_be_visible()
        there = supervisor.get_by_test_id("presence-s-zj-1").filter(has_text="现场")
        there.get_by_test_id("leave").click()
        expect(there).not_to_contain_text("在岗")
    found = hall.catalogue.presences.of_project("P06")
    [remote] = [one for one in found if one.mode is PresenceMode.REMOTE]
    assert remote.account_id == "s-zj-1"
    assert remote.end_us(remote.seen_us + LAPSE_US + 1) is not None  # nobody says so any more
    [left] = [one for one in found if one.mode is PresenceMode.ON_SITE]
    assert left.left_us is not None


def test_v5_a_witness_marks_the_supervisor_in_the_supervision_room(hall: Served, browser: Browser) -> None:
    with hall.window(browser, "w-zt-1", "/projects/P06") as witness:
        panel = witness.get_by_test_id("presence-panel")
        panel.get_by_test_id("presence-who").select_option("s-zj-1")
        panel.get_by_test_id("mark-on-site").click()
        expect(panel).to_contain_text("由 市中心见证员01 登记")
    marked = hall.catalogue.presences.of_project("P06")[-1]
    assert (marked.account_id, marked.marked_by, marked.room_id) == ("s-zj-1", "w-zt-1", "ZT-SR1")
    for account in ("s-jt-1", "i-jw-1", "w-zx-1"):  # another industry, no business of his, another venue
        with hall.client(account) as asking:
            answer = asking.post("/api/projects/P06/presence", json={"mode": "remote"})
        assert answer.status_code == 403


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The month is over."""
    with served(tmp_path_factory.mktemp("month"), "30 12:00", static=STATIC) as opened:
        yield opened


def test_w8_dir_05_that_nobody_answered_is_overdue(month: Served, browser: Browser) -> None:
    directive = month.catalogue.directives.get("DIR-05")
    assert directive is not None
    assert directive.state(month.clock.now_us()) is DirectiveState.OVERDUE
    with month.window(browser, "s-zj-1", "/directives") as supervisor:
        card = supervisor.get_by_test_id("directive-DIR-05")
        expect(card.get_by_test_id("state-overdue")).to_be_visible()
        expect(supervisor.get_by_test_id("directive-DIR-01")).to_be_hidden()  # it is closed
        supervisor.get_by_test_id("only-open").uncheck()
        closed = supervisor.get_by_test_id("directive-DIR-01")
        expect(closed.get_by_test_id("state-closed")).to_be_visible()
        expect(closed).to_contain_text("已收存电子手环,评标继续")
        expect(supervisor.get_by_test_id("directive-DIR-02")).to_have_count(0)  # finance, not his


def test_v11_a_supervisor_sees_the_alerts_of_his_industry_and_takes_notice_with_a_note(
    month: Served, browser: Browser
) -> None:
    with month.window(browser, "s-yb-1", "/alerts") as supervisor:
        row = supervisor.get_by_test_id("alert-AL-03")
        expect(row).to_contain_text("预计 7.4 GB")
        expect(supervisor.get_by_test_id("alert-AL-06")).to_have_count(0)  # water, not his
        row.get_by_test_id("alert-acknowledge").click()
        supervisor.get_by_test_id("alert-note").fill("已要求降低桌面码率")
        supervisor.get_by_test_id("alert-note").press("Enter")
        expect(row).to_be_hidden()  # it is over, and somebody took notice
        supervisor.get_by_test_id("only-open").uncheck()
        expect(row).to_contain_text("已要求降低桌面码率")
    seen = month.catalogue.alerts.get("AL-03")
    assert seen is not None
    assert (seen.acknowledged_by, seen.note) == ("s-yb-1", "已要求降低桌面码率")
    with month.client("s-yb-1") as asking:
        refused = asking.post("/api/alerts/AL-06/acknowledge", json={"note": "x"})
    assert refused.status_code == 403


def test_i5_a_supervisor_who_never_came_is_shown_as_absent(month: Served, browser: Browser) -> None:
    with month.window(browser, "i-jw-1", "/projects/P10") as inspector:
        expect(inspector.get_by_test_id("absent")).to_contain_text("财政监督员01")
