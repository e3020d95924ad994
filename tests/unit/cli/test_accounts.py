"""Accounts from the command line, how the page is served, and what the doctor says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from cli.doctor import _certificate, _key_rights, _server
from cli.main import app
from cli.sample.accounts import load_accounts, resolved
from cli.serving import address_of, tls_files
from kernel.clock import SystemClock, to_datetime
from kernel.errors import JianzhengError, SettingsError
from kernel.model.account import Role
from kernel.settings import ServerSettings, Settings, TlsSettings
from player_api.sign_in import From
from tests.support.catalogue import open_catalogue
from tests.support.desk import Desk


def run(directory: Path, *words: str) -> str:
    told = CliRunner().invoke(app, ["accounts", *words, "--data-dir", str(directory)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.output


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    scope = ("--region", "530600", "--industry", "A01")
    run(tmp_path, "add", "s-1", "--label", "监督员", "--role", "supervisor", *scope, "--as", "boss")
    yield tmp_path


def catalogue_of(directory: Path) -> Catalogue:
    return Catalogue.open(f"sqlite:///{directory / 'catalogue.sqlite'}")


def test_an_account_is_made_and_listed(directory: Path) -> None:
    run(directory, "add", "w-1", "--label", "见证员", "--industry", "*")
    listed = [json.loads(line) for line in run(directory, "list", "--json").splitlines()]
    assert [(one["id"], one["role"], one["begun"]) for one in listed] == [
        ("s-1", "supervisor", False),
        ("w-1", "unassigned", False),
    ]
    assert (listed[0]["industries"], listed[1]["all_industries"]) == (["A01"], True)
    assert "password" not in run(directory, "list", "--json")
    assert "未启用" in run(directory, "list")


def test_what_is_done_is_recorded_with_the_name_that_was_given(directory: Path) -> None:
    run(directory, "disable", "s-1", "--as", "night shift")
    assert "已停用" in run(directory, "list")
    run(directory, "enable", "s-1", "--as", "night shift")
    with_names = catalogue_of(directory)
    acts = with_names.audit.records(AuditFilter(action="account."))
    assert [(one.action, one.principal) for one in reversed(acts)] == [
        ("account.made", "boss"),
        ("account.changed", "night shift"),
        ("account.changed", "night shift"),
    ]
    with_names.close()


def test_a_link_is_good_at_the_address_of_the_page(directory: Path) -> None:
    told = run(directory, "invite", "s-1", "--address", "https://w.example/").strip()
    assert re.fullmatch(r"https://w\.example/begin#[\w-]{43}", told)
    desk = catalogue_of(directory)
    assert told.partition("#")[2] not in str(desk.audit.records(AuditFilter()))
    desk.close()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("invite", "nobody"), "no account nobody"),
        (("disable", "nobody"), "no account nobody"),
        (("add", "s-1", "--label", "x"), "already"),
        (("add", "x", "--label", "x", "--region", "999999"), "999999"),
        (("link", "s-1", "7"), "no provider"),
    ],
)
def test_what_cannot_be_done_is_said(directory: Path, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(JianzhengError, match=why):
        CliRunner().invoke(app, ["accounts", *words, "--data-dir", str(directory)], catch_exceptions=False)


def test_sign_ins_are_listed_and_ended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, clock=SystemClock())
    desk.catalogue.accounts.link("w-zt-1", "id|7", desk.by())
    token = desk.people.sign_in.vouched("id|7", From(origin="10.0.0.7", agent="Firefox"))
    listed = json.loads(run(tmp_path, "sessions", "w-zt-1", "--json"))
    assert (listed["origin"], "token" in str(listed)) == ("10.0.0.7", False)
    run(tmp_path, "sessions", "w-zt-1", "--end", "all")
    assert desk.people.who(token) is None
    desk.catalogue.close()


# --- the sample's accounts


def test_the_sample_has_every_role_and_its_scopes_are_codes(tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path)
    assert load_accounts(catalogue, 1) == 21
    assert load_accounts(catalogue, 2) == 0
    accounts = {one.id: one for one in catalogue.accounts.all()}
    assert {one.role for one in accounts.values()} == set(Role) - {Role.UNASSIGNED, Role.PUBLIC}
    assert (accounts["s-zj-1"].regions, accounts["s-zj-1"].industries) == (("530600",), ("A01", "A02"))
    assert (accounts["s-cz-zx"].regions, accounts["s-cz-zx"].industries) == (("530627",), ("D",))
    assert accounts["i-jw-1"].all_industries
    assert not any(standing.begun for standing in catalogue.accounts.standings().values())
    catalogue.close()


def test_a_pattern_stands_for_the_topmost_codes_that_begin_so(tmp_path: Path) -> None:
    catalogue = open_catalogue(tmp_path)
    regions = catalogue.places.regions()
    assert resolved(["530600", "5306*"], regions) == ("530600",)
    assert resolved(["1507*", "530627"], regions) == ("150700", "530627")
    assert resolved(["99*"], regions) == ()
    catalogue.close()


# --- how it is served


@pytest.mark.parametrize(
    ("server", "address"),
    [
        (ServerSettings(), "http://127.0.0.1:8480"),
        (ServerSettings(host="::1"), "http://[::1]:8480"),
        (ServerSettings(host="0.0.0.0", names=("w.example",)), "http://w.example:8480"),
        (ServerSettings(behind_proxy=True, proxies=("10.0.0.2",), names=("w.example",)), "https://w.example"),
    ],
)
def test_links_name_the_address_that_browsers_use(server: ServerSettings, address: str) -> None:
    assert address_of(server) == address


def certificate(directory: Path, days: int) -> TlsSettings:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "w.example")])
    now = to_datetime(SystemClock().now_us())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "c.pem").write_bytes(made.public_bytes(pem))
    (directory / "k.pem").write_bytes(plain)
    (directory / "k.pem").chmod(0o600)
    return TlsSettings(certificate=directory / "c.pem", key=directory / "k.pem")


@pytest.mark.parametrize(("days", "well"), [(90, True), (5, False), (-1, False)])
def test_the_doctor_says_when_the_pages_certificate_ends(tmp_path: Path, days: int, well: bool) -> None:
    server = ServerSettings(host="10.0.0.5", tls=certificate(tmp_path, days))
    settings = Settings(data_dir=tmp_path, server=server)
    assert _server(settings) == "https://10.0.0.5:8480/"
    (found,) = _certificate(settings, SystemClock())
    assert found.well is well


def test_the_doctor_names_keys_that_others_can_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, server=ServerSettings(tls=certificate(tmp_path, 90)))
    settings.keys_dir.mkdir()
    for name, rights in (("accounts.key", 0o644), ("recorder.pem", 0o600), ("recorder.pub.pem", 0o644)):
        (settings.keys_dir / name).write_text("x")
        (settings.keys_dir / name).chmod(rights)
    (found,) = _key_rights(settings)
    assert found.remedy == f"chmod 600 {settings.keys_dir / 'accounts.key'}"


def test_a_certificate_that_cannot_be_used_is_said_before_anything_is_served(tmp_path: Path) -> None:
    tls = certificate(tmp_path, 90)
    assert set(tls_files(tls)) == {"ssl_certfile", "ssl_keyfile"}
    (tmp_path / "k.pem").write_text("no key")
    with pytest.raises(SettingsError, match=r"server\.tls"):
        tls_files(tls)
