"""What ``discover`` writes: valid, unique, and never over what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from capture.onvif.device import DeviceInformation
from capture.onvif.discovery import Found
from capture.onvif.profiles import Profile
from capture.onvif.survey import Surveyed
from cli.camera_entries import Entry, appended, as_text, entries, new_file
from cli.discover import new_entries, write
from kernel.errors import SettingsError
from kernel.model.footage import Codec
from kernel.settings import SourceSpec, load_cameras

SAMPLE = Path(__file__).parents[3] / "cameras.yaml"
SECRET = 'pa"ss: #{word}'


def profile(token: str, source: str, width: int = 1920) -> Profile:
    return Profile(
        token=token,
        name=token,
        video_source=source,
        codec=Codec.H264,
        width=width,
        height=1080,
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
        problem="",
    )


def known(uri: str, source_id: str = "old") -> SourceSpec:
    return SourceSpec(id=source_id, content_kind="room", uri=uri, label_zh="x")


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


def test_a_password_goes_only_with_a_device_that_accepted_it() -> None:
    [one] = entries([device(accepted=False)], [], "admin", SECRET)
    assert (one.username, one.password) == ("", "")


def test_no_password_is_shown() -> None:
    [one] = entries([device()], [], "admin", SECRET)
    assert "word" not in as_text(one, indent=0, with_password=False).replace("password", "")


def entry(source_id: str = "new") -> Entry:
    return Entry(id=source_id, uri="onvif://10.0.0.9", label="大厅", username="admin", password=SECRET)


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
