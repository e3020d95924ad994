"""The command ``jianzheng``.

Each command imports its rooms when it runs: a recorder then starts without encoder and web server, and holds
half the memory.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cli.account_commands import accounts_app
from cli.archive_commands import archives
from cli.audit_commands import audit_app
from cli.catalog_commands import catalog_app
from cli.disposal_commands import disposal_app, due, retention_app
from cli.document_commands import card, document_app
from cli.history_commands import history_app
from cli.hold_commands import hold_app, holds, release
from cli.options import (
    CamerasOption,
    DataDir,
    MachineLog,
    PrincipalOption,
    read_settings,
    stop_on_signal,
    this_user,
)
from cli.preservation_commands import copies, drill, fixity
from cli.request_commands import request_app
from cli.ring_commands import ring_app
from cli.room_commands import booking_app, checkup, override
from cli.search_commands import search
from cli.statistics_commands import statistics
from cli.timeline_commands import original_command, sample_app, system_app, timeline_app
from cli.verify_command import verify
from kernel.clock import SystemClock
from kernel.errors import JianzhengError, SettingsError
from kernel.log import configure_logging, logger
from kernel.settings import load_cameras

app = typer.Typer(
    name="jianzheng",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""见证 - records, cuts, archives and replays what happens in public-resource trading centres.

A recorder runs `capture`; an archiver runs `archive --follow`; people look at what `serve` serves.
`demo` shows all of it on a simulated centre. `check` and `doctor` say whether all is well,
`verify` whether a package is what was recorded.

Sites, rooms, seats and sources are in `cameras.yaml`. Everything else is in `jianzheng.toml` or in
environment variables such as `JIANZHENG_RING__SEGMENT_SECONDS=60`; a key that names no setting is refused.
""",
)
_errors = Console(stderr=True)
_log = logger("cli")


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option(help="End by itself; exit status 0 only if the archive is verified.")
    ] = False,
    footage: Annotated[
        Path | None, typer.Option(help="Serve your own video files instead of generated scenes.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(help="Port of the page.", min=1, max=65535)] = 8480,
) -> None:
    """Play a short day of a tender project: record, cut, archive, verify, replay.

    Starts a simulated centre that serves cameras and desktops by RTSP, records them, plays opening,
    extraction and evaluation in real time, loses one camera for some seconds, and archives each session as
    soon as it ends. Prints the address of the page and, at the end, a report. Takes about two minutes.

    Example: `jianzheng demo --once`
    """
    from cli.demo import DemoOptions, run_demo

    # As on Ctrl-C, the demo ends its programs first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = DemoOptions(once=once, footage=footage, data_dir=data_dir, port=port)
    raise typer.Exit(run_demo(options, SystemClock()))


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="RTSP port; 0 takes any free one.", min=0, max=65535)] = 18554,
    username: Annotated[
        str, typer.Option(help="User name that clients must give; empty asks for none.")
    ] = "demo",
    password: Annotated[
        str,
        typer.Option(help="Password that clients must give.", envvar="SIMULATE_PASSWORD", show_envvar=True),
    ] = "demo-only",
    footage: Annotated[
        Path | None,
        typer.Option(help="Serve the video files of this directory, looped, instead of generated scenes."),
    ] = None,
    onvif_port: Annotated[
        int | None,
        typer.Option(help="Be an ONVIF device, too, on this port; 0 takes any free one.", min=0, max=65535),
    ] = None,
    onvif_skew: Annotated[
        float, typer.Option(help="Seconds by which the ONVIF device's clock is ahead.")
    ] = 0,
    discoverable: Annotated[
        bool, typer.Option("--discoverable", help="Answer `jianzheng discover` (WS-Discovery) as well.")
    ] = False,
    json_log: MachineLog = False,
) -> None:
    """Serve a simulated trading centre by RTSP: nine sources, for demo, training and tests.

    Every generated frame carries its capture time as text and as a strip that machines read. Commands on
    standard input: `lose ID`, `restore ID`, `quit`. Sources: rtsp://HOST:PORT/ID, see cameras.yaml.

    Example: `jianzheng simulate --onvif-port 18080 --discoverable`
    """
    from cli.ports import PORT_TAKEN, refuse_busy_port
    from simulator.run import SimulatorSettings
    from simulator.run import run as run_simulator

    configure_logging(machine=json_log)
    refuse_busy_port("The simulated centre cannot be served", host, port, PORT_TAKEN)
    settings = SimulatorSettings(
        host=host,
        port=port,
        username=username,
        password=password,
        footage=footage,
        onvif_port=onvif_port,
        onvif_skew_s=onvif_skew,
        discoverable=discoverable,
    )
    run_simulator(settings, SystemClock())


@app.command()
def capture(
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
    json_log: MachineLog = False,
    group: Annotated[str, typer.Option(hidden=True, help="Of a keeper to its child.")] = "",
) -> None:
    """Record all sources of cameras.yaml into the ring, until told to stop.

    What a crash left is settled first. A source that fails is tried again by itself, and the time it missed
    is declared as a gap; the others go on. Ctrl-C or SIGTERM seals what is open and ends.

    An edit of cameras.yaml is taken into use by itself, at once on SIGHUP; only what was edited is touched.

    Example: `jianzheng capture --as "night shift"`
    """
    from cli.recording import Recording, run_capture

    configure_logging(machine=json_log)
    asked = Recording(
        settings=read_settings(data_dir, cameras), principal=principal or this_user(), json_log=json_log
    )
    run_capture(asked, group, SystemClock())


@app.command()
def archive(
    follow: Annotated[bool, typer.Option(help="Go on for ever, archiving each session as it ends.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Encode on the workers of this Dask scheduler."),
    ] = None,
    cancel: Annotated[
        str,
        typer.Option(
            metavar="SESSION", help="Do not archive this session, for a --reason; its footage stays."
        ),
    ] = "",
    retry: Annotated[
        str, typer.Option(metavar="SESSION", help="Go on with one that was cancelled or failed, at once.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; recorded with your name.")] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
    json_log: MachineLog = False,
) -> None:
    """Cut and archive every session that has ended: plan, encode, package, store, read back, record.

    What was finished before an interruption is not done again. The session with the oldest footage goes
    first. --cancel and --retry only tell the archiver that runs, which heeds them before its next step.

    Example: `jianzheng archive --cancel P-20260301-1-E --reason "wrong seats" --as "Li Na"`
    """
    from cli.archiving import ArchivingLoop, archiving_tools, tell_archiver
    from cli.audit_anchor import anchoring
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging(machine=json_log)
    settings, clock, who = read_settings(data_dir), SystemClock(), principal or this_user()
    if cancel or retry:
        tell_archiver(settings, clock, cancel=cancel, retry=retry, reason=reason, principal=who)
        return
    if not follow:
        refuse_missing_catalogue(settings)
    stop = threading.Event()
    stop_on_signal(stop)
    with (
        open_catalogue(settings) as catalogue,
        archiving_tools(settings, catalogue, clock, who, stop, scheduler) as tools,
    ):
        loop = ArchivingLoop(tools, settings, stop)
        with anchoring(settings, catalogue, clock) if follow else nullcontext():
            loop.run(follow)
    if loop.failed and not follow:
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page.", min=0, max=65535)] = None,
    without_accounts: Annotated[
        bool,
        typer.Option("--without-accounts", help="Nobody signs in: for the user of this machine alone."),
    ] = False,
    as_demo: Annotated[bool, typer.Option("--demo", hidden=True, help="Of the demo to its child.")] = False,
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    json_log: MachineLog = False,
) -> None:
    """Serve the page: projects, sessions, replay wall and sources. Everybody signs in.

    The first start makes an administrator and prints the one-time link to begin with. Beyond this machine it
    is served by HTTPS only: see server.tls, server.behind_proxy and server.names. For machines there are
    /readyz, /healthz and /metrics.

    Example: `jianzheng serve --port 8480`
    """
    from cli.serving import Serving, run_server

    configure_logging(machine=json_log)
    settings = read_settings(data_dir, cameras)
    given = {"host": host, "port": port}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = settings.model_copy(update={"server": settings.server.model_copy(update=changed)})
    run_server(Serving(settings=settings, accounts=not without_accounts, demo=as_demo), SystemClock())


@app.command()
def status(
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Say of every source whether it is being recorded, and why not, and when the disk will be full.

    And of archives, whether any is known not to be whole, and where a good copy is. Exit status 0 only if
    everything that should be recorded now is being recorded, and no archived object is known to be bad.

    Example: `jianzheng status --json`
    """
    from catalog.preservation import Promise
    from cli.status import print_status
    from cli.watch import open_watch
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings, clock = read_settings(data_dir, cameras), SystemClock()
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        watch = open_watch(settings, catalogue, clock)
        promise = Promise.of(settings.preservation)
        raise typer.Exit(print_status(catalogue, watch, clock.now_us(), as_json=as_json, promise=promise))


@app.command()
def intake(
    file: Annotated[str, typer.Argument(help="The recording: a path or a file:///PATH URI.")],
    source: Annotated[str, typer.Option(help="Source of cameras.yaml that it shows.")],
    start: Annotated[
        str | None,
        typer.Option(help="When its first picture was taken, with a zone: 2026-03-02T09:00:00+08:00."),
    ] = None,
    offset: Annotated[
        float, typer.Option(help="Seconds added to its times: how far the clock that set them was behind.")
    ] = 0.0,
    sha256: Annotated[str, typer.Option(help="SHA-256 that the file must have.")] = "",
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Take a recording that somebody hands in (MP4, MKV, TS, MOV: H.264 or H.265) into the ring.

    Without --start the file's own clock counts. Nothing is encoded again. Where the source was recorded at
    that time already, or the file cannot be recorded as it is, it is refused whole.

    Example: `jianzheng intake hall.mp4 --source hall-camera --start 2026-03-02T09:00:00+08:00`
    """
    from cli.intake import IntakeOptions, run_intake
    from cli.wiring import open_catalogue

    configure_logging()
    settings = read_settings(data_dir, cameras)
    options = IntakeOptions(
        file=file,
        source_id=source,
        start=start,
        offset_seconds=offset,
        sha256=sha256,
        principal=principal or this_user(),
    )
    with open_catalogue(settings, load_cameras(settings.cameras)) as catalogue:
        run_intake(options, settings, catalogue, SystemClock())


@app.command()
def receive(
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port for agents.", min=1, max=65535)] = None,
    json_log: MachineLog = False,
) -> None:
    """Receive what agents on experts' computers send, by HTTPS, until told to stop.

    Takes the sources of cameras.yaml whose uri is `agent:`; their passwords are the agents' tokens. Runs
    beside `capture`, on the same ring and catalogue.

    Example: `jianzheng receive --port 8443`
    """
    from cli.agents import receive as receive_agents
    from cli.wiring import open_catalogue

    configure_logging(machine=json_log)
    settings = read_settings(data_dir, cameras)
    given = {"host": host, "port": port}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = settings.model_copy(update={"receiver": settings.receiver.model_copy(update=changed)})
    places = load_cameras(settings.cameras)
    with open_catalogue(settings, places) as catalogue:
        receive_agents(settings, places, catalogue, SystemClock())


@app.command()
def enrol(
    source: Annotated[str, typer.Argument(help="Id of the desktop in cameras.yaml.")],
    recorder: Annotated[str, typer.Option(help="How the computer reaches this recorder: https://HOST:PORT.")],
    output: Annotated[Path, typer.Option(help="File to write; it holds the token.")] = Path("agent.toml"),
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
) -> None:
    """Write the agent.toml of one expert's computer: address, token, fingerprint of the certificate.

    Example: `jianzheng enrol seat-01-desktop --recorder https://10.0.0.2:8443`
    """
    from cli.agents import enrol as enrol_agent

    configure_logging()
    settings = read_settings(data_dir, cameras)
    found = [spec for spec in load_cameras(settings.cameras).specs() if spec.id == source]
    if not found:
        raise SettingsError(f"{settings.cameras} names no source {source}.")
    enrol_agent(settings, found[0], recorder, output, SystemClock())
    typer.echo(f"已写好 {output} is written. Bring it to the computer by a way that nobody else can read.")


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Check presence, size and SHA-256 of every segment and every archived object, chains and signatures.

    The audit chain is walked, too. Exit status 0 if all agree; 1 with a list if something is missing,
    changed, unreadable, out of its chain, not as it was signed, quarantined, or known to no row.

    Example: `jianzheng check`
    """
    from cli.audit_check import anchors_of
    from cli.check import check_everything, print_findings
    from cli.stores import own_store
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        store = own_store(settings, SystemClock())
        heads = anchors_of(settings)
        findings, counted, notes = check_everything(
            catalogue, store, settings.ring_dir, settings.keys_dir, heads
        )
    raise typer.Exit(print_findings(findings, counted, notes))


@app.command()
def doctor(
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Say what is configured, reachable and writable, and what to do about what is not.

    What the store protects is found out by trying: objects are put, locked, and attempted to be deleted.
    Exit status 0 if all is well; 1 if something needs a hand.

    Example: `jianzheng doctor --cameras cameras.yaml`
    """
    from cli.doctor import diagnose, print_diagnosis, print_json

    configure_logging()
    found = diagnose(read_settings(data_dir, cameras))
    raise typer.Exit(print_json(found) if as_json else print_diagnosis(found))


@app.command()
def discover(
    seconds: Annotated[
        float, typer.Option("--seconds", "--timeout", help="How long to wait for answers.", min=0.5, max=60)
    ] = 3,
    interface: Annotated[
        str, typer.Option(help="Name or address of the interface to ask on. [default: all but loopback]")
    ] = "",
    username: Annotated[
        str,
        typer.Option(
            help="User of the devices, to ask them for their streams.",
            envvar="SOURCE_USERNAME",
            show_envvar=True,
        ),
    ] = "",
    password: Annotated[
        str,
        typer.Option(
            help="Password of that user; asked for if it is left out.",
            envvar="SOURCE_PASSWORD",
            show_envvar=True,
        ),
    ] = "",
    write: Annotated[
        Path | None, typer.Option(help="Put what is new into this cameras.yaml; the rest stays as it is.")
    ] = None,
    cameras: CamerasOption = None,
) -> None:
    """List the ONVIF devices on the network, and the entries that cameras.yaml lacks.

    Asks by WS-Discovery on all interfaces. With a user name, each device is asked for its streams, and one
    with several sensors gets an entry for each. What cameras.yaml has already is left out. Exit status 1 if
    a device did not tell its streams, as after a wrong password.

    Example: `jianzheng discover --username admin --write cameras.yaml`
    """
    from cli import discover as discovering

    configure_logging()
    settings = read_settings(None, write or cameras)
    if username and not password:
        password = typer.prompt("密码 Password", hide_input=True, default="", show_default=False, err=True)
    devices = discovering.find(interface, seconds, username, password, settings.capture, SystemClock())
    discovering.show(devices)
    made = discovering.new_entries(devices, settings.cameras, username, password)
    if not made and devices:
        typer.echo(f"没有新设备 Nothing new: {settings.cameras} names all of them.")
    elif write is None:
        discovering.show_entries(made)
    elif made:
        discovering.write(made, write)
        discovering.show_written(made, write)
    raise typer.Exit(1 if discovering.refused(devices) else 0)


@app.command()
def probe(
    source: Annotated[
        str, typer.Argument(help="Id of a source in cameras.yaml, or an address (rtsp://...).")
    ],
    seconds: Annotated[float, typer.Option(help="How long to watch it.", min=1, max=3600)] = 10,
    username: Annotated[
        str, typer.Option(help="User of the device.", envvar="SOURCE_USERNAME", show_envvar=True)
    ] = "",
    password: Annotated[
        str,
        typer.Option(
            help="Password of that user; asked for if it is left out.",
            envvar="SOURCE_PASSWORD",
            show_envvar=True,
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, for machines.")] = False,
    cameras: CamerasOption = None,
) -> None:
    """Watch a source for some seconds: codec, size, real frame rate, key frames, sound, loss, clock, delay.

    Each line says whether a recording would suffer (✗) or what is worth knowing (!), and what to set at the
    device. It goes on for up to 13 s while no second key frame or no word of the device's clock has come.
    Exit status 0 if a recording would not suffer; 1 if it would.

    Example: `jianzheng probe rtsp://10.0.0.5/Streaming/Channels/101 --username admin`
    """
    from cli import probe as probing

    configure_logging()
    settings = read_settings(None, cameras)
    if username and not password:
        password = typer.prompt("密码 Password", hide_input=True, default="", show_default=False, err=True)
    spec = probing.source_of(source, settings.cameras, username, password)
    probed = probing.look(spec, settings.capture, SystemClock(), seconds)
    found = probing.verdicts(spec, probed)
    if as_json:
        typer.echo(probing.as_json(spec, probed, found))
    else:
        probing.show(spec, probed, found)
    raise typer.Exit(1 if probing.fails(found) else 0)


for _command in (archives, checkup, override, holds, release, due, verify, copies, drill, fixity, statistics):
    app.command()(_command)
app.command("original")(original_command)
app.command("card")(card)
app.command("search")(search)
app.add_typer(accounts_app, name="accounts")
app.add_typer(catalog_app, name="catalog")
app.add_typer(hold_app, name="hold")
app.add_typer(disposal_app, name="disposal")
app.add_typer(retention_app, name="retention")
app.add_typer(document_app, name="document")
app.add_typer(history_app, name="history")
app.add_typer(audit_app, name="audit")
app.add_typer(booking_app, name="booking")
app.add_typer(ring_app, name="ring")
app.add_typer(request_app, name="request")
app.add_typer(timeline_app, name="timeline")
app.add_typer(system_app, name="trading-system")
app.add_typer(sample_app, name="sample")


def main() -> None:
    """Run a command; an error of ours is one sentence with its remedy, not a traceback."""
    try:
        app()
    except JianzhengError as error:
        _errors.print(f"[bold red]错误 Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
