"""What the doctor says of devices that call us and of agents: there is no address that it could ask."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml

from capture.roster import source_lock
from catalog.catalogue import Catalogue
from cli import doctor
from cli.agents import receiver_certificate
from cli.doctor import Diagnosis, diagnose
from cli.page import STAMP, tree_hash
from cli.wiring import open_catalogue
from kernel.clock import SystemClock
from kernel.lock import sole_user
from kernel.settings import CaptureSettings, ReceiverSettings, Settings, load_cameras
from player_api.agents import create_agent_app
from tests.support.catalogue import add_segments
from tests.support.peers import free_port
from tests.support.sources import segment

TOKEN = "the-token-of-this-test-0123"


class Nobody:
    """No intake: the doctor asks for the time alone."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        cameras=tmp_path / "cameras.yaml",
        capture=CaptureSettings(push_host="127.0.0.1", push_port=free_port(), connect_seconds=5),
        receiver=ReceiverSettings(host="127.0.0.1", port=free_port()),
    )


def write(settings: Settings, **source: str) -> None:
    entry = {
        "id": "cam",
        "content_kind": "room",
        "label_zh": "x",
        "username": "u",
        "password": TOKEN,
        **source,
    }
    room = {"id": "R", "kind": "opening_hall", "name_zh": "厅", "sources": [entry]}
    site = {"id": "S", "region": "530602", "name_zh": "样例", "rooms": [room]}
    settings.cameras.write_text(yaml.safe_dump({"sites": [site]}), encoding="utf-8")


def found(settings: Settings, subject: str) -> Diagnosis:
    (one,) = [one for one in diagnose(settings) if subject in one.subject]
    assert TOKEN not in f"{one.found} {one.remedy}"  # invariant 16
    return one


def built(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that was built from its sources just now; returns one of those."""
    source = home / "web" / "src" / "main.ts"
    source.parent.mkdir(parents=True)
    source.write_text("one", encoding="utf-8")
    static = home / "static"
    static.mkdir()
    (static / "index.html").write_text("page", encoding="utf-8")
    (static / STAMP).write_text(tree_hash(home / "web"), encoding="utf-8")
    monkeypatch.setattr(doctor, "WEB", home / "web")
    monkeypatch.setattr(doctor, "STATIC", static)
    return source


def test_a_page_that_was_built_from_older_sources_is_found(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = built(tmp_path, monkeypatch)
    assert found(settings, "网页").well
    source.write_text("two", encoding="utf-8")
    stale = found(settings, "网页")
    assert (stale.well, stale.remedy) == (False, "Run 'make web'.")
    assert "older sources" in stale.found


def test_a_page_without_sources_beside_it_is_not_called_old(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a wheel installs it."""
    built(tmp_path, monkeypatch)
    monkeypatch.setattr(doctor, "WEB", tmp_path / "none")
    assert found(settings, "网页").well


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


@pytest.mark.parametrize("scheme", ["push+rtsp", "push+rtmp"])
def test_a_push_port_is_free_or_ours_or_somebody_elses(settings: Settings, scheme: str) -> None:
    port = settings.capture.push_port
    write(settings, uri="push+rtsp:///hall" if scheme == "push+rtsp" else f"push+rtmp://127.0.0.1:{port}/a/b")
    free = found(settings, "push port")
    assert (free.well, f"{port} is free" in free.found) == (True, True)
    with taken(port):
        others = found(settings, "push port")
        assert not others.well
        assert str(port) in others.found
        assert "another port" in others.remedy
        with sole_user(settings.locks_dir, source_lock("cam")):
            assert found(settings, "push port").well


def test_where_nobody_pushes_no_port_is_looked_at(settings: Settings) -> None:
    write(settings, uri="file:///a")
    assert not [one for one in diagnose(settings) if "push port" in one.subject or "agent" in one.subject]


def test_a_receiver_that_never_ran_is_named_with_its_remedy(settings: Settings) -> None:
    write(settings, uri="agent:")
    one = found(settings, "receiver")
    assert (one.well, one.found) == (False, "it never ran here")
    assert "jianzheng receive" in one.remedy
    assert not settings.keys_dir.exists()  # to look changes nothing


@contextmanager
def receiving(settings: Settings, token: str) -> Iterator[None]:
    clock = SystemClock()
    shown = receiver_certificate(settings, clock)
    intake: Any = Nobody()
    config = uvicorn.Config(
        create_agent_app(intake, {"cam": token}, clock),
        host="127.0.0.1",
        port=settings.receiver.port,
        log_level="critical",
        lifespan="off",
        ssl_certfile=shown.certificate,
        ssl_keyfile=shown.key,
    )
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run)
    serving.start()
    try:
        while not server.started:
            SystemClock().sleep(0.02)
        yield
    finally:
        server.should_exit = True
        serving.join()


def test_a_receiver_that_does_not_run_is_told_apart_from_one_with_another_token(settings: Settings) -> None:
    write(settings, uri="agent:")
    with receiving(settings, TOKEN):
        well = found(settings, "receiver, for cam")
        assert (well.well, "takes its token" in well.found) == (True, True)
    gone = found(settings, "receiver, for cam")
    assert (gone.well, "Start 'jianzheng receive'" in gone.remedy) == (False, True)
    with receiving(settings, "the-token-of-before-0123"):
        changed = found(settings, "receiver, for cam")
        assert not changed.well
        assert "401" in changed.found
        assert "again" in changed.remedy


def test_another_certificate_at_the_receivers_port_is_not_believed(
    settings: Settings, tmp_path: Path
) -> None:
    write(settings, uri="agent:")
    receiver_certificate(settings, SystemClock())
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    with receiving(other, TOKEN):
        one = found(settings, "receiver, for cam")
        assert (one.well, "certificate" in one.found) == (False, True)


def test_an_agent_that_never_sent_anything_is_named(settings: Settings) -> None:
    write(settings, uri="agent:")
    receiver_certificate(settings, SystemClock())
    one = found(settings, "agent cam")
    assert (one.well, one.found) == (False, "it never sent anything")
    assert "jianzheng enrol cam" in one.remedy
    with open_catalogue(settings, load_cameras(settings.cameras)) as catalogue:
        _record(catalogue)
    assert found(settings, "agent cam").well


def _record(catalogue: Catalogue) -> None:
    add_segments(catalogue, [segment(0, 10**15, 10**15 + 10**6)])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"uri": "agent:", "password": "short"}, "source cam: its password is its agent's token"),
        ({"uri": "push+rtsp://10.0.0.1/hall"}, "source cam: uri must be push+rtsp:///PATH"),
        ({"uri": "rtsp://h/x", "content_kind": "seat_face"}, "source cam is of content_kind seat_face"),
    ],
)
def test_what_is_wrong_in_cameras_yaml_is_said_by_the_sources_name(
    settings: Settings, source: dict[str, str], said: str
) -> None:
    write(settings, **source)
    one = found(settings, "cameras.yaml")
    assert not one.well
    assert said in one.found
