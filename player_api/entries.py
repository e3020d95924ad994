"""What people enter on the page, as the API takes it."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException
from pydantic import Field, StringConstraints

from kernel.clock import SECOND_US
from kernel.timerange import TimeRange

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""Who acts, until there are accounts."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]

Moment = Annotated[int, Field(ge=0, lt=253_402_300_800 * SECOND_US)]
"""Wall time, UTC microseconds, before the year 10000: what a date field of a browser can hold."""


def range_of(start_us: int, end_us: int) -> TimeRange:
    """The range between two moments; 422 where it has no length."""
    if end_us <= start_us:
        raise HTTPException(422, "结束时间应晚于开始时间。The end must be later than the start.")
    return TimeRange(start_us=start_us, end_us=end_us)
