"""What ``jianzheng statistics`` prints and writes (tasks I13, I14, W22)."""

from __future__ import annotations

from pathlib import Path

import typer

from catalog.catalogue import Catalogue
from catalog.places import with_descendants
from catalog.statistics import EVER, StatisticsFilter
from cli.moments import lasting, shown_range
from cli.printing import console
from kernel.errors import SettingsError
from kernel.statistics import Cell, Figures, as_csv, fold, month_end_us, month_start_us, total
from kernel.timerange import TimeRange


def narrowed_by(
    catalogue: Catalogue, months: tuple[str, str], region: str, industry: str
) -> StatisticsFilter:
    """What is counted, from what was typed; empty narrows nothing.

    Raises:
        TimelineError: a month is none.
        SettingsError: the last month is before the first, or there is no such region or industry.
    """
    first, last = months
    start_us = month_start_us(first) if first else EVER.start_us
    end_us = month_end_us(last) if last else EVER.end_us
    if end_us <= start_us:
        raise SettingsError(f"{last} is before {first}.", hint="Give the earlier month as --from.")
    industries = catalogue.places.industries()
    for code, table in ((region, catalogue.places.regions()), (industry, industries)):
        if code and code not in {one.code for one in table}:
            raise SettingsError(f"there is no region or industry {code}.", hint="Look up its code.")
    return StatisticsFilter(
        begun=TimeRange(start_us=start_us, end_us=end_us),
        region_codes=catalogue.places.regions_within(region) if region else None,
        industry_codes=frozenset(with_descendants(industries, industry)) if industry else None,
    )


def _names(catalogue: Catalogue) -> tuple[dict[str, str], dict[str, str]]:
    regions = {one.code: one.name_zh for one in catalogue.places.regions()}
    return regions, {one.code: one.name_zh for one in catalogue.places.industries()}


def write_csv(catalogue: Catalogue, narrowed: StatisticsFilter, path: Path) -> None:
    """Write the table for a spreadsheet, never over a file that is there.

    Raises:
        SettingsError: it cannot be written.
    """
    text = as_csv(_cells(catalogue, narrowed), *_names(catalogue))
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None
    typer.echo(f"已写好 {path} is written.")


_HEADINGS = (
    "区域 region",
    "行业 industry",
    "月份 month",
    "项目 projects",
    "标段 sections",
    "小时 hours",
    "GB",
    "均GB mean",
    "文件 files",
    "均 mean",
    "缺口 gaps",
    "分钟 min",
    "标签 tags",
    "异常 irregular",
)


def _cells(catalogue: Catalogue, narrowed: StatisticsFilter) -> dict[Cell, Figures]:
    return fold(catalogue.statistics.projects(narrowed), catalogue.statistics.current_codes())


def print_table(catalogue: Catalogue, narrowed: StatisticsFilter) -> None:
    """Tab-separated below headings: columns that a terminal breaks cannot be read across."""
    cells = _cells(catalogue, narrowed)  # not by Rich, which makes blanks of tabs
    regions, industries = _names(catalogue)
    typer.echo("\t".join(_HEADINGS))
    for cell, one in cells.items():
        region = f"{cell.region_code} {regions.get(cell.region_code, '')}"
        industry = f"{cell.industry_code} {industries.get(cell.industry_code, '')}"
        typer.echo("\t".join((region, industry, cell.month, *_figures(one))))
    typer.echo("\t".join(("合计 total", "", "", *_figures(total(cells.values())))))


def _figures(one: Figures) -> tuple[str, ...]:
    return (
        str(one.projects),
        str(one.sections),
        f"{one.recorded_us / 3.6e9:.1f}",
        f"{one.size_bytes / 1e9:.2f}",
        "–" if one.mean_bytes is None else f"{one.mean_bytes / 1e9:.2f}",
        str(one.files),
        "–" if one.mean_files is None else f"{one.mean_files:.1f}",
        str(one.gaps),
        f"{one.gap_us / 6e7:.1f}",
        str(one.tags),
        str(one.irregularities),
    )


def print_gaps(catalogue: Catalogue, narrowed: StatisticsFilter, longer_us: int, *, backfilled: bool) -> None:
    """A line for each gap that lasts longer, by site."""
    out = console()
    for one in catalogue.statistics.gaps(narrowed, longer_us, backfilled=backfilled, limit=1_000_000):
        fetched = "  已补录 fetched afterwards" if one.backfilled else ""
        out.print(
            f"{one.site_id}  {one.source_id}  {one.session_id}  {shown_range(one.wall)}  "
            f"{lasting(one.wall.duration_us)}  {one.cause}{fetched}",
            markup=False,
        )
