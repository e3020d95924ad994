"""What ``discover`` writes: valid, unique, and never over what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from typer.testing import CliRunner

from capture.onvif.device import DeviceInformation
from capture.onvif.discovery import Found
from capture.onvif.profiles import Profile
from capture.onvif.survey import Surveyed
from cli.camera_entries import Entry, appended, as_text, entries, new_file
from cli.content_kinds import MEANINGS, guessed
from cli.discover import new_entries, refused, show, write
from cli.main import app
from kernel.errors import SettingsError
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from kernel.settings import SourceSpec, load_cameras

SAMPLE = Path(__file__).parents[3] / "cameras.yaml"
REFUSED = "the device refuses user name and password."
SECRET = 'pa"ss: #{word}'


def profile(token: str, source: str, width: int = 1920, height: int = 1080) -> Profile:
    return Profile(
        token=token,
        name=token,
        video_source=source,
        codec=Codec.H264,
        width=width,
        height=height,
        frame_rate=25,
        key_interval=50,
        bit_rate_kbps=4096,
        audio=None,
    )


def device(
    host: str = "10.0.0.9",
    *,
    name: str = "Hall%20One",
    profiles: tuple[Profile, ...] = (),
    accepted: bool = True,
) -> Surveyed:
    told = DeviceInformation(manufacturer="Maker", model="M1", firmware="1", serial="2")
    return Surveyed(
        found=Found(
            endpoint="urn:1",
            addresses=("http://10.0.0.9/onvif/device_service",),
            scopes=(f"onvif://www.onvif.org/name/{name}",),
        ),
        information=told if accepted else None,
        profiles=profiles,
        problem="" if accepted else REFUSED,
    )


def known(uri: str, source_id: str = "old") -> SourceSpec:
    return SourceSpec(id=source_id, content_kind=ContentKind.ROOM, uri=uri, label_zh="x")


def test_an_entry_has_an_id_of_name_and_address() -> None:
    [one] = entries([device()], [], "admin", SECRET)
    assert (one.id, one.uri) == ("hall-one-10-0-0-9", "onvif://10.0.0.9")


def test_ids_do_not_repeat_those_that_are_there() -> None:
    [one] = entries([device()], [known("onvif://10.0.0.8", "hall-one-10-0-0-9")], "admin", SECRET)
    assert one.id == "hall-one-10-0-0-9-2"


def test_a_name_in_chinese_leaves_the_address_as_id() -> None:
    [one] = entries([device(name="%E5%BC%80%E6%A0%87%E5%8E%85")], [], "admin", SECRET)
    assert (one.id, one.label) == ("10-0-0-9", "开标厅")


def test_a_device_with_several_sensors_has_an_entry_for_each() -> None:
    there = (profile("a-main", "a"), profile("a-sub", "a", 640), profile("b-main", "b"))
    made = entries([device(profiles=there)], [], "admin", SECRET)
    assert [one.uri for one in made] == ["onvif://10.0.0.9/a-main", "onvif://10.0.0.9/b-main"]


@pytest.mark.parametrize("uri", ["onvif://10.0.0.9", "onvif://10.0.0.9:80", "rtsp://10.0.0.9/h264"])
def test_what_is_known_is_left_out(uri: str) -> None:
    assert entries([device()], [known(uri)], "admin", SECRET) == []


def test_a_password_goes_only_with_a_device_that_accepted_it_and_the_user_name_stays() -> None:
    [one] = entries([device(accepted=False)], [], "admin", SECRET)
    assert (one.username, one.password) == ("admin", "")


def test_an_entry_after_a_wrong_password_says_so_where_the_right_one_belongs(tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.yaml"
    write(entries([device(accepted=False)], [], "admin", SECRET), cameras)
    text = cameras.read_text(encoding="utf-8")
    assert f"# FILL IN: {REFUSED}" in text
    [spec] = load_cameras(cameras).specs()
    assert (spec.username, spec.password.get_secret_value()) == ("admin", "")


def test_what_a_device_answers_cannot_break_out_of_its_comment() -> None:
    one = replace(entry(), password="", problem="no\n  password: 'x'\r\n- id: y")
    [made] = yaml.safe_load(as_text(one, indent=4, with_password=True))
    assert (made["id"], made["password"]) == ("new", "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("开标厅全景", "room"),
        ("第1开标厅大屏", "screen"),
        ("hall-screen", "screen"),
        ("专家抽取室", "room"),
        ("抽取终端", "extraction_terminal"),
        ("监督室", "supervision"),
        ("seat-01-face", "seat_face"),
        ("01席", "seat_face"),
        ("seat-01-desktop", "seat_desktop"),
        ("HIKVISION DS-2CD", None),
        ("", None),
    ],
)
def test_a_kind_is_guessed_from_the_names_that_people_gave(name: str, kind: str | None) -> None:
    assert guessed([name, ""], (1920, 1080)) == kind


def test_every_kind_of_content_has_a_meaning_for_people() -> None:
    assert set(MEANINGS) == set(ContentKind)


def test_a_picture_of_a_computers_size_is_a_desktop_and_words_beat_it() -> None:
    assert guessed([""], (1680, 1050)) is ContentKind.SEAT_DESKTOP
    assert guessed(["大屏"], (1680, 1050)) is ContentKind.SCREEN


def test_the_streams_own_name_beats_its_devices() -> None:
    there = (profile("desktop", "a"), profile("panorama", "b"))
    made = entries([device(name="Hall", profiles=there)], [], "admin", SECRET)
    assert [one.kind for one in made] == [ContentKind.SEAT_DESKTOP, ContentKind.ROOM]


def test_a_kind_that_nothing_tells_is_asked_for_with_all_that_there_are() -> None:
    """Every entry said ``room``: a wrong kind is judged by the wrong limits for ever."""
    [one] = entries([device(name="X1")], [], "admin", SECRET)
    text = as_text(one, indent=0, with_password=True)
    assert "# CHOOSE what it shows" in text
    assert all(f"#   {kind} " in text for kind in ContentKind)
    [guess] = entries([device(name="大屏")], [], "admin", SECRET)
    text = as_text(guess, indent=0, with_password=True)
    assert "content_kind: screen  # guessed" in text
    assert "CHOOSE" not in text


@pytest.mark.parametrize("name", ["01席人像", "01席桌面", "开标厅", "?"])
def test_what_is_written_can_be_loaded_whatever_is_guessed(tmp_path: Path, name: str) -> None:
    """What is of a seat needs a seat, which no device tells."""
    cameras = tmp_path / "cameras.yaml"
    write(entries([device(name=quote(name))], [], "admin", SECRET), cameras)
    assert len(load_cameras(cameras).specs()) == 1


# --- what is shown


def test_an_address_is_never_broken(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """On 80 columns it was folded over lines and could not be copied."""
    monkeypatch.setenv("COLUMNS", "30")
    one = device()
    far = ("http://a-camera-with-a-long-name.example:8899/onvif/device_service",)
    still = "http://a-camera-with-a-long-name.example:8899/snapshot.jpg"
    show([replace(one, found=replace(one.found, addresses=far), snapshot_uri=still)])
    told = capsys.readouterr().out
    assert "onvif://a-camera-with-a-long-name.example:8899\n" in told
    assert f"{still}\n" in told


def test_a_device_that_refuses_is_counted_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    show([device(accepted=False)])
    assert refused([device(), device(accepted=False)]) == 1
    told = capsys.readouterr()
    assert REFUSED in told.out
    assert "--password" in told.err
    assert refused([device()]) == 0


@pytest.mark.parametrize(("accepted", "status"), [(True, 0), (False, 1)])
def test_the_exit_status_says_whether_all_devices_told_their_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: bool, status: int
) -> None:
    monkeypatch.setattr("cli.main.configure_logging", lambda: None)  # it would keep this test's output
    monkeypatch.setattr("cli.discover.find", lambda *_: [device(accepted=accepted)])
    cameras = tmp_path / "cameras.yaml"
    words = ["discover", "--username", "admin", "--password", SECRET, "--write", str(cameras)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == status, result.output
    assert ("fill in the password" in result.output) is not accepted
    assert SECRET not in result.output


def test_no_password_is_shown() -> None:
    [one] = entries([device()], [], "admin", SECRET)
    assert "word" not in as_text(one, indent=0, with_password=False).replace("password", "")


def entry(source_id: str = "new") -> Entry:
    return Entry(
        id=source_id, uri=f"onvif://10.0.0.9/{source_id}", label="大厅", username="admin", password=SECRET
    )


def test_what_is_shown_can_be_pasted() -> None:
    [one] = yaml.safe_load(as_text(entry(), indent=4, with_password=True))
    assert SourceSpec.model_validate(one).password.get_secret_value() == SECRET


def test_a_new_file_is_a_valid_one_that_others_cannot_read(tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.yaml"
    write([entry()], cameras)
    [spec] = load_cameras(cameras).specs()
    assert spec.password.get_secret_value() == SECRET
    assert cameras.stat().st_mode & 0o077 == 0


def test_the_rest_of_the_file_stays_byte_for_byte(tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.yaml"
    before = SAMPLE.read_bytes() + b"# the end\r\n"
    cameras.write_bytes(before)
    write([entry("one")], cameras)
    write([entry("two")], cameras)
    after = cameras.read_bytes()
    rest = after
    for name in ("one", "two"):
        rest = rest.replace(as_text(entry(name), indent=4, with_password=True).encode(), b"")
    room = rest.replace(before[: -len(b"# the end\r\n")], b"").replace(b"# the end\r\n", b"")
    assert before[: -len(b"# the end\r\n")] in after
    assert room.decode().splitlines()[0] == "  - id: discovered"
    assert after.endswith(b"# the end\r\n")
    assert [spec.id for spec in load_cameras(cameras).specs()][-2:] == ["one", "two"]


def test_a_second_search_finds_nothing_new(tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.yaml"
    write(new_entries([device()], cameras, "admin", SECRET), cameras)
    assert new_entries([device()], cameras, "admin", SECRET) == []


@pytest.mark.parametrize(
    "text",
    [
        "sites: [{id: S, region: '530000', name_zh: x, rooms: [{id: R, kind: opening_hall, name_zh: x}]}]\n",
        "sites:\n- id: S\n  region: '530000'\n  name_zh: x\n",
        "",
    ],
)
def test_a_file_of_another_layout_is_left_alone(text: str) -> None:
    with pytest.raises(SettingsError, match="layout"):
        appended(text, [entry()])


def test_a_file_whose_last_line_does_not_end_is_not_glued_together() -> None:
    text = SAMPLE.read_text(encoding="utf-8").rstrip("\n")
    assert yaml.safe_load(appended(text, [entry()]))["sites"][0]["rooms"][-1]["id"] == "discovered"


def test_an_entry_that_would_break_the_file_changes_nothing(tmp_path: Path) -> None:
    cameras = tmp_path / "cameras.yaml"
    cameras.write_bytes(SAMPLE.read_bytes())
    with pytest.raises(SettingsError):
        write([entry("hall-camera")], cameras)  # an id that is there
    assert cameras.read_bytes() == SAMPLE.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["cameras.yaml"]


def test_a_new_file_has_one_site_and_one_room() -> None:
    [site] = yaml.safe_load(new_file([entry()]))["sites"]
    assert [room["id"] for room in site["rooms"]] == ["discovered"]


def test_a_device_that_is_known_by_another_of_its_addresses_is_left_out() -> None:
    one = device()
    both = ("http://10.0.0.9/onvif/device_service", "http://10.0.0.10:81/onvif/device_service")
    one = replace(one, found=replace(one.found, addresses=both))
    assert entries([one], [known("onvif://10.0.0.10:81")], "admin", SECRET) == []
