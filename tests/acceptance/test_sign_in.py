"""From the first start to a supervisor at work, in Chromium: links, second factors, three administrators."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
import pyotp
from playwright.sync_api import Browser, Page, expect

from kernel.clock import SECOND_US, SystemClock
from tests.support.peers import REPOSITORY, free_port

PASSWORD = "stone river lamp paper"
COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]


@contextmanager
def first_start(directory: Path, *words: str) -> Iterator[tuple[str, str]]:
    """``jianzheng serve`` at a terminal: its address, and the link that it prints."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [*COMMAND, "serve", "--port", str(port), "--data-dir", str(directory), *words]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        said = ""
        while not (found := re.search(r"http\S+/begin#\S+", said)):
            said += os.read(ours, 4096).decode()  # ends with an error if the program does
        await_server(url, process)
        yield url, found[0]
    finally:
        process.terminate()
        process.wait(30)
        os.close(ours)


def await_server(url: str, process: subprocess.Popen[bytes]) -> None:
    transport = httpx.HTTPTransport(retries=30)
    with httpx.Client(transport=transport) as client:
        client.get(f"{url}/healthz").raise_for_status()
    assert process.poll() is None


class Person:
    """Somebody with a browser and an authenticator."""

    def __init__(self, browser: Browser, url: str) -> None:
        size = {"width": 1366, "height": 768}
        self.context = browser.new_context(base_url=url, locale="zh-CN", viewport=size)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.secret = ""

    def code(self, later: int = 0) -> str:
        """What the authenticator shows; a step later, for a code is good once."""
        step = SystemClock().now_us() // (30 * SECOND_US) + later
        return pyotp.TOTP(self.secret).generate_otp(step)

    def begin(self, link: str) -> None:
        """Use a one-time link: the second factor comes from the picture of the QR code."""
        self.page.goto(link)
        shown = self.page.get_by_role("img", name="QR").screenshot()
        picture = cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        uri, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
        factor = pyotp.parse_uri(uri)
        self.secret = factor.secret
        assert self.page.get_by_test_id("secret").inner_text().replace(" ", "") == self.secret
        self.page.get_by_test_id("password").fill(PASSWORD)
        self.page.get_by_test_id("repeat").fill(PASSWORD)
        self.page.get_by_test_id("code").fill(self.code())
        self.page.get_by_test_id("save").click()
        expect(self.page.get_by_test_id("begun")).to_be_visible()

    def sign_in(self, account: str) -> None:
        """From the page that says that all is ready."""
        self.page.get_by_test_id("to-sign-in").click()
        self.page.get_by_test_id("account").fill(account)
        self.page.get_by_test_id("password").fill(PASSWORD)
        self.page.get_by_test_id("code").fill(self.code(later=1))
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_test_id("sign-out")).to_be_visible()

    def make(self, account: str, label: str) -> None:
        self.page.goto("/accounts")
        self.page.get_by_test_id("add").click()
        self.page.get_by_test_id("field-id").fill(account)
        self.page.get_by_test_id("field-label").fill(label)
        self.page.get_by_test_id("save").click()
        expect(self.page.get_by_test_id(f"account-{account}")).to_contain_text("未分配角色")

    def invite(self, account: str) -> str:
        self.page.get_by_test_id(f"account-{account}").get_by_test_id("invite").click()
        link = self.page.get_by_test_id("link").input_value()
        self.page.get_by_test_id("done").click()
        return link


def test_from_the_first_start_to_a_supervisor_at_work(browser: Browser, tmp_path: Path) -> None:
    with first_start(tmp_path) as (url, link):
        system, security, holder = (Person(browser, url) for _ in range(3))
        system.begin(link)
        system.page.goto(link)
        system.page.reload()
        expect(system.page.get_by_test_id("ended")).to_be_visible()  # a link is good once
        system.page.goto("/sign-in")
        system.page.get_by_test_id("account").fill("admin")
        system.page.get_by_test_id("password").fill(PASSWORD)
        system.page.get_by_test_id("code").fill("000000")
        system.page.get_by_test_id("enter").click()
        expect(system.page.get_by_test_id("said")).to_contain_text("账号、密码或验证码不正确")
        system.page.get_by_test_id("code").fill(system.code(later=1))
        system.page.keyboard.press("Enter")
        expect(system.page).to_have_url(re.compile("/accounts$"))

        expect(system.page.get_by_test_id("appoint")).to_contain_text("安全保密管理员")
        system.make("sec-9", "安全员")
        system.page.get_by_test_id("account-sec-9").get_by_test_id("assign").click()
        system.page.get_by_test_id("field-role").select_option("security_admin")
        system.page.get_by_test_id("save").click()
        expect(system.page.get_by_test_id("account-sec-9")).to_contain_text("安全保密管理员")
        security.begin(system.invite("sec-9"))
        security.sign_in("sec-9")

        system.make("s-zj-9", "住建监督员09")
        security.page.goto("/accounts")
        security.page.get_by_test_id("account-s-zj-9").get_by_test_id("assign").click()
        security.page.get_by_test_id("field-role").select_option("supervisor")
        security.page.get_by_test_id("field-all").check()
        security.page.locator(".el-select[data-testid=field-regions]").click()
        security.page.keyboard.type("昭通市")
        security.page.locator(".el-tree-node__content:visible", has_text="昭通市").first.click()
        security.page.get_by_test_id("field-role").focus()  # closes the list
        security.page.get_by_test_id("save").click()
        row = security.page.get_by_test_id("account-s-zj-9")
        expect(row).to_contain_text("行政监督人员")
        expect(row).to_contain_text("昭通市 · 全部行业")

        holder.begin(system.invite("s-zj-9"))
        holder.sign_in("s-zj-9")
        expect(holder.page.get_by_test_id("nav-search")).to_be_visible()
        expect(holder.page.get_by_test_id("nav-accounts")).to_have_count(0)
        holder.page.get_by_test_id("me").click()
        expect(holder.page.get_by_test_id("login-this")).to_be_visible()
        holder.page.get_by_test_id("sign-out").click()
        expect(holder.page).to_have_url(re.compile("/sign-in"))
        holder.page.goto("/search")
        expect(holder.page).to_have_url(re.compile(r"/sign-in\?to=/search$"))


def test_the_demo_lets_people_see_what_each_role_sees(browser: Browser, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [*COMMAND, "serve", "--demo", "--port", str(port), "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        try:
            await_server(url, process)
            person = Person(browser, url)
            person.page.goto("/")  # as the local user, without signing in
            expect(person.page.get_by_test_id("nav-accounts")).to_be_visible()
            person.page.get_by_test_id("switch").click()
            person.page.get_by_test_id("demo-s-zj-1").click()
            expect(person.page.get_by_test_id("me")).to_contain_text("住建监督员01")
            expect(person.page.get_by_test_id("nav-accounts")).to_have_count(0)
            person.page.get_by_test_id("switch").click()
            person.page.get_by_test_id("local").click()
            expect(person.page.get_by_test_id("me")).to_contain_text("本机用户")
        finally:
            process.terminate()
