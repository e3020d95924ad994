"""A second stream that is archived in place of the first shows the same, at the same times."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from kernel.settings import CamerasFile


def source(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "content_kind": "seat_face",
        "seat": "s1",
        "uri": f"rtsp://cam/{name}",
        "label_zh": name,
        **more,
    }


def cameras(*sources: dict[str, Any]) -> CamerasFile:
    room = {
        "id": "ER",
        "kind": "evaluation_room",
        "name_zh": "ER",
        "seats": [{"id": "s1", "ordinal": 1}, {"id": "s2", "ordinal": 2}],
        "sources": list(sources),
    }
    site = {"id": "S", "region": "530602", "name_zh": "S", "rooms": [room]}
    return CamerasFile.model_validate({"sites": [site]})


def test_a_second_stream_of_the_same_picture_is_taken() -> None:
    found = cameras(source("main", archive_source="second"), source("second"))
    assert found.archive_sources() == {"main": "second"}
    assert cameras(source("main"), source("second")).archive_sources() == {}


@pytest.mark.parametrize(
    "second",
    [
        source("other"),
        source("second", seat="s2"),
        source("second", content_kind="seat_desktop"),
        source("second", record="booked"),
        source("second", archive_source="main"),
    ],
)
def test_another_picture_or_other_times_are_refused_by_name(second: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="archive_source second of source main must be"):
        cameras(source("main", archive_source="second"), second)


def test_a_source_cannot_stand_in_for_itself() -> None:
    with pytest.raises(ValidationError, match="another source"):
        cameras(source("main", archive_source="main"))
