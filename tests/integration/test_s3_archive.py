"""A session archived into a bucket of Ceph's, then all that reads archives: page, check, verify, doctor."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import ObjectStore, verify
from cli.archiving import archiving_tools
from cli.main import app
from cli.stores import own_store
from cli.wiring import open_catalogue
from kernel.clock import FakeClock, SystemClock
from kernel.model.archive import Archive
from kernel.settings import ArchiveCodec, ArchiveSettings, Settings
from player_api.app import create_app
from tests.support.packages import CLOCK_US, site
from tests.support.peers import REPOSITORY
from tests.support.s3 import SECRET, Gateway
from tests.support.signing import signer


@dataclass(frozen=True)
class Archived:
    """A site whose archive rests in a bucket."""

    settings: Settings
    archive: Archive
    bucket: str

    @property
    def store(self) -> ObjectStore:
        return own_store(self.settings, SystemClock())

    def run(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
        """A command, in an environment such as an operator makes."""
        store = self.settings.store
        environment = {
            "STORE_URL": self.settings.store_url,
            "DATA_DIR": str(self.settings.data_dir),
            "CAMERAS": str(REPOSITORY / "cameras.yaml"),
            "STORE__ENDPOINT": store.endpoint,
            "STORE__VENDOR": store.vendor,
            "STORE__ACCESS_KEY": store.access_key.get_secret_value(),
            "STORE__SECRET_KEY": store.secret_key.get_secret_value(),
        }
        for name, value in environment.items():
            monkeypatch.setenv(f"JIANZHENG_{name}", value)
        result = CliRunner().invoke(app, arguments)
        assert SECRET not in result.output
        return result


@pytest.fixture(scope="module")
def archived(s3_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    directory = tmp_path_factory.mktemp("site")
    bucket = s3_gateway.make_bucket(lock=True)
    settings = Settings(
        data_dir=directory,
        cameras=directory / "none",
        store_url=f"s3://{bucket}/archive of/昭通",
        store=s3_gateway.settings(),
        archive=ArchiveSettings(budget_kbps=400, codec=ArchiveCodec.H264, workers=1),
    )
    clock = FakeClock(CLOCK_US)
    with site(directory, signer(directory, clock), clock):
        pass  # recorded and cut, not archived
    stop = threading.Event()
    with (
        open_catalogue(settings) as catalogue,
        archiving_tools(settings, catalogue, clock, "test", stop) as tools,
    ):
        archive = Archiver(tools).run_once()
    assert archive is not None
    return Archived(settings, archive, bucket)


@pytest.fixture
def catalogue(archived: Archived) -> Iterator[Catalogue]:
    with open_catalogue(archived.settings) as found:
        yield found


def test_every_object_of_the_archive_is_read_back_from_the_bucket(archived: Archived) -> None:
    assert {item.key for item in archived.archive.objects} == set(archived.store.list_keys())
    for item in archived.archive.objects:
        verify(archived.store, item.key, item.size_bytes, item.sha256)


def page_of(catalogue: Catalogue, store: ObjectStore) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(catalogue, store, FakeClock(CLOCK_US)))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def test_the_player_is_served_ranges_out_of_the_bucket(
    archived: Archived, catalogue: Catalogue
) -> None:
    page = page_of(catalogue, archived.store)
    for rendition in catalogue.archives.renditions_of(archived.archive.id):
        with archived.store.open(rendition.object_key) as reader:
            data = reader.read()
        index = (await page.get(f"/api/renditions/{rendition.id}/index")).json()
        assert index["size_bytes"] == len(data)
        part = index["fragments"][-1]
        span = f"bytes={part['offset']}-{part['offset'] + part['size'] - 1}"
        answer = await page.get(index["media_url"], headers={"Range": span})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == f"{span.replace('=', ' ')}/{len(data)}"
        assert answer.content == data[part["offset"] : part["offset"] + part["size"]]
        assert (await page.get(index["media_url"])).content == data


async def test_a_bucket_that_does_not_answer_is_told_to_who_asks_for_a_picture(
    archived: Archived, catalogue: Catalogue
) -> None:
    gone = archived.settings.store.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    store = own_store(archived.settings.model_copy(update={"store": gone}), FakeClock())
    page = page_of(catalogue, store)
    rendition = catalogue.archives.renditions_of(archived.archive.id)[0]
    answer = await page.get(f"/media/renditions/{rendition.id}")
    assert answer.status_code == 503
    assert "store.endpoint" in answer.json()["detail"]


def test_check_finds_all_well_whatever_another_puts_over_it(
    archived: Archived, s3_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "store:" not in archived.run(monkeypatch, "check").output
    prefix = archived.settings.store_url.removeprefix(f"s3://{archived.bucket}/")
    item = archived.archive.objects[0]
    where = {"Bucket": archived.bucket, "Key": f"{prefix}/{item.key}"}
    s3_gateway.client.put_object(**where, Body=b"forged")
    assert "store:" not in archived.run(monkeypatch, "check").output


def test_a_package_in_the_bucket_is_verified_like_one_on_a_disk(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = archived.run(monkeypatch, "verify", "--stored", archived.archive.key_prefix, "--json")
    assert told.exit_code == 0, told.output
    assert list(archived.settings.data_dir.glob("verify-*")) == []
    nothing = archived.run(monkeypatch, "verify", "--stored", "archives/none")
    assert "no package in the store" in str(nothing.exception)


def test_the_doctor_says_what_the_bucket_was_seen_to_protect(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(archived.run(monkeypatch, "doctor", "--json").output)
    (one,) = [found for found in told["looked_at"] if "存储保护" in found["subject"]]
    assert one["well"], one["found"]
    assert "under legal hold could not be deleted" in one["found"]
    assert one["facts"]["seen"]["retention_held"] is True
    assert one["facts"]["seen"]["bypass_refused"] is True
    assert "jianzheng-" in archived.run(monkeypatch, "doctor").output


def test_the_doctor_names_a_wrong_secret_and_not_its_value(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = archived.settings.store.model_copy(update={"secret_key": SecretStr("hunter2")})
    settings = archived.settings.model_copy(update={"store": wrong})
    told = Archived(settings, archived.archive, archived.bucket).run(monkeypatch, "doctor", "--json")
    (one,) = [found for found in json.loads(told.output)["looked_at"] if found["subject"] == "存储 store"]
    assert not one["well"]
    assert "refuses these credentials" in one["found"]
    assert "hunter2" not in told.output
