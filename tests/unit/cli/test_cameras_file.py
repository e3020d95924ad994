"""``cameras.yaml`` while it is in use."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cli.cameras_file import CamerasInUse
from kernel.errors import CatalogError
from kernel.settings import CamerasFile, load_cameras

TEXT = """sites:
- id: B
  region: '530602'
  name_zh: B
  rooms:
  - id: R
    kind: opening_hall
    name_zh: R
    sources:
    - {id: a, content_kind: room, uri: 'rtsp://h/a', label_zh: a}
"""
MORE = TEXT + "    - {id: b, content_kind: room, uri: 'rtsp://h/b', label_zh: b}\n"


class Using:
    """A file, and what was made of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(TEXT, encoding="utf-8")
        self.used: list[list[str]] = []
        self.fails = False
        self.file = CamerasInUse(path, load_cameras(path), prepare=self._prepare, use=self._use)

    def _prepare(self, places: CamerasFile) -> None:
        if self.fails:
            raise CatalogError("the catalogue does not take it.")

    def _use(self, places: CamerasFile) -> None:
        self.used.append([one.id for one in places.specs()])

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.file.run_once()


@pytest.fixture
def using(tmp_path: Path) -> Using:
    return Using(tmp_path / "cameras.yaml")


async def test_a_change_is_used_when_the_file_is_quiet(using: Using) -> None:
    using.path.write_text(MORE, encoding="utf-8")
    await using.look(2)
    assert using.used == []
    await using.look()
    assert using.used == [["a", "b"]]
    await using.look(5)
    assert len(using.used) == 1


async def test_half_of_a_file_that_is_being_written_is_not_used(using: Using) -> None:
    """It is YAML, and a source is missing."""
    using.path.write_text(MORE, encoding="utf-8")
    await using.look(3)
    using.path.write_text(TEXT, encoding="utf-8")
    await using.look(2)
    using.path.write_text(MORE + "# written\n", encoding="utf-8")
    await using.look(3)
    assert using.used == [["a", "b"]]  # and what was there before is there again


async def test_who_asks_need_not_wait(using: Using) -> None:
    using.path.write_text(MORE, encoding="utf-8")
    using.file.ask()
    await using.look()
    assert using.used == [["a", "b"]]


@pytest.mark.parametrize("text", [TEXT, "# a remark\n" + TEXT])
async def test_a_file_that_says_the_same_is_no_change(using: Using, text: str) -> None:
    using.path.write_text(text, encoding="utf-8")
    using.file.ask()
    await using.look(4)
    assert using.used == []


async def test_a_change_while_the_recorder_starts_is_not_missed(tmp_path: Path) -> None:
    """Between the reading at the start and the first look."""
    using = Using(tmp_path / "cameras.yaml")
    before = load_cameras(using.path)
    using.path.write_text(MORE, encoding="utf-8")
    using.file = CamerasInUse(using.path, before, prepare=using._prepare, use=using._use)
    await using.look(3)
    assert using.used == [["a", "b"]]


@pytest.mark.parametrize("broken", ["sites: [", TEXT.replace("rtsp:", "rtps:"), "", None])
async def test_a_file_that_cannot_be_used_is_told_of_once_until_it_is_mended(
    using: Using, broken: str | None
) -> None:
    with capture_logs() as logged:
        if broken is None:
            using.path.unlink()
        else:
            using.path.write_text(broken, encoding="utf-8")
        await using.look(4)
        using.file.ask()
        await using.look(2)
        assert using.file.problem
        assert using.used == []
        using.path.write_text(TEXT, encoding="utf-8")
        await using.look(3)
    assert [one["action"] for one in logged] == ["cameras.unusable", "cameras.mended"]
    assert "as before" in logged[0]["event"]
    assert (using.file.problem, using.used) == ("", [])


async def test_what_the_catalogue_does_not_take_now_is_tried_again(
    using: Using, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.cameras_file._AGAIN_LOOKS", 0)
    using.fails = True
    using.path.write_text(MORE, encoding="utf-8")
    stop = asyncio.Event()
    with capture_logs() as logged:
        using.file.ask()
        running = asyncio.create_task(using.file.run(stop))
        async with asyncio.timeout(20):
            while not logged:  # noqa: ASYNC110 - nobody signals a log
                await asyncio.sleep(0.02)
            using.fails = False
            while not using.used:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        stop.set()
        await running
    assert [one["action"] for one in logged] == ["cameras.unusable", "cameras.mended"]
    assert using.used == [["a", "b"]]
