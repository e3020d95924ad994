"""Watching is recorded, in a real Chromium on the sample's month: V4, V16, V17, V18, I2, I5, I6, I12, I20."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog.audit import AuditFilter
from catalog.watch_check import watch_faults
from kernel.clock import SECOND_US
from kernel.model.watching import Shown, Watch, Watched, WatchEnd, WatchKind
from player_api.app import STATIC
from tests.support.archived_footage import Footage
from tests.support.people import Served, served
from tests.support.sample_month import at, wall

HALL = "HALL-ZT-SH1-20260309-H"
PUBLISHED = at("16 09:00")  # of P06; P07 and P08 are published by then
MARCH = {"from_us": str(at("01 00:00")), "to_us": str(at("2026-04-01T00:00+08:00"))}


@dataclass(frozen=True, kw_only=True)
class Office:
    """The server, and a browser to look at it."""

    served: Served
    browser: Browser

    @contextmanager
    def page(self, account_id: str) -> Iterator[Page]:
        page = self.served.page(self.browser, account_id)
        try:
            yield page
        finally:
            page.context.close()

    @contextmanager
    def time(self, moment_us: int) -> Iterator[None]:
        """The server's clock shows another time meanwhile."""
        ahead = (moment_us - self.served.clock.now_us()) / SECOND_US
        self.served.clock.advance(ahead)
        try:
            yield
        finally:
            self.served.clock.advance(-ahead)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Office]:
    directory = tmp_path_factory.mktemp("office")
    built = shutil.copytree(STATIC, directory / "built")  # whoever builds the page meanwhile takes it away
    with served(directory, static=built) as here:
        files = directory / "files"
        files.mkdir()
        footage = Footage(here.month, files)
        footage.give("P06-E", wall("2026-03-09T11:20:00+08:00", "2026-03-09T11:20:40+08:00"))
        footage.give(HALL, wall("2026-03-09T11:20:00+08:00", "2026-03-09T11:20:10+08:00"))
        yield Office(served=here, browser=browser)


def open_replay(page: Page, session_id: str, moment: str) -> None:
    """The wall of a session, at a moment, with pictures."""
    page.goto(f"/sessions/{session_id}/replay?at={at(moment)}")
    shown = "() => window.__wall && window.__wall.panes().some(pane => pane.frameUs !== null)"
    page.wait_for_function(shown)


def play(page: Page, seconds: int) -> None:
    """Until the clock has gone on by so much."""
    began = page.evaluate("window.__wall.positionUs()")
    page.evaluate("window.__wall.play()")
    page.wait_for_function("us => window.__wall.positionUs() >= us", arg=began + seconds * SECOND_US)
    page.evaluate("window.__wall.pause()")


def watches_of(office: Office, account_id: str) -> list[dict[str, Any]]:
    with office.served.client(account_id) as client:
        found: list[dict[str, Any]] = client.get("/api/my-watches").json()["watches"]
        return found


def watched_live(office: Office, watch_id: str, account_id: str, role: str, start: str, seconds: int) -> None:
    """A watch of seat 04, live, at a time that is past: live is a matter of the live page's tests."""
    begun_us = at(start)
    watch = Watch(
        id=watch_id,
        account_id=account_id,
        role=role,
        login_id="login",
        origin="10.0.0.8",
        kind=WatchKind.LIVE,
        things=(Watched(source_id="ZT-SH1-04-F", project_id="P06", session_id="P06-E"),),
        opened_us=begun_us,
        beat_us=begun_us,
    )
    watches = office.served.catalogue.watches
    watches.open(watch, f"hash of {watch_id}")
    for second in range(10, seconds + 1, 10):
        until_us = begun_us + second * SECOND_US
        shown = Shown(source_id="ZT-SH1-04-F", from_us=until_us - 10 * SECOND_US, to_us=until_us)
        watches.beat(watch_id, [shown], until_us)
    watches.close(watch_id, WatchEnd.CLOSED, begun_us + seconds * SECOND_US)


# --- V4


def test_v4_every_view_is_in_my_record(office: Office) -> None:
    """V4: "Every view is logged: project, source, from, to, address; visible in "my record"."""
    with office.page("s-zj-1") as page:
        open_replay(page, "P06-E", "09 11:20")
        play(page, 5)
        page.goto("/my-record")
        row = page.get_by_test_id("watch").first
        expect(row).to_contain_text("P06")
        expect(row.get_by_test_id("kind")).to_have_text("回放")
        expect(row.get_by_test_id("footage")).to_contain_text("2026-03-09 11:20")
        expect(row.get_by_test_id("address")).to_have_text("127.0.0.1")
        row.get_by_test_id("open").click()
        expect(page.get_by_text("ZT-SH1-04-F")).to_be_visible()
        expect(page.get_by_test_id("my-figures")).to_contain_text("发出指令")  # V16
    told = watches_of(office, "s-zj-1")[0]
    assert told["end"] == "closed", "the page's last word arrived"
    face = [one for one in told["shown"] if one["source_id"] == "ZT-SH1-04-F"]
    assert at("09 11:20") <= min(one["footage_from_us"] for one in face)
    assert max(one["footage_to_us"] for one in face) <= at("09 11:21")
    longest = max(one["footage_to_us"] - one["footage_from_us"] for one in face)
    assert longest >= 4 * SECOND_US
    assert list(watch_faults(office.served.catalogue.watches._engine)) == []


# --- V17, V18


def test_v17_a_hall_opens_when_all_that_it_shows_is_published(office: Office) -> None:
    """V17: "Cannot do: open P07 panoramas of ZT-SH1 before P06 *and* P08 are published (2026-03-16); after
    that can"."""
    with office.time(PUBLISHED - 60 * SECOND_US), office.page("s-cz-1") as page:
        page.goto(f"/sessions/{HALL}/replay")
        expect(page.get_by_text("全部项目结果公布后方可查看").first).to_be_visible()
        assert page.evaluate("!window.__wall || window.__wall.panes().every(one => one.frameUs === null)")
    with office.time(PUBLISHED + 60 * SECOND_US), office.page("s-cz-1") as page:
        open_replay(page, HALL, "09 11:20")


def test_v18_a_copy_takes_a_request(office: Office) -> None:
    """V18: "Cannot do: download; the button asks for a request"."""
    with office.page("s-zj-1") as page:
        open_replay(page, "P06-E", "09 11:20")
        page.get_by_test_id("download").click()
        dialog = page.get_by_test_id("ask-dialog")
        expect(dialog.get_by_test_id("field-project")).to_have_value("P06")
        expect(dialog.get_by_test_id("field-kind")).to_have_value("export")
        expect(dialog.get_by_test_id("session-P06-E")).to_be_checked()
    with office.served.client("s-zj-1") as client:
        clip = office.served.month.clip("P06-E", "ZT-SH1-04-F")
        assert client.get(f"/api/clips/{clip.id}/originals").status_code == 403
        assert client.get(f"/api/clips/{clip.id}/originals/1.mp4").status_code == 403


# --- I2


def test_i2_nothing_opens_without_a_basis_number(office: Office) -> None:
    """I2: "Nothing opens without a basis number (RQ-04 refused, attempt logged)"."""
    with office.page("i-jw-1") as page:
        page.goto("/sessions/P03-E2/replay")
        expect(page.get_by_text("调取依据文号").first).to_be_visible()
        page.goto("/requests?project=P03&session=P03-E2")
        dialog = page.get_by_test_id("ask-dialog")
        dialog.get_by_test_id("field-reason").fill("快查")
        dialog.get_by_test_id("send").click()
        expect(dialog.get_by_test_id("refusal")).to_contain_text("basis number")
    chain = office.served.catalogue.audit
    [tried] = chain.records(AuditFilter(action="watch.refused", principal="i-jw-1"))
    assert ("P03-E2" in tried.subject, tried.details["need"]) == (True, "grant")
    asked = chain.records(AuditFilter(action="use.asked", principal="i-jw-1", subject="P03"))[0]
    assert (asked.result, asked.details["basis_no"]) == ("refused", "")
    with office.page("aud-1") as page:
        page.goto("/watch-log?tab=refused")
        row = page.locator('[data-testid="refused"] tr[data-account="i-jw-1"]').first
        expect(row).to_contain_text("P03-E2")
        expect(row).to_contain_text("无调取依据文号")


def test_i2_with_a_basis_number_and_somebody_elses_word_that_opens_and_no_more(office: Office) -> None:
    """I2, and as RQ-01 asks: seat 04, 11:10-11:40."""
    with office.page("i-jw-1") as page:
        page.goto("/requests?project=P06&session=P06-E")
        dialog = page.get_by_test_id("ask-dialog")
        dialog.get_by_test_id("field-basis").fill("样例调阅字〔2026〕9号")
        dialog.get_by_test_id("field-reason").fill("问题线索核查")
        for source_id in ("ZT-SH1-04-F", "ZT-SH1-04-D"):
            dialog.get_by_test_id(f"source-{source_id}").check()
        dialog.get_by_test_id("field-limited").check()
        dialog.get_by_test_id("field-from").fill("2026-03-09T11:10:00")
        dialog.get_by_test_id("field-to").fill("2026-03-09T11:40:00")
        dialog.get_by_test_id("send").click()
        row = page.locator("tr[data-request]").filter(has_text="〔2026〕9号")
        expect(row.get_by_test_id("state")).to_have_text("待审批")
        expect(row.get_by_test_id("approve")).to_have_count(0)
    with office.page("boss-1") as page:
        page.goto("/requests")
        page.locator("tr[data-request]").filter(has_text="〔2026〕9号").get_by_test_id("approve").click()
        row = page.locator("tr[data-request]").filter(has_text="〔2026〕9号")
        expect(row.get_by_test_id("state")).to_have_text("已批准")
    with office.page("i-jw-1") as page:
        open_replay(page, "P06-E", "09 11:20")
        panes = page.evaluate("window.__wall.panes().map(one => one.sourceId)")
        assert set(panes) == {"ZT-SH1-04-F", "ZT-SH1-04-D"}
    told = watches_of(office, "i-jw-1")[0]
    assert {one["id"] for one in told["sources"]} == {"ZT-SH1-04-F", "ZT-SH1-04-D"}
    [opened] = office.served.catalogue.audit.records(AuditFilter(action="watch.opened", principal="i-jw-1"))
    assert opened.details["limited_to"] == [at("09 11:10"), at("09 11:40")]


# --- I5, I6, I12


def test_i5_supervisors_are_supervised(office: Office) -> None:
    """I5: "who was assigned, when present, how long, which seats watched, which directives, how fast
    answered; P10 shows `s-cz-1` absent"."""
    watched_live(office, "watch-s-zj-1", "s-zj-1", "supervisor", "09 11:22", 120)
    with office.page("i-jw-1") as page:
        page.goto(f"/watch-log?tab=supervision&from_us={MARCH['from_us']}&to_us={MARCH['to_us']}")
        absent = page.locator('tr[data-project="P10"][data-account="s-cz-1"]')
        expect(absent.get_by_test_id("absent")).to_have_text("未到场")
        there = page.locator('tr[data-project="P06"][data-account="s-zj-1"]')
        expect(there).to_contain_text("现场 03-09 09:35–15:15")
        expect(there).to_contain_text("2:00")  # live
        expect(there).to_contain_text("04")  # the seat
        expect(there).to_contain_text("答复 1")
        expect(there).to_contain_text("7:00")  # DIR-01: from 11:24 to 11:31
        expect(there.get_by_test_id("absent")).to_have_count(0)


def test_i6_the_time_axis_is_compared_with_the_watch_log(office: Office) -> None:
    """I6: "Compare P06 timeline with watch log: who watched 11:10-11:40, live or later"."""
    watched_live(office, "watch-w-zt-2", "w-zt-2", "witness", "09 11:15", 60)
    watched_live(office, "watch-w-zt-1", "w-zt-1", "witness", "09 12:30", 60)
    with office.page("s-zj-1") as page:
        open_replay(page, "P06-E", "09 11:20")
        play(page, 3)
    with office.page("i-jw-1") as page:
        page.goto("/projects/P06/watch-log")
        for account in ("w-zt-1", "w-zt-2", "s-zj-1"):
            expect(page.locator(f'[data-lane="{account}"] .seen').first).to_be_attached()
        page.get_by_test_id("span-from").fill("2026-03-09T11:10:00")
        page.get_by_test_id("span-to").fill("2026-03-09T11:40:00")
        rows = page.get_by_test_id("watch")
        live = rows.filter(has_text="市中心见证员02")
        expect(live.get_by_test_id("kind")).to_have_text("直播")
        later = rows.filter(has_text="住建监督员01").filter(has_text="回放").first
        expect(later).to_contain_text("11:20")
        expect(rows.filter(has_text="市中心见证员01")).to_have_count(0)


def test_i12_projects_that_no_supervisor_watched(office: Office) -> None:
    """I12: "Which projects were never watched by any supervisor last quarter"."""
    with office.page("s-zj-1") as page:
        open_replay(page, "P06-E", "09 11:20")
        play(page, 2)
    with office.page("i-jw-1") as page:
        page.goto(f"/watch-log?tab=unwatched&from_us={MARCH['from_us']}&to_us={MARCH['to_us']}")
        table = page.get_by_test_id("unwatched")
        expect(table.locator('tr[data-project="P10"]')).to_contain_text("财政监督员01")
        expect(table.locator('tr[data-project="P06"]')).to_have_count(0)
        assert table.locator("tr[data-project]").count() == 19


# --- I20


def test_i20_an_administrator_is_refused_and_that_is_reported(office: Office) -> None:
    """I20: "`sys-1` tries to play a clip: refused and reported to `aud-1`"."""
    clip = office.served.month.clip("P06-E", "ZT-SH1-04-F")
    with office.page("sys-1") as page:
        page.goto("/sessions/P06-E/replay")
        expect(page.get_by_text("您的角色没有这项权限").first).to_be_visible()
        answer = page.request.get(f"/media/renditions/{clip.id}.v1")
        assert answer.status == 403
        assert "detail" in answer.json(), "in words"
    with office.page("aud-1") as page:
        page.goto("/watch-log?tab=refused")
        rows = page.locator('[data-testid="refused"] tr[data-account="sys-1"]')
        expect(rows.filter(has_text="P06-E").filter(has_text="角色无此权限").first).to_be_visible()
        page.goto("/watch-log")
        expect(page.get_by_test_id("watch-table")).to_be_visible()
    with office.page("sys-1") as page:
        page.goto("/watch-log")
        expect(page.get_by_text("您的角色没有这项权限").first).to_be_visible()
