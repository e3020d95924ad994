"""``jianzheng search``: projects and clips by what is known of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.options import DataDir, read_settings
from kernel.clock import SECOND_US, iso_utc
from kernel.errors import SearchRefused

if TYPE_CHECKING:
    from rich.table import Table

    from catalog.search.filters import ClipsFound, Count, Days, ProjectsFound, SearchFilter

Value = TypeVar("Value")


def search(
    text: Annotated[str, typer.Argument(help="Words in names, agency, codes, sections or tags.")] = "",
    region: Annotated[list[str] | None, typer.Option(help="Code of GB/T 2260; all below it, too.")] = None,
    region_of: Annotated[
        str,
        typer.Option(help="Of the project (region), of its trade place, or either."),
    ] = "either",
    industry: Annotated[list[str] | None, typer.Option(help="Code; all below it, too.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First Beijing day: 2026-03-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last Beijing day.")] = None,
    code: Annotated[str, typer.Option(help="Part of a code of project, section or deal.")] = "",
    section: Annotated[str, typer.Option(help="Part of a section's name or codes.")] = "",
    agency: Annotated[str, typer.Option(help="Part of the tendering agency's name.")] = "",
    tag: Annotated[str, typer.Option(help="Words of a tag.")] = "",
    expert: Annotated[str, typer.Option(metavar="KEY", help="Pseudonymous key of an expert.")] = "",
    site: Annotated[list[str] | None, typer.Option(help="Id of a site.")] = None,
    room: Annotated[list[str] | None, typer.Option(help="Id of a room.")] = None,
    phase: Annotated[list[str] | None, typer.Option(help="Such as opening or evaluation.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Content kind of clips: room, seat_face ...")] = None,
    state: Annotated[list[str] | None, typer.Option(help="State of sessions: archived ...")] = None,
    gap: Annotated[float | None, typer.Option(help="Clips with a gap of more seconds.", min=0)] = None,
    held: Annotated[bool | None, typer.Option("--held/--not-held", help="Clips that are held.")] = None,
    clips: Annotated[bool, typer.Option("--clips", help="List clips instead of projects.")] = False,
    limit: Annotated[int, typer.Option(help="How many at once.", min=1, max=200)] = 50,
    page: Annotated[str | None, typer.Option(help="Mark of the next page, as printed.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Find projects, or clips, in which all of this is so; an option that is given twice asks for either.

    The newest come first. Exit status 1 if nothing is found.

    Example: `jianzheng search 污水厂 --region 530600 --from 2026-03-01 --to 2026-03-31`
    """
    from catalog.search.filters import RegionOf, SearchFilter
    from kernel.model.source import ContentKind
    from kernel.model.timeline import Phase, SessionState

    by = SearchFilter(
        text=text,
        code=code,
        section=section,
        agency=agency,
        tag=tag,
        regions=frozenset(region or ()),
        region_of=_word(RegionOf, region_of),
        industries=frozenset(industry or ()),
        days=_days(first, last),
        expert_key=expert,
        sites=frozenset(site or ()),
        rooms=frozenset(room or ()),
        phases=_words(Phase, phase),
        kinds=_words(ContentKind, kind),
        states=_words(SessionState, state),
        gap_seconds=gap,
        held=held,
    )
    raise typer.Exit(_show(by, clips, page, limit, data_dir))


def _show(by: SearchFilter, clips: bool, page: str | None, limit: int, data_dir: Path | None) -> int:
    """Print what is found; the exit status."""
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        if clips:
            some = catalogue.search.clips(by, page=page, limit=limit)
            return _print(_clips_table(some), some.total, some.next_page)
        found = catalogue.search.projects(by, page=page, limit=limit)
        return _print(_projects_table(found), found.total, found.next_page)


def _words(kind: Callable[[str], Value], given: Iterable[str] | None) -> frozenset[Value]:
    return frozenset(_word(kind, one) for one in given or ())


def _word(kind: Callable[[str], Value], given: str) -> Value:
    try:
        return kind(given)
    except ValueError as error:
        known = ", ".join(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ""
        raise SearchRefused(f"{error}.", hint=f"There are: {known}.") from None


def _days(first: str | None, last: str | None) -> Days | None:
    from catalog.search.filters import Days

    if first is None and last is None:
        return None
    try:
        return Days(
            first=None if first is None else date.fromisoformat(first),
            last=None if last is None else date.fromisoformat(last),
        )
    except ValueError as error:
        raise SearchRefused(f"These days make no sense: {error}.", hint="Write 2026-03-01.") from None


def _projects_table(found: ProjectsFound) -> Table:
    table = _table("项目 project", "编号 code", "开始 began", "片段 clips", "名称 name", "命中 found by")
    for hit in found.projects:
        by = "; ".join(dict.fromkeys(f"{one.hit} {one.value}" for one in hit.matched))
        began = "" if hit.first_us is None else iso_utc(hit.first_us)
        project = hit.project
        table.add_row(project.id, project.project_code, began, str(hit.clip_count), project.name_zh, by)
    return table


def _clips_table(found: ClipsFound) -> Table:
    table = _table("片段 clip", "项目 project", "开始 from", "结束 to", "最长缺口 longest gap, s")
    for hit in found.clips:
        gap = str(hit.longest_gap_us // SECOND_US)
        table.add_row(hit.id, hit.project_id, iso_utc(hit.start_us), iso_utc(hit.end_us), gap)
    return table


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    return table


def _print(table: Table, total: Count, next_page: str | None) -> int:
    """Print what was found; the command's exit status."""
    from rich.console import Console

    out = Console(highlight=False, width=None if sys.stdout.isatty() else 500)
    if table.row_count:
        out.print(table)
    out.print(f"共 found: {total.value:,}{'+' if total.more else ''}")
    if next_page is not None:
        out.print(f"下一页 next page: --page {next_page}", soft_wrap=True)
    return 0 if total.value else 1
