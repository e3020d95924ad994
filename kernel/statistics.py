"""檔案統計: totals of projects, folded by region, industry and Beijing month; pure.

A project counts once, with all that belongs to it, in the Beijing month in which its first session began. So
every figure is a sum over projects, and parts always add up to the whole. What comes later (a re-evaluation
in the next month) changes the month that its project is in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

from kernel.clock import BEIJING, SECOND_US, from_datetime, to_datetime
from kernel.errors import TimelineError

_HOUR_US = 3600 * SECOND_US
_MINUTE_US = 60 * SECOND_US
_GB = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What is counted; figures of parts add up to those of the whole."""

    projects: int = 0  # tender projects: records of shared halls are none, but all else of theirs counts
    sections: int = 0
    sessions: int = 0  # that have begun
    clips: int = 0
    recorded_us: int = 0  # of all sources, without gaps
    gaps: int = 0  # per source, that were not fetched afterwards
    gap_us: int = 0
    size_bytes: int = 0  # of the newest archive of each session, unless it was destroyed by rule
    files: int = 0  # in it
    tags: int = 0
    irregularities: int = 0  # of the tags

    def __add__(self, other: Figures) -> Figures:
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in FIGURES})

    @property
    def mean_bytes(self) -> float | None:
        """Bytes of a project; None where there is none."""
        return self.size_bytes / self.projects if self.projects else None

    @property
    def mean_files(self) -> float | None:
        """Files of a project; None where there is none."""
        return self.files / self.projects if self.projects else None


FIGURES = tuple(one.name for one in fields(Figures))


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFigures:
    """The figures of one project."""

    project_id: str
    region_code: str  # as it was filed; a code that a region had before is told apart from its own
    industry_code: str
    first_us: int  # when its first session began
    figures: Figures


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Cell:
    """Where a project is counted."""

    region_code: str
    industry_code: str
    month: str  # Beijing: 2026-03


def month_of(at_us: int) -> str:
    """The Beijing month of a wall time, such as ``2026-03``."""
    return to_datetime(at_us).astimezone(BEIJING).strftime("%Y-%m")


def month_start_us(month: str) -> int:
    """When a Beijing month begins.

    Raises:
        TimelineError: it is no month.
    """
    try:
        day = date.fromisoformat(f"{month}-01")
        day.replace(year=day.year + 1)  # the month after it can be told, too
        return from_datetime(datetime(day.year, day.month, 1, tzinfo=BEIJING))
    except ValueError:
        raise TimelineError(f"{month} is no month.", hint="Write it like 2026-03.") from None


def month_end_us(month: str) -> int:
    """When the next Beijing month begins.

    Raises:
        TimelineError: it is no month.
    """
    start = to_datetime(month_start_us(month)).astimezone(BEIJING)
    following = (start.year + start.month // 12, start.month % 12 + 1)
    return from_datetime(datetime(*following, 1, tzinfo=BEIJING))


def fold(projects: Iterable[ProjectFigures], current: Mapping[str, str] | None = None) -> dict[Cell, Figures]:
    """Figures by region, industry and month, in that order.

    Args:
        current: what regions are called now that had another code before.
    """
    found: dict[Cell, Figures] = {}
    names = current or {}
    for one in projects:
        region = names.get(one.region_code, one.region_code)
        cell = Cell(region_code=region, industry_code=one.industry_code, month=month_of(one.first_us))
        found[cell] = found.get(cell, Figures()) + one.figures
    return dict(sorted(found.items()))


def total(parts: Iterable[Figures]) -> Figures:
    """All of them together."""
    return sum(parts, Figures())


_HEADINGS = (
    "行政区域代码",
    "行政区域",
    "行业代码",
    "行业类型",
    "月份",
    "项目数",
    "标段数",
    "场次数",
    "片段数",
    "录制时长(小时)",
    "归档容量(GB)",
    "项目平均容量(GB)",
    "文件数",
    "项目平均文件数",
    "缺口数",
    "缺口时长(分钟)",
    "标签数",
    "异常数",
)


def as_csv(cells: Mapping[Cell, Figures], regions: Mapping[str, str], industries: Mapping[str, str]) -> str:
    """The table for a spreadsheet, its sum in the last line (RFC 4180).

    It begins with a byte order mark, without which Excel takes Chinese for another encoding.

    Args:
        regions: names by code.
        industries: names by code.
    """
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerow(_HEADINGS)
    for cell, figures in cells.items():
        region, industry = cell.region_code, cell.industry_code
        place = (region, regions.get(region, ""), industry, industries.get(industry, ""), cell.month)
        writer.writerow((*place, *_values(figures)))
    writer.writerow(("合计", "", "", "", "", *_values(total(cells.values()))))
    return text.getvalue()


def _values(one: Figures) -> tuple[str | int, ...]:
    return (
        one.projects,
        one.sections,
        one.sessions,
        one.clips,
        f"{one.recorded_us / _HOUR_US:.2f}",
        f"{one.size_bytes / _GB:.3f}",
        "" if one.mean_bytes is None else f"{one.mean_bytes / _GB:.3f}",
        one.files,
        "" if one.mean_files is None else f"{one.mean_files:.2f}",
        one.gaps,
        f"{one.gap_us / _MINUTE_US:.1f}",
        one.tags,
        one.irregularities,
    )
