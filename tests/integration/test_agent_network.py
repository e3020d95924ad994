"""An agent without its recorder for an hour and for a day: a clock that does not wait, the rest is real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from agent.link import RecorderLink
from agent.sender import Sender
from agent.timekeeper import KeptOffset
from cli.check import chain_faults
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import JianzhengError
from kernel.model.footage import GapCause, RunOrigin, SourceState
from kernel.timerange import TimeRange
from tests.support.agent import SOURCE, Computer, Over
from tests.support.receiver import TOKEN, Receiver, receiver

EVER = TimeRange(start_us=0, end_us=1 << 62)
HOUR_S = 3600


class Network(httpx.BaseTransport):
    """A way to the recorder that can be cut, before the request arrives or before the answer does."""

    def __init__(self, inner: httpx.Client) -> None:
        self._inner = inner
        self.up = True
        self.loses_answers = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self.up:
            raise httpx.ConnectError("no route to host")
        answer = self._inner.send(request)
        if self.loses_answers:
            raise httpx.ReadTimeout("no answer")
        return answer


@dataclass
class Site:
    """Both ends."""

    clock: FakeClock
    centre: Receiver
    computer: Computer
    network: Network

    def record(self, seconds: int, at: dict[int, Callable[[], None]] | None = None) -> None:
        """So many seconds at two pictures a second, an exchange every ten; then the agent is killed."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        client = httpx.Client(transport=self.network, base_url="https://recorder", headers=headers)
        link = RecorderLink(client, SOURCE)
        computer = self.computer
        sender = Sender(
            settings=computer.settings,
            link=link,
            shelf=computer.shelf,
            ledger=computer.ledger,
            times=computer.times,
            status=computer.status,
            clock=self.clock,
            offset=KeptOffset(computer.home / "clock_offset_us.json"),
        )
        pending = dict(at or {})
        seen = iter(range(2 * seconds))

        def picture() -> bool:
            second, half = divmod(next(seen), 2)
            if not half and second in pending:
                pending.pop(second)()
            if not half and second % 10 == 0:
                self.exchange(sender)
            return second % 3 == 0

        computer.recorder([picture] * (2 * seconds), 0.5).run_once(threading.Event())

    def exchange(self, sender: Sender) -> None:
        try:
            while sender.run_once():
                pass
        except JianzhengError:
            pass  # as ``Sender.run`` does: later again
        self.centre.intake.watch()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = FakeClock()
    with receiver(tmp_path / "centre", clock) as centre:
        computer = Computer(tmp_path / "agent", clock)
        computer.settings = computer.settings.model_copy(update={"frames_per_second": 2})
        computer.start()
        with centre.client() as client:
            yield Site(clock, centre, computer, Network(client))


def cut(site: Site, *, up: bool) -> Callable[[], None]:
    def change() -> None:
        site.network.up = up

    return change


def covered(site: Site) -> list[tuple[int, int, str]]:
    """From the first frame on: the time before it is a gap that the receiver declares."""
    footage = site.centre.catalogue.footage
    parts = [(one.wall.start_us, one.wall.end_us, "footage") for one in footage.segments_of(SOURCE, EVER)]
    parts += [(gap.start_us, gap.end_us or 0, gap.cause.value) for gap in footage.gaps_of(SOURCE, EVER)]
    first, *others = sorted(parts)
    assert (first[1], first[2]) == (others[0][0], GapCause.NOT_RECORDING)
    return others


def test_an_hour_without_network_loses_nothing_and_sends_nothing_twice(site: Site) -> None:
    seen: list[SourceState] = []
    footage = site.centre.catalogue.footage

    def look() -> None:
        seen.append(footage.health()[SOURCE].state)
        gaps = footage.gaps_of(SOURCE, EVER)
        assert [gap.cause for gap in gaps] == [GapCause.NOT_RECORDING, GapCause.NETWORK]

    with pytest.raises(Over):
        site.record(
            1200 + HOUR_S,
            {
                600: cut(site, up=False),
                600 + HOUR_S // 2: look,
                600 + HOUR_S: cut(site, up=True),
            },
        )
    assert seen == [SourceState.LOST]
    parts = covered(site)
    assert {kind for _, _, kind in parts} == {"footage"}  # when the missing came, no gap remained
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert parts[-1][1] - parts[0][0] > (1200 + HOUR_S - 70) * SECOND_US
    rows = footage.segments_of(SOURCE, EVER)
    assert {row.run_id for row in rows} == {rows[0].run_id}
    assert [row.sequence for row in rows] == list(range(len(rows)))
    assert list(chain_faults(SOURCE, footage.chain_of(SOURCE))) == []
    at_agent = {path.read_bytes() for path in site.computer.shelf.directory.glob("*.mp4")}
    assert {(site.centre.ring / row.path).read_bytes() for row in rows} <= at_agent
    assert footage.health()[SOURCE].state is SourceState.RECORDING
    run = footage.run(rows[0].run_id)
    assert run is not None and run.origin is RunOrigin.AGENT


def test_an_agent_that_falls_without_network_tells_its_gap_afterwards(site: Site) -> None:
    with pytest.raises(Over):
        site.record(300, {200: cut(site, up=False)})
    site.clock.advance(100)
    site.computer.offset_us = 0
    site.computer.start()
    with pytest.raises(Over):
        site.record(300, {200: cut(site, up=True)})
    parts = covered(site)
    kinds = [kind for _, _, kind in parts]
    assert kinds.count("crash") == 1
    assert set(kinds) == {"crash", "footage"}
    assert all(before[1] == after[0] for before, after in pairwise(parts))


def test_answers_that_are_lost_make_no_second_row(site: Site) -> None:
    def lose(lost: bool) -> Callable[[], None]:
        def change() -> None:
            site.network.loses_answers = lost

        return change

    with pytest.raises(Over):
        site.record(900, {100: lose(True), 500: lose(False)})
    rows = site.centre.catalogue.footage.segments_of(SOURCE, EVER)
    assert len({row.sha256 for row in rows}) == len(rows) == len({row.path for row in rows})
    assert len(rows) == len(list(site.centre.ring.rglob("*.mp4")))
    assert {kind for _, _, kind in covered(site)} == {"footage"}
