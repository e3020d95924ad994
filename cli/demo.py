"""``jianzheng demo``: a simulated centre, a recorder, an archiver and a server play a short day together."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from catalog.catalogue import Catalogue
from catalog.objects import open_store
from cli.children import Child, Children
from cli.moments import shown, shown_range
from cli.ports import refuse_busy_port
from cli.report import ProjectReport, project_report
from cli.wiring import open_catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError, SettingsError, SourceUnreachable
from kernel.log import configure_logging
from kernel.model.footage import SourceState
from kernel.model.timeline import SessionState, TimelineEvent
from kernel.settings import CamerasFile, load_cameras, load_settings
from segmenter.rehearsal import FaultPart, Rehearsal, load_rehearsal, schedule

DAY = Path(__file__).parent / "demo_day.yaml"
PRINCIPAL = "demo"
CONNECT_SECONDS = 40
ARCHIVE_SECONDS = 600
RTSP_PORT = 554
PRE_ROLL_SECONDS = 1
SETTINGS_OF_THE_DAY = {
    "JIANZHENG_RING__SEGMENT_SECONDS": "6",
    "JIANZHENG_CUT__PRE_ROLL_SECONDS": str(PRE_ROLL_SECONDS),
    "JIANZHENG_CUT__POST_ROLL_SECONDS": "1",
    "JIANZHENG_CUT__SETTLE_SECONDS": "20",
}
"""A day of two minutes wants shorter segments and rolls than a real one; everything else is as shipped."""

_out = Console(highlight=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions:
    """What the user asked for."""

    once: bool
    footage: Path | None
    data_dir: Path
    port: int


def run_demo(options: DemoOptions, clock: Clock) -> int:
    """Play the day; returns the exit status."""
    configure_logging()
    started_us = clock.now_us()
    settings = load_settings(data_dir=options.data_dir)
    environment = {**SETTINGS_OF_THE_DAY, "JIANZHENG_DATA_DIR": str(options.data_dir)}
    cameras = load_cameras(settings.cameras)
    _check_ports(options, cameras, settings.cameras)
    children = Children(options.data_dir / "logs", environment)
    with open_catalogue(settings, cameras) as catalogue:
        try:
            stage = Stage(options, cameras, catalogue, children, clock)
            stage.open()
            project_id = stage.play()
            children.stop("capture", "simulate")
            report = project_report(catalogue, open_store("", settings.store_dir), project_id)
            seconds = (clock.now_us() - started_us) / SECOND_US
            print_report(catalogue, report, seconds)
            if options.once:
                _out.print(json.dumps({**asdict(report), "seconds": round(seconds, 1)}), soft_wrap=True)
                return 0 if report.verified else 1
            _out.print(f"回放 replay: [bold]{stage.address}[/]  结束请按 Ctrl-C to end")
            while True:
                children.check()
                clock.sleep(1)
        except KeyboardInterrupt:
            return 130 if options.once else 0
        finally:
            children.stop()


def _check_ports(options: DemoOptions, cameras: CamerasFile, path: Path) -> None:
    """Before anything is started: can it be served where it shall be?"""
    if not cameras.specs():
        raise SettingsError(f"{path} names no source.")
    ending = "or end the program that uses it."
    page = f"Choose another port with --port, {ending}"
    refuse_busy_port("The page cannot be served", "127.0.0.1", options.port, page)
    centre = f"Choose another port in the uri of every source of {path}, {ending}"
    refuse_busy_port("The simulated centre cannot be served", "127.0.0.1", _centre_port(cameras), centre)


def _centre_port(cameras: CamerasFile) -> int:
    """Where cameras.yaml expects the simulated centre."""
    return urlsplit(cameras.specs()[0].uri).port or RTSP_PORT


class Stage:
    """The running demo."""

    def __init__(
        self,
        options: DemoOptions,
        cameras: CamerasFile,
        catalogue: Catalogue,
        children: Children,
        clock: Clock,
    ) -> None:
        self._options = options
        self._cameras = cameras
        self._catalogue = catalogue
        self._children = children
        self._clock = clock
        self._simulator: Child | None = None
        self._said: deque[str] = deque(maxlen=6)
        self.address = f"http://127.0.0.1:{options.port}/"

    def open(self) -> None:
        """Start all programs and wait until every source records.

        Raises:
            JianzhengError: a program ended, or a source does not come.
        """
        _out.print("[bold]见证 Jianzheng[/]  正在启动 starting all programs")
        self._simulator = self._start_simulator()
        self._children.start("capture", "--as", PRINCIPAL)
        self._children.start("archive", "--follow", "--as", PRINCIPAL)
        self._children.start("serve", "--demo", "--port", str(self._options.port))
        _out.print(f"网页 page: [bold]{self.address}[/]")
        self._wait_for_sources()

    def _start_simulator(self) -> Child:
        """The simulated centre, where and for whom cameras.yaml expects it."""
        first = self._cameras.specs()[0]
        arguments = ["--port", str(_centre_port(self._cameras)), "--username", first.username]
        if self._options.footage is not None:
            arguments += ["--footage", str(self._options.footage)]
        password = {"SIMULATE_PASSWORD": first.password.get_secret_value()}
        simulator = self._children.start("simulate", *arguments, environment=password)
        if not simulator.read_line().startswith("ready"):
            simulator.process.wait()
            simulator.check()
        return simulator

    def _wait_for_sources(self) -> None:
        since_us = self._clock.now_us()
        with Live(console=_out, refresh_per_second=4, transient=True) as live:
            while waiting := self._not_recording(since_us):
                self._children.check()
                live.update(f"等待来源 waiting for: {', '.join(waiting)}")
                if self._clock.now_us() - since_us > CONNECT_SECONDS * SECOND_US:
                    details = [self._catalogue.footage.health()[one].detail for one in waiting]
                    raise SourceUnreachable(f"{', '.join(waiting)} cannot be recorded: {'; '.join(details)}.")
                self._clock.sleep(0.25)

    def _not_recording(self, since_us: int) -> list[str]:
        health = self._catalogue.footage.health()
        return [
            source
            for source in self._catalogue.places.sources()
            if source not in health
            or health[source].state is not SourceState.RECORDING
            or health[source].updated_us < since_us
        ]

    def play(self) -> str:
        """Play the day and wait until it is archived; returns the project's id.

        Raises:
            JianzhengError: a program ended, or the archive does not come.
        """
        start_us = self._clock.now_us() + (PRE_ROLL_SECONDS + 1) * SECOND_US
        day = schedule(load_rehearsal(DAY), start_us, PRINCIPAL)
        self._catalogue.projects.add_project(
            day.project, list(day.sessions), principal=PRINCIPAL, at_us=self._clock.now_us()
        )
        moments = deque(day.moments())
        deadline_us = (moments[-1][0] if moments else start_us) + ARCHIVE_SECONDS * SECOND_US
        with Live(console=_out, refresh_per_second=4, transient=False) as live:
            while moments or not self._archived(day):
                while moments and moments[0][0] <= self._clock.now_us():
                    self._happen(*moments.popleft())
                self._children.check()
                if self._clock.now_us() > deadline_us:
                    raise JianzhengError(
                        f"{day.project.id} was not archived in time.",
                        hint=f"See {self._options.data_dir / 'logs'}.",
                    )
                live.update(self._picture(day))
                self._clock.sleep(0.2)
            live.update(self._picture(day))
        return day.project.id

    def _happen(self, at_us: int, what: TimelineEvent | FaultPart) -> None:
        if isinstance(what, TimelineEvent):
            self._catalogue.sessions.record_event(what)
            self._said.append(f"{shown(at_us)[11:]}  {what.session_id}  {what.type}  {what.reason}")
        elif self._simulator is not None:
            self._simulator.tell(f"{what.action} {what.source}")
            self._said.append(f"{shown(at_us)[11:]}  {what.source}  {what.action}")

    def _archived(self, day: Rehearsal) -> bool:
        sessions = self._catalogue.sessions.of_project(day.project.id)
        return all(session.state is SessionState.ARCHIVED for session in sessions)

    def _picture(self, day: Rehearsal) -> RenderableType:
        """The state of everything, for the terminal."""
        return Group(self._sessions_table(day), self._sources_line(), *self._said)

    def _sessions_table(self, day: Rehearsal) -> Table:
        table = Table(title=f"{day.project.name_zh}  {day.project.id}", title_justify="left", box=None)
        for heading in ("场次 session", "环节 phase", "状态 state", "归档 archive", ""):
            table.add_column(heading)
        for session in self._catalogue.sessions.of_project(day.project.id):
            progress = self._catalogue.archives.progress(session.id)
            bar = ProgressBar(total=1, completed=progress.fraction if progress else 0, width=24)
            said = f"{progress.step} {progress.detail}" if progress else ""
            table.add_row(session.id, session.phase, session.state, bar, said)
        return table

    def _sources_line(self) -> str:
        health = self._catalogue.footage.health().values()
        lost = [one.source_id for one in health if one.state is not SourceState.RECORDING]
        recording = sum(one.state is SourceState.RECORDING for one in health)
        return f"录制中 recording: {recording}" + (f"   [red]丢失 lost: {', '.join(lost)}[/]" if lost else "")


def print_report(catalogue: Catalogue, report: ProjectReport, seconds: float) -> None:
    """The figures of the day, for people."""
    project = catalogue.projects.project(report.project)
    table = Table(title="报告 report", title_justify="left", show_header=False, box=None)
    share = report.archive_bytes / report.budget_bytes if report.budget_bytes else 0
    sync = "-" if report.max_sync_error_ms is None else f"{report.max_sync_error_ms} ms"
    rows = {
        "项目 project": f"{report.project}  {project.name_zh if project else ''}",
        "来源 sources": str(report.sources),
        "片段 clips": str(report.clips),
        "缺口 gaps": str(report.gaps),
        "原始 raw": f"{report.raw_bytes:,} bytes",
        "归档 archived": f"{report.archive_bytes:,} of {report.budget_bytes:,} bytes ({share:.0%})",
        "校验 verified": "[green]是 yes[/]" if report.verified else "[red]否 no[/]",
        "最大时间误差 largest time error": sync,
        "用时 time taken": f"{seconds:.0f} s",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    _out.print(table)
    for session in catalogue.sessions.of_project(report.project):
        for clip in catalogue.clips.of_session(session.id):
            for gap in clip.gaps:
                when = shown_range(gap.wall)
                _out.print(f"  缺口 gap  {clip.source_id}  {when}  {gap.cause}  {gap.detail}")
