"""Figures by region, industry and Beijing month: parts add up to the whole, whatever comes in."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import BEIJING, SECOND_US, to_datetime
from kernel.errors import TimelineError
from kernel.statistics import (
    FIGURES,
    Cell,
    Figures,
    ProjectFigures,
    as_csv,
    fold,
    month_end_us,
    month_of,
    month_start_us,
    total,
)

HOUR_US = 3600 * SECOND_US
figures = st.builds(Figures, **{name: st.integers(0, 10**15) for name in FIGURES})
projects = st.lists(
    st.builds(
        ProjectFigures,
        project_id=st.text(max_size=3),
        region_code=st.sampled_from(["530602", "530630", "530681"]),
        industry_code=st.sampled_from(["A01", "D03"]),
        first_us=st.integers(0, 4_000_000_000 * SECOND_US),
        figures=figures,
    )
)


@given(projects)
def test_parts_add_up_to_the_whole(found: list[ProjectFigures]) -> None:
    cells = fold(found, {"530630": "530681"})
    assert total(cells.values()) == total(one.figures for one in found)
    for axis in ("region_code", "industry_code", "month"):
        parts: dict[str, list[Figures]] = {}
        for cell, one in cells.items():
            parts.setdefault(getattr(cell, axis), []).append(one)
        assert total(total(part) for part in parts.values()) == total(cells.values())
    assert "530630" not in {cell.region_code for cell in cells}


@given(st.integers(0, 200_000_000_000 * SECOND_US))
def test_every_moment_lies_in_one_month(at_us: int) -> None:
    month = month_of(at_us)
    assert month_start_us(month) <= at_us < month_end_us(month)
    assert to_datetime(month_start_us(month)).astimezone(BEIJING).day == 1


def test_the_first_hours_of_a_beijing_month_are_not_of_the_month_before() -> None:
    assert month_of(month_start_us("2026-03")) == "2026-03"
    assert month_of(month_start_us("2026-03") - 1) == "2026-02"
    assert month_end_us("2026-12") == month_start_us("2027-01")


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-03-01", "2026-3", "三月", "0000-01", "9999-12"]
)
def test_what_is_no_month_is_refused_in_words(text: str) -> None:
    with pytest.raises(TimelineError, match="2026-03"):
        month_end_us(text)


def test_means_are_per_project_and_none_without_one() -> None:
    assert Figures(projects=2, size_bytes=9, files=3).mean_bytes == 4.5
    assert Figures(projects=2, size_bytes=9, files=3).mean_files == 1.5
    assert Figures(size_bytes=9, files=3).mean_bytes is None


def test_a_spreadsheet_reads_chinese_numbers_and_the_sum() -> None:
    """Excel takes UTF-8 for another encoding without the byte order mark."""
    cells = {
        Cell(region_code="530602", industry_code="A01", month="2026-03"): Figures(
            projects=2, recorded_us=3 * HOUR_US, size_bytes=5_000_000_000, files=22, gaps=1, gap_us=90_000_000
        ),
        Cell(region_code="530602", industry_code="D03", month="2026-03"): Figures(projects=1, files=11),
    }
    text = as_csv(cells, {"530602": "昭阳区, 样例"}, {"A01": "房建"})
    assert text.encode().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    heading, first, second, last = (dict(zip(rows[0], row, strict=True)) for row in rows)
    assert heading
    assert (first["行政区域"], first["行业类型"], first["月份"]) == ("昭阳区, 样例", "房建", "2026-03")
    assert (first["录制时长(小时)"], first["归档容量(GB)"], first["缺口时长(分钟)"]) == (
        "3.00",
        "5.000",
        "1.5",
    )
    assert (first["项目平均容量(GB)"], second["项目平均文件数"]) == ("2.500", "11.00")
    assert (last["行政区域代码"], last["项目数"], last["文件数"]) == ("合计", "3", "33")
