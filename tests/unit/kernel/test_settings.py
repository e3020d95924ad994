"""Settings are closed and named in their faults, and a password never leaves them (invariant 16)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from kernel.errors import SettingsError
from kernel.settings import (
    CamerasFile,
    ServerSettings,
    Settings,
    SourceSpec,
    explain,
    load_cameras,
    load_settings,
    public_uri,
)

ROOT = Path(__file__).parents[3]
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the machine it runs on."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("JIANZHENG_"):
            monkeypatch.delenv(name)


def cameras(**source: Any) -> dict[str, Any]:
    camera = {"id": "cam", "content_kind": "room", "uri": "rtsp://10.0.0.5:554/a", "label_zh": "全景"}
    room = {
        "id": "ER",
        "kind": "evaluation_room",
        "name_zh": "评标室",
        "seats": [{"id": "seat-01", "ordinal": 1}],
        "sources": [{**camera, **source}],
    }
    return {"sites": [{"id": "ZT", "region": "530602", "name_zh": "中心", "rooms": [room]}]}


def load(tmp_path: Path, content: Any) -> CamerasFile:
    path = tmp_path / "cameras.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True))
    return load_cameras(path)


def refused(tmp_path: Path, content: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, content)
    return str(caught.value)


# --- jianzheng.toml and the environment


@pytest.mark.parametrize(
    ("text", "key"), [("typo = 1", "typo"), ("[ring]\nsegment_secs = 1", "ring.segment_secs")]
)
def test_an_unknown_key_of_the_file_fails_and_is_named(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "jianzheng.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"unknown key {key}\b"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("JIANZHENG_TYPO", "JIANZHENG_TYPO"),
        ("JIANZHENG_RINGS__SEGMENT_SECONDS", "JIANZHENG_RINGS__SEGMENT_SECONDS"),
        ("JIANZHENG_RING__SEGMENT_SECS", "ring.segment_secs"),
    ],
)
def test_an_unknown_key_of_the_environment_fails_and_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_a_value_that_is_no_json_is_blamed_on_the_environment_not_on_a_file_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JIANZHENG_RING", "abc")
    with pytest.raises(SettingsError, match=r"(?i)environment") as caught:
        load_settings()
    assert "jianzheng.toml cannot be read" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[server]\nport = 70000", "server.port"),
        ("[ring]\nsegment_seconds = 0", "ring.segment_seconds"),
        ("[archive]\ncodec = 'vp9'", "archive.codec"),
    ],
)
def test_a_value_that_cannot_be_used_fails_and_its_key_is_named(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "jianzheng.toml").write_text(text)
    with pytest.raises(SettingsError, match=key):
        load_settings()


def test_broken_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "jianzheng.toml").write_text("data_dir = 'x'\n[ring\n")
    with pytest.raises(SettingsError, match=r"jianzheng\.toml cannot be read: .*line 2"):
        load_settings()


def test_the_environment_beats_the_file_and_the_command_line_beats_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jianzheng.toml").write_text("[ring]\nsegment_seconds = 10\nfragment_seconds = 2\n")
    monkeypatch.setenv("JIANZHENG_RING__SEGMENT_SECONDS", "20")
    settings = load_settings(server=ServerSettings(port=0))
    assert (settings.ring.segment_seconds, settings.ring.fragment_seconds) == (20, 2)
    assert settings.server.port == 0


def test_the_shipped_defaults_are_what_the_house_promises() -> None:
    settings = load_settings()
    assert settings == Settings()
    ring = settings.ring
    assert (ring.segment_seconds, ring.fragment_seconds, ring.fsync_seconds) == (60, 1, 5)
    assert settings.archive.codec == "av1"
    assert settings.server.host == "127.0.0.1"
    assert settings.catalogue_url == "sqlite:///var/catalogue.sqlite"
    assert {settings.ring_dir, settings.store_dir, settings.work_dir} == {
        Path("var/ring"),
        Path("var/store"),
        Path("var/work"),
    }


def test_settings_cannot_be_changed_behind_the_back_of_who_reads_them() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.ring.segment_seconds = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.data_dir = Path("elsewhere")  # type: ignore[misc]


# --- cameras.yaml


def test_the_shipped_cameras_file_loads_and_names_what_the_demo_records() -> None:
    shipped = load_cameras(ROOT / "cameras.yaml")
    assert [site.id for site in shipped.sites] == ["DEMO"]
    assert len(shipped.specs()) == 9
    assert {room.kind for room in shipped.rooms_public()} == {
        "opening_hall",
        "extraction_room",
        "evaluation_room",
    }
    assert [seat.ordinal for seat in shipped.seats_public()] == [1, 2, 3]
    assert {source.seat_id for source in shipped.sources_public()} == {
        None,
        "seat-01",
        "seat-02",
        "seat-03",
    }


@pytest.mark.parametrize("where", ["site", "room", "source"])
def test_an_unknown_key_of_the_cameras_file_fails_and_is_named(tmp_path: Path, where: str) -> None:
    content = cameras()
    site = content["sites"][0]
    part = {"site": site, "room": site["rooms"][0], "source": site["rooms"][0]["sources"][0]}[where]
    part["colour"] = "red"
    assert f"unknown key {where} {part['id']}: colour" in refused(tmp_path, content)


def test_a_fault_of_a_source_without_a_usable_id_is_named_by_its_place(tmp_path: Path) -> None:
    content = cameras()
    source = content["sites"][0]["rooms"][0]["sources"][0]
    source.update(id="a b", colour="red")
    room = content["sites"][0]["rooms"][0]["id"]
    assert f"unknown key room {room}: sources.0.colour" in refused(tmp_path, content)


@pytest.mark.parametrize(
    "uri",
    ["rtsp://admin:hunter2@10.0.0.5/a", "rtsp://admin@10.0.0.5/a", "rtsp://:hunter2@10.0.0.5/a"],
)
def test_credentials_in_a_uri_are_refused_and_not_repeated(tmp_path: Path, uri: str) -> None:
    said = refused(tmp_path, cameras(uri=uri))
    assert "must not carry credentials" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "uri",
    ["http://10.0.0.5/a", "rtsp:///a", "10.0.0.5", "", "rtsp://[10.0.0.5/a", "rtsp://10.0.0.5:99999/a"],
)
def test_an_address_that_cannot_be_dialled_is_refused_at_the_start_not_while_recording(
    tmp_path: Path, uri: str
) -> None:
    said = refused(tmp_path, cameras(uri=uri))
    assert "source cam" in said


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://admin:hunter2＠10.0.0.5/a",  # typed with a Chinese input method: a full-width @
        "rtsp://admin：hunter2@10.0.0.5/a",
        "rtsp://admin:hunter2/3@10.0.0.5/a",  # a password with a slash: what follows looks like a path
        "rtsp://admin:hunter2#3@10.0.0.5/a",
        "rtsp://admin:hunter2?3@10.0.0.5/a",
    ],
)
def test_credentials_that_hide_in_a_mistyped_uri_are_refused_and_not_repeated(
    tmp_path: Path, uri: str
) -> None:
    assert SECRET not in refused(tmp_path, cameras(uri=uri))


@pytest.mark.parametrize("known", [{}, {"username": "cam"}, {"password": "s3cret"}])
def test_a_pushed_source_without_username_and_password_is_refused(
    tmp_path: Path, known: dict[str, str]
) -> None:
    """Anybody could put footage in its place."""
    message = refused(tmp_path, cameras(uri="push+rtsp:///hall/1", **known))
    assert "source cam is pushed to us and needs username and password" in message
    assert "s3cret" not in message
    load(tmp_path, cameras(uri="push+rtsp:///hall/1", username="cam", password="s3cret"))


@pytest.mark.parametrize("kind", ["site", "room", "seat", "source"])
def test_two_things_of_one_id_are_refused_and_the_id_is_named(tmp_path: Path, kind: str) -> None:
    content = cameras()
    site = content["sites"][0]
    room = site["rooms"][0]
    if kind == "site":
        content["sites"].append({**site, "rooms": []})
    elif kind == "room":
        site["rooms"].append({**room, "seats": [], "sources": []})
    else:
        room[f"{kind}s"].append(dict(room[f"{kind}s"][0]))
    twin = {"site": "ZT", "room": "ER", "seat": "seat-01", "source": "cam"}[kind]
    assert f"{kind} id {twin} is used more than once" in refused(tmp_path, content)


def test_a_source_that_looks_at_a_seat_of_another_room_is_refused(tmp_path: Path) -> None:
    content = cameras(seat="seat-09")
    rooms = content["sites"][0]["rooms"]
    rooms.append(
        {**rooms[0], "id": "ER2", "seats": [{"id": "seat-09", "ordinal": 9}], "sources": []},
    )
    assert "source cam looks at seat seat-09, which room ER lacks" in refused(tmp_path, content)


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    assert "not YAML in line 2" in refused(tmp_path, "sites:\n- id: a: b\n")


@pytest.mark.parametrize("content", ["", "just words", "- a list", "sites: 5"])
def test_a_file_that_holds_something_else_is_refused_in_words(tmp_path: Path, content: str) -> None:
    assert "cameras.yaml" in refused(tmp_path, content)


def test_a_list_that_is_written_twice_does_not_silently_lose_the_first(tmp_path: Path) -> None:
    """YAML itself lets the last of two equal keys win: half of the cameras would not be recorded."""
    text = yaml.safe_dump(cameras(), allow_unicode=True)
    content = text + text.replace("cam", "cam-2")
    assert "sites" in refused(tmp_path, content)


def test_a_missing_file_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml does not exist.*--cameras"):
        load_cameras(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf8_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "cameras.yaml").write_bytes("sites: 中心".encode("gb18030"))
    with pytest.raises(SettingsError, match="cannot be read"):
        load_cameras(tmp_path / "cameras.yaml")


def test_a_number_that_looks_like_an_impossible_date_is_refused_in_words(tmp_path: Path) -> None:
    """YAML takes 2026-13-45 for a date and stumbles over it."""
    text = yaml.safe_dump(cameras(), allow_unicode=True).replace("label_zh: 全景", "label_zh: 2026-13-45")
    assert "cameras.yaml" in refused(tmp_path, text)


# --- passwords (invariant 16)


def test_a_password_is_in_no_representation_of_the_settings(tmp_path: Path) -> None:
    loaded = load(tmp_path, cameras(username="admin", password=SECRET))
    (spec,) = loaded.specs()
    assert spec.password.get_secret_value() == SECRET
    for value in (loaded, spec, loaded.sources_public(), loaded.model_dump(), loaded.model_dump_json()):
        assert SECRET not in repr(value) + str(value)


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter2: x",
        "password: !hunter2",
        "password: *hunter2",
        "password: &hunter2",
        "password: '@hunter2",
        "password: [hunter2]",
        "password: !!hunter2",
        "password: !hunter2!x",
        "passwort: hunter2",
        "password: {hunter2: 1}",
    ],
)
def test_a_password_that_breaks_the_file_is_not_in_the_error(tmp_path: Path, line: str) -> None:
    """Passwords start with ! or * often enough, and YAML gives both a meaning."""
    text = yaml.safe_dump(cameras(), allow_unicode=True, sort_keys=False)
    broken = text.replace("label_zh: 全景", f"label_zh: 全景\n      {line}")
    assert line in broken
    assert SECRET not in refused(tmp_path, broken)


def test_a_password_glued_to_its_key_is_not_in_the_error(tmp_path: Path) -> None:
    broken = cameras()
    text = yaml.safe_dump(broken, allow_unicode=True, default_flow_style=True)
    text = text.replace("{content_kind", "{password:hunter2, content_kind")
    assert SECRET in text
    assert SECRET not in refused(tmp_path, text)


def test_the_environment_is_refused_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIANZHENG_DATABASE", SECRET)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("rtsp://admin:hunter2@10.0.0.5:554/a/b", "rtsp://10.0.0.5:554/a/b"),
        ("rtsp://admin@10.0.0.5/a", "rtsp://10.0.0.5/a"),
        ("rtsp://10.0.0.5/a?user=admin&password=hunter2", "rtsp://10.0.0.5/a"),
        ("rtsp://10.0.0.5/a#hunter2", "rtsp://10.0.0.5/a"),
        ("rtsp://admin:hunter2@[fe80::1]:554/a", "rtsp://[fe80::1]:554/a"),
        ("rtsp://admin:hun%40ter2@10.0.0.5/a", "rtsp://10.0.0.5/a"),
        ("rtsp://admin:hun@ter2@10.0.0.5/a", "rtsp://10.0.0.5/a"),
    ],
)
def test_a_public_uri_names_the_device_and_nothing_secret(uri: str, public: str) -> None:
    assert public_uri(uri) == public


def a_source(**more: str) -> dict[str, str]:
    return {"id": "cam", "content_kind": "room", "uri": "onvif://10.0.0.5", "label_zh": "x", **more}


@pytest.mark.parametrize("uri", ["", "rtsp://10.0.0.6/replay/1", "rtsps://[fe80::1]:322/replay?x=1"])
def test_a_device_may_play_back_at_an_address_of_its_own(uri: str) -> None:
    assert SourceSpec.model_validate(a_source(replay_uri=uri)).replay_uri == uri


@pytest.mark.parametrize(
    "uri", ["http://10.0.0.6/", "rtsp:///x", "rtsp://10.0.0.6:x/", f"rtsp://a:{SECRET}@h/x"]
)
def test_a_replay_address_that_cannot_be_used_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SourceSpec.model_validate(a_source(replay_uri=uri))
    assert SECRET not in explain(caught.value)
    assert "replay_uri" in explain(caught.value)


# --- what each way of delivering needs


@pytest.mark.parametrize(
    "uri", ["push+rtsp://10.0.0.5/hall/1", "push+rtsp://", "push+rtsp:///", "push+rtsp://:8654/a"]
)
def test_a_push_is_a_path_at_this_machine_and_nothing_else(uri: str) -> None:
    """By the value itself: code that makes one is held to it as cameras.yaml is."""
    with pytest.raises(ValidationError, match="push\\+rtsp:///PATH") as caught:
        SourceSpec.model_validate(a_source(uri=uri, username="cam", password=SECRET))
    assert SECRET not in explain(caught.value)


@pytest.mark.parametrize("password", ["", "short", "x" * 15])
def test_a_token_that_could_be_guessed_is_refused_and_not_repeated(tmp_path: Path, password: str) -> None:
    message = refused(tmp_path, cameras(uri="agent:", password=password))
    assert "source cam: its password is its agent's token" in message
    assert "openssl rand" in message
    assert not password or f"{password}:" not in message
    load(tmp_path, cameras(uri="agent:", password="x" * 16))


@pytest.mark.parametrize("kind", ["seat_face", "seat_desktop"])
def test_what_shows_a_seat_says_which(tmp_path: Path, kind: str) -> None:
    message = refused(tmp_path, cameras(content_kind=kind))
    assert f"source cam is of content_kind {kind} and needs a seat" in message
    load(tmp_path, cameras(content_kind=kind, seat="seat-01"))


def test_files_of_an_external_venue_name_no_seat_of_ours(tmp_path: Path) -> None:
    content = cameras(content_kind="seat_face")
    content["sites"][0]["rooms"][0]["kind"] = "external_venue"
    load(tmp_path, content)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a"),
        ("rtsp://10.0.0.5/a", "rtsp://10.0.0.5:554/a/"),
        ("rtsp://NVR/a?channel=1", "rtsp://nvr:554/a?channel=1"),
        ("onvif://10.0.0.5", "onvif://10.0.0.5:80/"),
        ("push+rtsp:///hall/1", "push+rtsp:///hall/1/"),
        ("push+rtmp://0.0.0.0:1935/live/a", "push+rtmp://127.0.0.1/live/b"),  # each listens by itself
    ],
)
def test_two_sources_of_one_device_are_refused_and_both_are_named(
    tmp_path: Path, one: str, other: str
) -> None:
    message = refused(tmp_path, twins(one, other))
    assert "sources cam and cam-2 have the same" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rtsp://10.0.0.5/a?channel=1", "rtsp://10.0.0.5/a?channel=2"),
        ("onvif://10.0.0.5/main", "onvif://10.0.0.5/second"),
        ("rtsp://10.0.0.5:554/a", "rtsp://10.0.0.5:555/a"),
        ("agent:", "agent:"),
        ("file:///media/any.mp4", "file:///media/any.mp4"),
    ],
)
def test_devices_of_their_own_are_no_twins(tmp_path: Path, one: str, other: str) -> None:
    assert len(load(tmp_path, twins(one, other)).specs()) == 2


def twins(one: str, other: str) -> dict[str, Any]:
    content = cameras(uri=one, username="cam", password=SECRET + "x" * 16)
    sources = content["sites"][0]["rooms"][0]["sources"]
    sources.append({**sources[0], "id": "cam-2", "uri": other})
    return content


@pytest.mark.parametrize("written", ["0765432", "987654", "98.7654", "2026-03-02", "off"])
@pytest.mark.parametrize("key", ["label_zh", "password"])
def test_a_number_where_text_is_meant_is_told_to_be_put_in_quotes(
    tmp_path: Path, key: str, written: str
) -> None:
    text = yaml.safe_dump(cameras(password="pass"), allow_unicode=True)
    plain = {"label_zh": "全景", "password": "pass"}[key]
    message = refused(tmp_path, text.replace(f"{key}: {plain}", f"{key}: {written}"))
    assert f"source cam: {key}: is meant as text: put it in quotes" in message
    assert written not in message
