"""What ``jianzheng archives`` prints: the same figures as the project's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.catalogue import Catalogue
from cli.printing import console
from kernel.clock import SECOND_US
from kernel.errors import TimelineError
from kernel.model.archive import Archive, Grade, Quality, RenditionFacts
from kernel.model.source import ContentKind
from kernel.model.timeline import Project, Session, SessionState
from kernel.values import fields_of

_GRADES = {
    Grade.CLEAR: "[green]清晰 clear[/]",
    Grade.LEGIBLE: "可辨 legible",
    Grade.BELOW: "[bold red]低于下限 below floor[/]",
    None: "–",
}
_HEADINGS = ("来源\nsource", "内容\nkind", "大小\nMB", "占预算\nshare", "\nkbit/s", "\nVMAF", "最差\np5")
_MORE_HEADINGS = ("文字\ntext", "画面\nkept/seen", "画质\nquality")
_TO_THE_LEFT = ("source", "kind", "quality")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Filed:
    """A session with its newest archive and the files in it."""

    session: Session
    archive: Archive | None
    files: tuple[RenditionFacts, ...]


def print_project(catalogue: Catalogue, wanted: str, *, as_json: bool) -> int:
    """Print a project's archives; returns the exit status: 0 only if no file is below a floor.

    Args:
        wanted: its id or its code.

    Raises:
        TimelineError: there is no such project.
    """
    project = _project(catalogue, wanted)
    filed = list(_filed(catalogue, project.id))
    kinds = {one: source.content_kind for one, source in catalogue.places.sources().items()}
    if as_json:
        print(json.dumps(_for_machines(project, filed, kinds), ensure_ascii=False))  # noqa: T201 - asked for
    else:
        _print_for_people(console(), catalogue, project, filed, kinds)
    grades = [file.quality.grade for one in filed for file in one.files if file.quality]
    return 1 if Grade.BELOW in grades else 0


def print_fleet(catalogue: Catalogue, *, as_json: bool) -> int:
    """Print what archived projects weigh on average; returns the exit status: 0 only if that is within."""
    fleet = catalogue.archives.fleet()
    mean = fleet.mean_bytes
    within = mean is None or mean <= fleet.mean_bytes_limit
    if as_json:
        print(json.dumps({**fields_of(fleet), "mean_bytes": mean, "within": within}))  # noqa: T201 - asked for
        return 0 if within else 1
    if mean is None:
        console().print("还没有归档完成的项目。No project is archived yet.")
        return 0
    colour = "green" if within else "bold red"
    console().print(
        f"已归档项目 projects archived: {fleet.project_count}\n"
        f"平均 mean: [{colour}]{_mb(mean)} MB[/] / {_mb(fleet.mean_bytes_limit)} MB\n"
        f"合计 in all: {_mb(fleet.size_bytes)} MB, 预算 budgets {_mb(fleet.budget_bytes)} MB, "
        f"{fleet.recorded_us / SECOND_US / 3600:.1f} 路时 stream-hours\n"
        f"文件 files: {fleet.file_count}, 低于下限 below a floor: {fleet.below_count}"
    )
    return 0 if within else 1


def _project(catalogue: Catalogue, wanted: str) -> Project:
    found = catalogue.projects.project(wanted)
    found = found or next((one for one in catalogue.projects.projects() if one.project_code == wanted), None)
    if found is None:
        raise TimelineError(
            f"there is no project {wanted}.", hint="The page lists projects with their codes."
        )
    return found


def _filed(catalogue: Catalogue, project_id: str) -> Iterator[_Filed]:
    for session in catalogue.sessions.of_project(project_id):
        archive = catalogue.archives.newest(session.id)
        files = catalogue.archives.facts_of(archive.id) if archive else []
        files.sort(key=lambda one: (one.source_id, one.wall.start_us))
        yield _Filed(session=session, archive=archive, files=tuple(files))


def _for_machines(project: Project, filed: list[_Filed], kinds: dict[str, ContentKind]) -> dict[str, Any]:
    archives = [one.archive for one in filed if one.archive]
    return {
        "project": project.id,
        "budget_bytes": sum(one.budget_bytes for one in archives),
        "size_bytes": sum(one.size_bytes for one in archives),
        "sessions": [
            {
                "id": one.session.id,
                "state": one.session.state,
                "overrun_cause": one.archive.overrun_cause if one.archive else "",
                "overrun_reason": one.archive.overrun_reason if one.archive else "",
                "files": [_file_for_machines(file, kinds[file.source_id]) for file in one.files],
            }
            for one in filed
        ],
    }


def _file_for_machines(file: RenditionFacts, kind: ContentKind) -> dict[str, Any]:
    quality = file.quality
    measured = {**fields_of(quality), "grade": quality.grade} if quality else {}
    return {
        "source": file.source_id,
        "kind": kind,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "kbit_per_second": _kbps(file),
        **measured,
    }


def _print_for_people(
    out: Console,
    catalogue: Catalogue,
    project: Project,
    filed: list[_Filed],
    kinds: dict[str, ContentKind],
) -> None:
    archives = [one.archive for one in filed if one.archive]
    budget, size = (sum(getattr(one, name) for one in archives) for name in ("budget_bytes", "size_bytes"))
    out.print(f"[bold]{escape(project.name_zh or project.name_en)}[/]  {escape(project.project_code)}")
    for one in filed:
        out.print(f"\n{_heading(catalogue, one)}")
        if one.archive and one.archive.overrun_reason:
            out.print(f"[bold red]超出预算 over its budget:[/] {escape(one.archive.overrun_reason)}")
        if one.files:
            out.print(_table(one.files, kinds, budget))
    rest = budget - size
    said = f"剩余 left {_mb(rest)} MB" if rest >= 0 else f"[bold red]超出 over {_mb(-rest)} MB[/]"
    out.print(f"\n合计 in all: {_mb(size)} / {_mb(budget)} MB, {said}")


def _heading(catalogue: Catalogue, one: _Filed) -> str:
    """A session with how far it has come."""
    name = f"{one.session.phase} {one.session.id}"
    if one.archive and one.session.state is SessionState.ARCHIVED:
        return (
            f"{name}  归档第 {one.archive.version} 版 version {one.archive.version}: "
            f"{_mb(one.archive.size_bytes)} / {_mb(one.archive.budget_bytes)} MB"
        )
    progress = catalogue.archives.progress(one.session.id)
    if progress is None or one.session.state is not SessionState.CUT:
        return f"{name}  {one.session.state}"
    return f"{name}  {progress.fraction:.0%} {progress.step} {escape(progress.detail)}"


def _table(files: tuple[RenditionFacts, ...], kinds: dict[str, ContentKind], budget: int) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (*_HEADINGS, *_MORE_HEADINGS):
        left = heading.endswith(_TO_THE_LEFT)
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for file in files:
        table.add_row(
            file.source_id,
            kinds[file.source_id],
            _mb(file.size_bytes),
            f"{file.size_bytes / budget:.1%}" if budget else "–",
            _shown(_kbps(file), ".0f"),
            *_measured(file.quality),
        )
    return table


def _measured(quality: Quality | None) -> tuple[str, ...]:
    """One for each of the last five columns."""
    if quality is None:
        return ("–",) * 5
    return (
        _shown(quality.vmaf_mean, ".1f"),
        _shown(quality.vmaf_p5, ".1f"),
        _shown(quality.text_agreement, ".1%"),
        f"{quality.frames}/{quality.frames_seen}",
        _GRADES[quality.grade],
    )


def _kbps(file: RenditionFacts) -> float | None:
    if file.quality is None or not file.quality.recorded_us:
        return None
    return round(file.size_bytes * 8 / 1000 / (file.quality.recorded_us / SECOND_US), 3)


def _shown(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.2f}"
