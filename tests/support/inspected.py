"""A centre after the sample's month, as inspectors and supervisors meet it: a server and a command line.

The month of the sample's twenty projects is archived in a directory, and the two old files of its disposal
list beside it. What people did is loaded with it: tags, locks, requests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from catalog.catalogue import Catalogue
from catalog.database import writing
from catalog.objects import DirectoryStore
from catalog.tables import RenditionRow
from cli.sample.files import DATA
from kernel.settings import Settings
from tests.support.legacy import add_legacy, legacy_rows
from tests.support.peers import REPOSITORY, free_port
from tests.support.sample_month import Month

OLD, OTHER_OLD = "旧档样例-2010-007", "旧档样例-2010-008"
"""DSP-02, of a county that has another code now, and DSP-03."""
OLD_FILE = f"rendition-{OLD}"
_COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]


@dataclass(frozen=True, kw_only=True)
class Centre:
    """Where everything is; the product is met through ``get``, ``post`` and ``run``."""

    data_dir: Path
    database_url: str  # empty: SQLite
    url: str
    store: DirectoryStore

    def get(self, path: str, **query: Any) -> Any:
        """What the API answers; it has to answer."""
        answer = httpx.get(self.url + path, params=query, timeout=60)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def ask(self, path: str) -> httpx.Response:
        """What the API says, whatever it is."""
        return httpx.get(self.url + path, timeout=60)

    def post(self, path: str, **said: Any) -> httpx.Response:
        return httpx.post(self.url + path, json={"principal": "i-jw-1", **said}, timeout=60)

    def start(self, *words: str, data_dir: Path | None = None) -> subprocess.Popen[str]:
        """The command, as typed in a terminal of its own."""
        return subprocess.Popen(
            [*_COMMAND, *words, "--data-dir", str(data_dir or self.data_dir)],
            cwd=REPOSITORY,
            env=environment(self.database_url if data_dir is None else ""),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, data_dir: Path | None = None) -> Said:
        """The command, and what it said."""
        process = self.start(*words, data_dir=data_dir)
        output, errors = process.communicate(timeout=120)
        return Said(status=process.returncode, output=output, errors=errors)

    def told(self, *words: str) -> str:
        """Output of a command that has to go well."""
        said = self.run(*words)
        assert said.status == 0, (words, said)
        return said.output

    def refused(self, *words: str) -> str:
        """Why a command is refused: one sentence with its remedy, never a traceback."""
        said = self.run(*words)
        assert said.status != 0, (words, said)
        assert "Traceback" not in said.errors, said.errors
        return said.errors

    def found(self, **query: Any) -> set[str]:
        """Projects that a search finds; records of shared halls are left out."""
        hits = self.get("/api/search/projects", limit=200, **query)["projects"]
        return {one["id"] for one in hits if one["kind"] != "hall"}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command said."""

    status: int
    output: str
    errors: str


def environment(database_url: str) -> dict[str, str]:
    told = {"JIANZHENG_CAMERAS": str(DATA / "sites.yaml")}
    return {**os.environ, **told, **({"JIANZHENG_DATABASE_URL": database_url} if database_url else {})}


@contextmanager
def centre_after_the_month(directory: Path, database_url: str = "") -> Iterator[Centre]:
    """Build and serve it."""
    store = DirectoryStore(Settings(data_dir=directory).store_dir)
    month = Month(directory, database_url)
    month.store = store
    month.live()
    for row in legacy_rows():
        add_legacy(month.catalogue, store, row, room="SF-OH1", source="SF-OH1-P1")
    _give_a_picture(month.catalogue, store)
    month.catalogue.close()
    port = free_port()
    command = [*_COMMAND, "serve", "--without-accounts", "--port", str(port), "--data-dir", str(directory)]
    with (directory / "serve.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment(database_url), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, server, directory / "serve.log")
        yield Centre(data_dir=directory, database_url=database_url, url=url, store=store)
    finally:
        server.terminate()
        server.wait(30)


def _give_a_picture(catalogue: Catalogue, store: DirectoryStore) -> None:
    """The old file of DSP-02 can be asked for by a page."""
    with writing(catalogue._engine) as session:
        session.add(
            RenditionRow(
                id=OLD_FILE,
                archive_id=f"archive-{OLD}",
                clip_id=f"{OLD}-clip",
                object_key=f"{OLD}/{OLD}-O/v1/data/cam.mp4",
                video_codec="av01.0.05M.08",
                audio_codec=None,
                width=1,
                height=1,
                receipt={},
            )
        )


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{url}/api/regions", timeout=5)
        except httpx.TransportError:
            assert server.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8"))
