"""``jianzheng doctor``: what is configured, reachable and writable."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import av
from cryptography.x509 import load_pem_x509_certificate
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.link import RecorderLink, open_client
from agent.settings import AgentSettings
from capture.groups import recorded_by_us
from capture.openers import open_source
from capture.roster import source_lock
from catalog.database_facts import facts_of
from cli.agents import Certificate, own_certificate, receiver_certificate
from cli.audit_anchor import anchor_state
from cli.database_doctor import diagnose_database
from cli.diagnosis import Diagnosis
from cli.moments import shown
from cli.page import built_from, tree_hash
from cli.ports import refuse_busy_port
from cli.serving import address_of, tls_files
from cli.store_doctor import diagnose_store
from cli.wiring import open_catalogue
from kernel.clock import SECOND_US, Clock, SystemClock, to_datetime
from kernel.errors import JianzhengError, RecorderError, RecorderRefuses, ServerError, SourceError
from kernel.lock import in_use
from kernel.settings import RTMP_PORT, CaptureSettings, Settings, SourceSpec, load_cameras, public_uri
from player_api.app import STATIC
from player_api.oidc import Provider
from player_api.transport import reach_of

WEB = Path(__file__).resolve().parent.parent / "web"
"""The page's sources, where this runs from a working copy."""
_START_RECEIVER = "Start 'jianzheng receive' beside 'jianzheng capture', with the same data_dir."
_RENEW = timedelta(days=14)
"""A certificate that an authority gave is to be renewed so long before it ends."""
# Read by a program or kept in a file, a finding is one line, however long.
_out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 500)


def diagnose(settings: Settings) -> Iterator[Diagnosis]:
    """Look at everything, one after the other."""
    yield _python()
    yield from _codecs()
    yield _directory(settings)
    yield from diagnose_database(settings)
    yield from diagnose_store(settings, SystemClock())
    yield _anchor(settings, SystemClock())
    yield _attempt("服务地址 server", lambda: _server(settings))
    yield from _certificate(settings, SystemClock())
    yield from _key_rights(settings)
    if settings.oidc.there:
        yield _attempt("身份认证 provider of identities", lambda: _provider(settings))
    yield _page()
    yield from _sources(settings)


def _attempt(subject: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(subject=subject, well=True, found=look())
    except JianzhengError as error:
        return Diagnosis(subject=subject, well=False, found=error.message, remedy=error.remedy)


def _python() -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    return Diagnosis(
        subject="Python", well=sys.version_info >= (3, 11), found=version, remedy="Use 3.11 or newer."
    )


def _codecs() -> Iterator[Diagnosis]:
    for name, mode in (("libsvtav1", "w"), ("libx264", "w"), ("aac", "w"), ("libdav1d", "r"), ("hevc", "r")):
        try:
            av.codec.Codec(name, mode)  # type: ignore[arg-type]
            well = True
        except ValueError:
            well = False
        yield Diagnosis(
            subject=f"编解码器 codec {name}",
            well=well,
            found="present" if well else "missing",
            remedy="Install the wheel of 'av' from the package index; a self-built one may lack it.",
        )


def _directory(settings: Settings) -> Diagnosis:
    subject = "数据目录 data_dir"
    place = settings.data_dir.absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"jianzheng")
    except OSError as error:
        remedy = "Give this user the right to write there, or choose another data_dir."
        return Diagnosis(subject=subject, well=False, found=f"{place}: {error.strerror}", remedy=remedy)
    free = shutil.disk_usage(place).free
    enough = free > settings.ring.reserve_bytes
    return Diagnosis(
        subject=subject,
        well=enough,
        found=f"{place}, {free / 1e9:.1f} GB free",
        remedy=f"Free space: recording stops below {settings.ring.reserve_bytes / 1e9:.1f} GB.",
    )


def _anchor(settings: Settings, clock: Clock) -> Diagnosis:
    """Whether the audit chain's newest link is kept elsewhere."""
    subject, state = "审计锚点 audit anchor", anchor_state(settings)
    if not settings.audit.anchored:
        found = "kept nowhere else: set audit.anchor_file or audit.anchor_url"
        return Diagnosis(subject=subject, well=True, found=found)
    late_us = round(3 * settings.audit.anchor_minutes * 60 * SECOND_US)
    late = state.checked_us is None or clock.now_us() - state.checked_us > late_us
    since = "never" if state.checked_us is None else shown(state.checked_us)
    remedy = "Let 'jianzheng serve' or 'archive --follow' run, or see what is said here."
    found = f"{state.trouble} Last kept: {since}".strip() if state.trouble else f"last kept: {since}"
    return Diagnosis(subject=subject, well=not (state.trouble or late), found=found, remedy=remedy)


def _server(settings: Settings) -> str:
    """Whether 'jianzheng serve' would serve there, and with which certificate."""
    told = settings.server
    reach_of(told, told.host, accounts=True)
    tls_files(told.tls)
    return f"{address_of(told)}/"


def _certificate(settings: Settings, clock: Clock) -> Iterator[Diagnosis]:
    """The page's own, which browsers look at."""
    tls = settings.server.tls
    if tls.certificate is None or tls.key is None or not tls.certificate.is_file():
        return
    subject = "网页证书 page's certificate"
    try:
        until = load_pem_x509_certificate(tls.certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield Diagnosis(
            subject=subject,
            well=False,
            found=type(error).__name__,
            remedy="Name a PEM file that can be read.",
        )
        return
    yield Diagnosis(
        subject=subject,
        well=until - to_datetime(clock.now_us()) > _RENEW,
        found=f"{tls.certificate}, valid until {until:%Y-%m-%d}",
        remedy="Get a new one from whoever issued it, then start 'jianzheng serve' again.",
    )


def _key_rights(settings: Settings) -> Iterator[Diagnosis]:
    """Keys that others than their owner can read are no secrets (invariant 16)."""
    named = [path for path in (settings.server.tls.key, settings.oidc.client_secret_file) if path]
    own = sorted(path for path in settings.keys_dir.glob("*") if path.suffix in (".pem", ".key"))
    for path in (*named, *(one for one in own if not one.name.endswith(".pub.pem"))):
        if path.is_file() and path.stat().st_mode & 0o077:
            yield Diagnosis(
                subject="密钥权限 rights of a key",
                well=False,
                found=f"others can read {path}",
                remedy=f"chmod 600 {path}",
            )


def _provider(settings: Settings) -> str:
    Provider(settings.oidc, SystemClock()).begin("http://127.0.0.1/", "/")
    return f"{settings.oidc.issuer} answers"


def _page() -> Diagnosis:
    """Built, and from the sources that lie here; an installed program has none."""
    built = (STATIC / "index.html").is_file()
    stale = built and WEB.is_dir() and built_from(STATIC) != tree_hash(WEB)
    found = "built from older sources than those in web/" if stale else "built" if built else "not built"
    return Diagnosis(subject="网页 page", well=built and not stale, found=found, remedy="Run 'make web'.")


def _sources(settings: Settings) -> Iterator[Diagnosis]:
    try:
        cameras = load_cameras(settings.cameras)
    except JianzhengError as error:
        yield Diagnosis(subject=str(settings.cameras), well=False, found=error.message, remedy=error.remedy)
        return
    yield from _listeners(settings, cameras.specs())
    agents = [spec for spec in cameras.specs() if spec.scheme == "agent"]
    if agents:
        yield from _agents(settings, agents)
    asked = [spec for spec in recorded_by_us(cameras.specs()) if not spec.scheme.startswith("push+")]
    yield from asyncio.run(_all_sources(asked, settings.capture))


def _listeners(settings: Settings, specs: Sequence[SourceSpec]) -> Iterator[Diagnosis]:
    """The ports on which devices that push call."""
    by_rtsp = [spec for spec in specs if spec.scheme == "push+rtsp"]
    if by_rtsp:
        capture = settings.capture
        yield _listener("RTSP", capture.push_host, capture.push_port, by_rtsp, settings.locks_dir)
    for spec in specs:
        if spec.scheme == "push+rtmp":
            parts = urlsplit(spec.uri)
            host, port = parts.hostname or "", parts.port or RTMP_PORT
            yield _listener(f"RTMP {spec.id}", host, port, [spec], settings.locks_dir)


def _listener(what: str, host: str, port: int, specs: Sequence[SourceSpec], locks: Path) -> Diagnosis:
    """Free, or taken by our own recorder: whoever records a source holds its lock."""
    subject, remedy = f"推流端口 push port {what}", "End the program that uses it, or choose another port."
    try:
        refuse_busy_port("Devices cannot push", host, port, remedy)
    except ServerError as error:
        ours = locks.is_dir() and any(in_use(locks, source_lock(spec.id)) for spec in specs)
        found = f"{host}:{port}, jianzheng capture uses it" if ours else error.message
        return Diagnosis(subject=subject, well=ours, found=found, remedy=error.remedy)
    return Diagnosis(subject=subject, well=True, found=f"{host}:{port} is free for jianzheng capture")


def _agents(settings: Settings, agents: Sequence[SourceSpec]) -> Iterator[Diagnosis]:
    """The receiver's certificate, whether it takes each agent's token, and who never sent anything."""
    subject, clock = "代理接收 receiver of agents", SystemClock()
    if not settings.receiver.certificate and not own_certificate(settings).exists():
        yield Diagnosis(subject=subject, well=False, found="it never ran here", remedy=_START_RECEIVER)
        return
    try:
        shown = receiver_certificate(settings, clock)
    except JianzhengError as error:
        yield Diagnosis(subject=subject, well=False, found=error.message, remedy=error.remedy)
        return
    yield _validity(shown, clock)
    for spec in agents:
        yield _received(settings, spec, shown)
    with suppress(JianzhengError):  # the catalogue was looked at before
        facts = facts_of(settings.catalogue_url)
        if facts.current or facts.schema is None:
            for spec, until_us in _recorded_until(settings, agents, new=facts.schema is None):
                yield _seen(spec, until_us, settings.receiver.port)


def _recorded_until(
    settings: Settings, agents: Sequence[SourceSpec], *, new: bool
) -> list[tuple[SourceSpec, int | None]]:
    """What a catalogue knows of agents; one that is not there yet is not made for it."""
    if new:
        return [(spec, None) for spec in agents]
    with open_catalogue(settings) as catalogue:
        return [(spec, catalogue.footage.recorded_until(spec.id)) for spec in agents]


def _validity(shown: Certificate, clock: Clock) -> Diagnosis:
    """Agents that pin a certificate do not look at its dates; all others do."""
    until = load_pem_x509_certificate(shown.certificate.read_bytes()).not_valid_after_utc
    left = until - to_datetime(clock.now_us())
    return Diagnosis(
        subject="接收证书 receiver's certificate",
        well=shown.own or left > _RENEW,
        found=f"{shown.certificate}, SHA-256 {shown.fingerprint}, valid until {until:%Y-%m-%d}",
        remedy="Get a new one from whoever issued it, then start 'jianzheng receive' again.",
    )


def _received(settings: Settings, spec: SourceSpec, shown: Certificate) -> Diagnosis:
    """Ask the receiver as that agent would, but on this machine: the way between them is not looked at."""
    subject, told = f"代理接收 receiver, for {spec.id}", settings.receiver
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(told.host, told.host)
    address = f"https://{f'[{host}]' if ':' in host else host}:{told.port}"
    agent = AgentSettings(
        recorder=address,
        source=spec.id,
        token=spec.password,
        certificate_sha256=shown.fingerprint,
        patience_seconds=settings.capture.connect_seconds,
    )
    try:
        with open_client(agent) as client:
            RecorderLink(client, spec.id).now_us()
    except RecorderRefuses as error:
        remedy = "Start 'jianzheng receive' again: it has the certificate or the tokens of before."
        return Diagnosis(subject=subject, well=False, found=error.message, remedy=remedy)
    except RecorderError as error:
        return Diagnosis(subject=subject, well=False, found=error.message, remedy=_START_RECEIVER)
    return Diagnosis(subject=subject, well=True, found=f"{address} takes its token")


def _seen(spec: SourceSpec, until_us: int | None, port: int) -> Diagnosis:
    found = "it never sent anything" if until_us is None else f"recorded until {shown(until_us)}"
    remedy = (
        f"Bring the file of 'jianzheng enrol {spec.id} --recorder https://THIS-MACHINE:{port}' to that "
        "computer and start jianzheng-agent there; if it runs, see its log."
    )
    subject = f"代理 agent {spec.id}"
    return Diagnosis(subject=subject, well=until_us is not None, found=found, remedy=remedy)


async def _all_sources(specs: Sequence[SourceSpec], settings: CaptureSettings) -> list[Diagnosis]:
    """Ask every source for its stream, all at once: a recorder would do just that."""
    return list(await asyncio.gather(*(_source(spec, settings) for spec in specs)))


async def _source(spec: SourceSpec, settings: CaptureSettings) -> Diagnosis:
    subject = f"来源 source {spec.id}"
    try:
        stream = await open_source(spec, settings, SystemClock())
    except SourceError as error:
        return Diagnosis(subject=subject, well=False, found=error.message, remedy=error.remedy)
    await stream.close()
    return Diagnosis(subject=subject, well=True, found=f"{public_uri(spec.uri)} delivers")


def print_diagnosis(diagnoses: Iterator[Diagnosis]) -> int:
    """Print what was found, with the remedy of what is not well; returns the exit status."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "检查 looked at", "结果 found", "处理 what to do"):
        table.add_column(heading, overflow="fold")
    ill = 0
    for one in diagnoses:
        ill += not one.well
        mark = "[green]✓[/]" if one.well else "[red]✗[/]"
        remedy = "" if one.well else one.remedy
        table.add_row(mark, *map(escape, (one.subject, one.found, remedy)))
    _out.print(table)
    return 1 if ill else 0


def print_json(diagnoses: Iterator[Diagnosis]) -> int:
    """The same as one JSON object; returns the exit status."""
    found = [asdict(one) for one in diagnoses]
    well = all(one["well"] for one in found)
    print(json.dumps({"well": well, "looked_at": found}, ensure_ascii=False))  # noqa: T201 - for machines
    return 0 if well else 1
