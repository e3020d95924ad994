"""``jianzheng receive`` and ``jianzheng enrol``: the receiver of agents, and its certificate."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from capture.agent_intake import AgentIntake, AgentWatch
from capture.ring_disk import open_ring
from catalog.catalogue import Catalogue
from catalog.readiness import wanted_now
from cli.ports import refuse_busy_port
from kernel.clock import Clock, to_datetime
from kernel.desired import Around
from kernel.durable import write_whole
from kernel.errors import DiskLost, ServerError, SettingsError
from kernel.lock import one_at_a_time, sole_user
from kernel.log import logger
from kernel.settings import CamerasFile, Settings, SourceSpec
from player_api.agents import PatientProtocol, create_agent_app
from player_api.trading import trading_router

_MOST_CONNECTIONS = 256
_CERTIFICATE_DAYS = 3650
_log = logger("receiver")


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What the receiver shows to agents."""

    certificate: Path  # PEM
    key: Path  # PEM
    own: bool  # signed by itself: agents must pin it
    fingerprint: str  # SHA-256 of the certificate's DER form, lower-case hex


def agents_of(specs: Sequence[SourceSpec]) -> list[SourceSpec]:
    """The sources that agents send.

    Raises:
        SettingsError: there are none.
    """
    agents = [spec for spec in specs if spec.scheme == "agent"]
    if not agents:
        hint = "Give each desktop that an agent records an entry with 'uri: \"agent:\"' and a password."
        raise SettingsError("cameras.yaml names no source that an agent sends.", hint=hint)
    return agents


def own_certificate(settings: Settings) -> Path:
    """The file of the certificate that signs itself, once it is made."""
    return settings.keys_dir / "receiver.crt"


def receiver_certificate(settings: Settings, clock: Clock) -> Certificate:
    """The configured certificate, or one that signs itself, made at the first start.

    Raises:
        SettingsError: only one of certificate and key is configured, or they cannot be read.
        StorageError: the own one cannot be written.
    """
    told = settings.receiver
    if bool(told.certificate) != bool(told.key):
        raise SettingsError("receiver.certificate and receiver.key belong together: set both or none.")
    own = not told.certificate
    certificate, key = Path(told.certificate), Path(told.key)
    if own:
        keys = settings.keys_dir
        certificate, key = own_certificate(settings), keys / "receiver.key"
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        with one_at_a_time(keys, "certificate"):
            if not certificate.exists():
                _make_certificate(certificate, key, clock)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        shown = ssl.PEM_cert_to_DER_cert(_first_certificate(certificate))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{certificate} and {key} cannot be used ({type(error).__name__}).") from None
    return Certificate(
        certificate=certificate, key=key, own=own, fingerprint=hashlib.sha256(shown).hexdigest()
    )


def _first_certificate(path: Path) -> str:
    """Of a chain the server's own, which comes first."""
    end = "-----END CERTIFICATE-----"
    text, found, _ = path.read_text(encoding="ascii").partition(end)
    return text[max(text.find("-----BEGIN"), 0) :] + found


def _make_certificate(certificate: Path, key: Path, clock: Clock) -> None:
    """The key first: a certificate that is there has its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jianzheng receiver")])
    now = to_datetime(clock.now_us())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(socket.gethostname())]), critical=False)
        .sign(private, hashes.SHA256())
    )
    with _only_for_us():
        write_whole(
            key,
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        write_whole(certificate, made.public_bytes(serialization.Encoding.PEM))


@contextmanager
def _only_for_us() -> Iterator[None]:
    """New files can be read by this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def receive(settings: Settings, places: CamerasFile, catalogue: Catalogue, clock: Clock) -> None:
    """Take in what agents and trading systems send, until told to stop by SIGTERM or SIGINT.

    Raises:
        SettingsError: no agent is configured, or the certificate cannot be used.
        StorageError: another receiver works in this ring.
        ServerError: the port is taken.
    """
    agents = _agents_if_any(places.specs(), catalogue)
    shown = receiver_certificate(settings, clock)
    told = settings.receiver
    around = Around.of(settings.cut.pre_roll_seconds, settings.cut.post_roll_seconds)
    wishes = [wish for wish in places.wishes() if wish.source_id in {spec.id for spec in agents}]
    with sole_user(settings.data_dir, "receiver"):
        disk = open_ring(settings.ring_dir, catalogue.ring_disks, clock, "receiver")
        intake = AgentIntake(
            settings,
            agents,
            catalogue.footage,
            clock,
            disk.free_bytes,
            lambda: wanted_now(catalogue, wishes, around, clock.now_us()),
        )
        with suppress(DiskLost):  # the watch tells of it, and goes on as soon as it is there
            intake.prepare()
        tokens = {spec.id: spec.password.get_secret_value() for spec in agents}
        config = uvicorn.Config(
            create_agent_app(
                intake,
                tokens,
                clock,
                trading=trading_router(catalogue.reports, catalogue.trading_systems, clock),
            ),
            host=told.host,
            port=told.port,
            http=PatientProtocol,
            log_level="warning",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=5,
            ssl_certfile=shown.certificate,
            ssl_keyfile=shown.key,
        )
        hint = "Choose another port with --port, or end the program that uses it."
        refuse_busy_port("Agents cannot be received", told.host, told.port, hint)
        _log.info(
            f"Agents are received on port {told.port}; the certificate's SHA-256 is {shown.fingerprint}.",
            action="receiver.started",
        )
        _serve(uvicorn.Server(config), AgentWatch(intake, clock))


def _agents_if_any(specs: Sequence[SourceSpec], catalogue: Catalogue) -> list[SourceSpec]:
    """The sources that agents send; there may be none where a trading system reports.

    Raises:
        SettingsError: there is nobody to listen to, or a source has no password fit for a token.
    """
    if catalogue.trading_systems.all() and not any(spec.scheme == "agent" for spec in specs):
        return []
    return agents_of(specs)


def _serve(server: uvicorn.Server, watch: AgentWatch) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn ends by it, then raises it again for whoever cares
    stop = threading.Event()
    watching = threading.Thread(target=watch.run, args=(stop,), name="agent-watch")
    watching.start()
    try:
        server.run()
    finally:
        stop.set()
        watching.join()


def enrol(settings: Settings, spec: SourceSpec, recorder: str, output: Path, clock: Clock) -> None:
    """Write the settings of one computer's agent: with the token, so for that computer's user alone.

    Raises:
        SettingsError: the source is no agent's, or the certificate cannot be used.
        ServerError: the file is there already.
    """
    agents_of([spec])
    shown = receiver_certificate(settings, clock)
    lines = {
        "recorder": recorder,
        "source": spec.id,
        "token": spec.password.get_secret_value(),
        "certificate_sha256": shown.fingerprint if shown.own else "",
    }
    try:
        with _only_for_us(), output.open("x", encoding="utf-8") as file:
            file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    except OSError as error:
        hint = "Name another file with --output."
        raise ServerError(f"{output} cannot be written ({error.strerror}).", hint=hint) from None
