"""The command ``jianzheng``.

Each command imports its rooms when it runs: a recorder then starts without encoder and web server, and holds
half the memory.
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from kernel.clock import SystemClock
from kernel.errors import JianzhengError, SettingsError
from kernel.log import configure_logging, logger
from kernel.settings import Settings, load_cameras, load_settings

app = typer.Typer(
    name="jianzheng",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""见证 - records, cuts, archives and replays what happens in public-resource trading centres.

A recorder runs `capture`; an archiver runs `archive --follow`; people look at what `serve` serves.
`demo` shows all of it on a simulated centre. `check` and `doctor` say whether all is well.

Sites, rooms, seats and sources are in `cameras.yaml`. Everything else is in `jianzheng.toml` or in
environment variables such as `JIANZHENG_RING__SEGMENT_SECONDS=60`; a key that names no setting is refused.
""",
)
ring_app = typer.Typer(no_args_is_help=True, help="The ring's disk, and the proofs of what is on it.")
app.add_typer(ring_app, name="ring")
booking_app = typer.Typer(no_args_is_help=True, help="When rooms are booked: `record: booked` sources.")
app.add_typer(booking_app, name="booking")
sample_app = typer.Typer(no_args_is_help=True, help="A month of twenty made-up projects.")
app.add_typer(sample_app, name="sample")
timeline_app = typer.Typer(no_args_is_help=True, help="What happened in sessions: by file and by hand.")
app.add_typer(timeline_app, name="timeline")
system_app = typer.Typer(no_args_is_help=True, help="Trading systems that report by HTTP, and their keys.")
app.add_typer(system_app, name="trading-system")
PORT_TAKEN = "Choose another port with --port, or end the program that uses it."
_errors = Console(stderr=True)
_log = logger("cli")

DataDir = Annotated[
    Path | None,
    typer.Option(help="Directory of ring, catalogue and store, instead of the setting `data_dir`."),
]
CamerasOption = Annotated[
    Path | None,
    typer.Option(help="File of sites, rooms, seats and sources, instead of the setting `cameras`."),
]
PrincipalOption = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Who acts; recorded with what is done. [default: this user]"),
]
MachineLog = Annotated[bool, typer.Option("--json-log", help="Log one JSON object a line, for machines.")]


def _user() -> str:
    """Who is at the command line, as the system knows them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"cli:uid-{os.getuid()}"


def _settings(data_dir: Path | None, cameras: Path | None = None) -> Settings:
    given: dict[str, Any] = {"data_dir": data_dir, "cameras": cameras}
    return load_settings(**{name: value for name, value in given.items() if value is not None})


def _stop_on_signal(stop: Any) -> None:
    """Set an event on SIGTERM and SIGINT: the work in hand is finished first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


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
    from cli.ports import refuse_busy_port
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
        settings=_settings(data_dir, cameras), principal=principal or _user(), json_log=json_log
    )
    run_capture(asked, group, SystemClock())


@app.command()
def archive(
    follow: Annotated[bool, typer.Option(help="Go on for ever, archiving each session as it ends.")] = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
    json_log: MachineLog = False,
) -> None:
    """Cut and archive every session that has ended: plan, encode, package, store, read back, record.

    What was finished before an interruption is not done again.

    Example: `jianzheng archive --follow`
    """
    from cli.archiving import ArchivingLoop, archiving_tools
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging(machine=json_log)
    settings = _settings(data_dir)
    if not follow:
        refuse_missing_catalogue(settings)
    stop = threading.Event()
    _stop_on_signal(stop)
    with (
        open_catalogue(settings) as catalogue,
        archiving_tools(settings, catalogue, SystemClock(), principal or _user(), stop) as tools,
    ):
        loop = ArchivingLoop(tools, settings, stop)
        loop.run(follow)
    if loop.failed and not follow:
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Loopback address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page.", min=0, max=65535)] = None,
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    json_log: MachineLog = False,
) -> None:
    """Serve the page: projects, sessions, replay wall and sources. Loopback only, until accounts exist.

    For machines there are /readyz, /healthz and /metrics.

    Example: `jianzheng serve --port 8480`
    """
    import uvicorn

    from catalog.objects import open_store
    from cli.checkup import CheckerOnDemand
    from cli.ports import refuse_busy_port
    from cli.watch import open_watch
    from cli.wiring import open_catalogue
    from player_api.app import check_loopback, create_app
    from segmenter.clip_originals import Originals
    from segmenter.worker import Segmenter

    configure_logging(machine=json_log)
    settings = _settings(data_dir, cameras)
    address, number = host or settings.server.host, port if port is not None else settings.server.port
    check_loopback(address)
    with open_catalogue(settings) as catalogue:
        store, clock = open_store(settings.store_url, settings.store_dir), SystemClock()
        watch = open_watch(settings, catalogue, clock)
        checker = CheckerOnDemand(settings, catalogue, clock)
        cutter = Segmenter(catalogue, settings.cut, clock)
        application = create_app(
            catalogue,
            store,
            clock,
            watch=watch,
            checker=checker,
            timeline_of=cutter.timeline_of,
            originals=Originals(catalogue, settings.ring_dir.absolute()),
        )
        config = uvicorn.Config(
            application, host=address, port=number, log_level="warning", timeout_graceful_shutdown=2
        )
        refuse_busy_port("The page cannot be served", address, number, PORT_TAKEN)
        uvicorn.Server(config).run()


@app.command()
def status(
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Say of every source whether it is being recorded, and why not, and when the disk will be full.

    Exit status 0 only if everything that should be recorded now is being recorded.

    Example: `jianzheng status --json`
    """
    from cli.status import print_status
    from cli.watch import open_watch
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings, clock = _settings(data_dir, cameras), SystemClock()
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        watch = open_watch(settings, catalogue, clock)
        raise typer.Exit(print_status(catalogue, watch, clock.now_us(), as_json=as_json))


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
    settings = _settings(data_dir, cameras)
    options = IntakeOptions(
        file=file,
        source_id=source,
        start=start,
        offset_seconds=offset,
        sha256=sha256,
        principal=principal or _user(),
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
    settings = _settings(data_dir, cameras)
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
    settings = _settings(data_dir, cameras)
    found = [spec for spec in load_cameras(settings.cameras).specs() if spec.id == source]
    if not found:
        raise SettingsError(f"{settings.cameras} names no source {source}.")
    enrol_agent(settings, found[0], recorder, output, SystemClock())
    typer.echo(f"已写好 {output} is written. Bring it to the computer by a way that nobody else can read.")


@app.command()
def checkup(
    room: Annotated[str, typer.Argument(help="Room of cameras.yaml.")],
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Look at all sources of a room for some seconds: picture, sound, clock, key frames, loss, disk.

    Each is judged by what it shows: a still desktop is well, a still room is not. The result is kept, with
    the pictures in `data_dir/checkups`. Exit status 0 if all is well; 1 with remedies if something failed.

    Example: `jianzheng checkup DEMO-ER1`
    """
    from cli.checkup import checker_of, run_checkup
    from cli.wiring import open_catalogue

    configure_logging()
    settings = _settings(data_dir, cameras)
    places = load_cameras(settings.cameras)
    with open_catalogue(settings, places) as catalogue:
        checker = checker_of(settings, places, catalogue, SystemClock())
        kinds = {spec.id: spec.content_kind for spec in places.specs()}
        raise typer.Exit(run_checkup(checker, room, principal or _user(), as_json=as_json, kinds=kinds))


@app.command()
def override(
    checkup_id: Annotated[str, typer.Argument(metavar="CHECKUP", help="Id of the failed check-up.")],
    reason: Annotated[str, typer.Option(help="Why the session begins all the same.")],
    principal: Annotated[str, typer.Option("--as", metavar="NAME", help="Who decides so.")],
    data_dir: DataDir = None,
) -> None:
    """Let a session begin although the check-up of its room failed. Kept; once only.

    Example: `jianzheng override CHECKUP --as 王工 --reason "lamp is on order"`
    """
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        done = catalogue.checkups.override(checkup_id, principal, reason, SystemClock().now_us())
    typer.echo(f"{done.id}: {done.overridden_by}, {done.override_reason}")


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Check presence, size and SHA-256 of every segment and every archived object, chains and signatures.

    Exit status 0 if all agree; 1 with a list if something is missing, changed, unreadable, out of its chain,
    not as it was signed, quarantined, or known to no row.

    Example: `jianzheng check`
    """
    from catalog.objects import open_store
    from cli.check import check_everything, print_findings
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        store = open_store(settings.store_url, settings.store_dir)
        findings, counted, notes = check_everything(catalogue, store, settings.ring_dir, settings.keys_dir)
    raise typer.Exit(print_findings(findings, counted, notes))


@app.command()
def doctor(cameras: CamerasOption = None, data_dir: DataDir = None) -> None:
    """Say what is configured, reachable and writable, and what to do about what is not.

    Exit status 0 if all is well; 1 if something needs a hand.

    Example: `jianzheng doctor --cameras cameras.yaml`
    """
    from cli.doctor import diagnose, print_diagnosis

    configure_logging()
    raise typer.Exit(print_diagnosis(diagnose(_settings(data_dir, cameras))))


@booking_app.command("add")
def booking_add(
    room: Annotated[str, typer.Argument(help="Id of the room in cameras.yaml.")],
    start: Annotated[str, typer.Argument(help="Such as 2026-03-02T09:00+08:00.")],
    end: Annotated[str, typer.Argument(help="Such as 2026-03-02T12:00+08:00.")],
    title: Annotated[str, typer.Option(help="What for.")] = "",
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Book a room: its `record: booked` sources are recorded then, with pre-roll and post-roll.

    Says so if it began already, overlaps another, or no source of the room waits for it. One that is over is
    refused.

    Example: `jianzheng booking add DEMO-ER1 2026-03-02T09:00+08:00 2026-03-02T12:00+08:00`
    """
    from cli.bookings import add_booking, new_booking
    from cli.wiring import open_catalogue

    settings = _settings(data_dir, cameras)
    booking = new_booking(room, start, end, title, principal or _user())
    places = load_cameras(settings.cameras)
    with open_catalogue(settings, places) as catalogue:
        add_booking(catalogue, places, booking, SystemClock())


@booking_app.command("list")
def booking_list(data_dir: DataDir = None) -> None:
    """List the bookings that are not over.

    Example: `jianzheng booking list`
    """
    from cli.bookings import print_bookings
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        print_bookings(catalogue, SystemClock())


@booking_app.command("cancel")
def booking_cancel(booking: Annotated[str, typer.Argument(help="Its id.")], data_dir: DataDir = None) -> None:
    """Take a booking back; a session that runs is recorded all the same.

    Example: `jianzheng booking cancel BOOKING`
    """
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        catalogue.bookings.cancel(booking)
    typer.echo(f"已取消 {booking} is cancelled.")


@timeline_app.command("import")
def timeline_import(
    file: Annotated[Path, typer.Argument(help="YAML, CSV or Excel; see docs/guide/timeline.md.")],
    zone: Annotated[
        str | None, typer.Option(help="Zone of times that say none, such as +08:00; else they are refused.")
    ] = None,
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Take in projects and events from a file; it may be read again. Example: timeline import day.csv

    Exit status 0 if all of it was taken in; 1 if an event was refused, which is named.
    """
    from rich.console import Console

    from cli.timelines import import_file
    from cli.wiring import open_catalogue

    settings = _settings(data_dir, cameras)
    with open_catalogue(settings, load_cameras(settings.cameras)) as catalogue:
        whole = import_file(catalogue, file, zone, principal or _user(), SystemClock(), Console())
    raise typer.Exit(0 if whole else 1)


@timeline_app.command("event")
def timeline_event(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    at: Annotated[str, typer.Argument(help="Such as 2026-03-02T12:20:00+08:00.")],
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Such as eval.pause.")],
    reason: Annotated[str, typer.Option(help="Why it is entered by hand; needed.")],
    replaces: Annotated[str | None, typer.Option(help="Id of the event that this one puts right.")] = None,
    withdraw: Annotated[bool, typer.Option(help="Only take back the event that is replaced.")] = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Enter an event by hand, or put one right; what was there before stays on record.

    Example: timeline event P01-E 2026-03-02T12:20:00+08:00 eval.pause --reason "reported by telephone"
    """
    from cli.timelines import enter_event
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        made = enter_event(
            catalogue,
            session,
            at,
            kind,
            reason=reason,
            replaces=replaces,
            withdraw=withdraw,
            principal=principal or _user(),
            clock=SystemClock(),
        )
    typer.echo(made)


@system_app.command("add")
def system_add(
    system: Annotated[str, typer.Argument(metavar="ID", help="Short name; its reports bear it.")],
    name: Annotated[str, typer.Option(help="Its name, for people.")] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let a trading system report, and print its key: once, nobody can read it again."""
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        now_us = SystemClock().now_us()
        key = catalogue.trading_systems.add(
            system, name or system, principal=principal or _user(), at_us=now_us
        )
    typer.echo(key)


@system_app.command("list")
def system_list(data_dir: DataDir = None) -> None:
    """List the trading systems that may report, and those that might once."""
    from rich.console import Console

    from cli.timelines import show_systems
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        show_systems(catalogue, Console())


@system_app.command("revoke")
def system_revoke(
    system: Annotated[str, typer.Argument(metavar="ID", help="Its id.")], data_dir: DataDir = None
) -> None:
    """Let a trading system's key hold no longer; what it reported stays."""
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        catalogue.trading_systems.revoke(system, SystemClock().now_us())


@sample_app.command("load")
def sample_load(
    until: Annotated[
        str, typer.Option(help="Only what was known by then, such as 2026-03-09T12:00+08:00.")
    ] = "",
    data_dir: Annotated[Path, typer.Option(help="Where the catalogue of the sample is.")] = Path(
        "var/sample"
    ),
) -> None:
    """Fill a catalogue with the sample: places, projects, timelines, tags, holds. No footage.

    Loading again changes nothing but what has become known since. Look at it with `serve --data-dir`.
    """
    from cli.moments import moment_us
    from cli.sample.load import EVER_US, run_load
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        run_load(catalogue, moment_us(until) if until else EVER_US)


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
    settings = _settings(None, write or cameras)
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
def hold(
    source: Annotated[str, typer.Argument(help="Id of the source in cameras.yaml.")],
    start: Annotated[str, typer.Argument(metavar="FROM", help="Such as 2026-03-02T09:00+08:00.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="Such as 2026-03-02T12:00+08:00.")],
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Hold footage: nothing of it is removed until it is released.

    Says how much footage it keeps, which seconds of it are gaps, and what is gone already or still to come.

    Example: `jianzheng hold hall-camera 2026-03-02T09:00+08:00 2026-03-02T12:00+08:00 --reason complaint`
    """
    from cli.ring import make_hold
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        make_hold(catalogue, source, (start, end), reason, principal or _user(), SystemClock())


@app.command()
def holds(
    released: Annotated[bool, typer.Option("--all", help="Those that were released, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List what is held, by whom and why.

    Example: `jianzheng holds --all`
    """
    from cli.ring import print_holds
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        print_holds(catalogue, released=released)


@app.command()
def release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="Its id.")],
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let go of a hold. That it was, and who released it and why, stays on record.

    Example: `jianzheng release HOLD --reason "complaint 17 is settled"`
    """
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        now_us = SystemClock().now_us()
        catalogue.holds.release(hold_id, at_us=now_us, principal=principal or _user(), reason=reason)
    typer.echo(f"已解除 {hold_id} is released.")


@ring_app.command("adopt")
def ring_adopt(data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Make the disk that is mounted at the ring's place the ring, on purpose: a new one, or a copy.

    Example: `jianzheng ring adopt --as 王工`
    """
    from cli.ring import adopt_disk
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        adopt_disk(catalogue, settings.ring_dir, principal or _user(), SystemClock())


@ring_app.command("key")
def ring_key(data_dir: DataDir = None) -> None:
    """Print the public key with which the recorder signs, as PEM: for whoever verifies.

    Example: `jianzheng ring key > recorder.pem`
    """
    from cli.ring import print_key
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        print_key(catalogue)


@ring_app.command("checkpoint")
def ring_checkpoint(
    directory: Annotated[Path, typer.Argument(help="Where to write them.")], data_dir: DataDir = None
) -> None:
    """Write the newest signed statement, its signature and the public key as files, to be kept elsewhere.

    Example: `jianzheng ring checkpoint /media/usb`
    """
    from cli.ring import export_checkpoint
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        export_checkpoint(catalogue, directory)


@app.command("original")
def original_command(
    clip: Annotated[str, typer.Argument(help="Id of a clip.")],
    to: Annotated[Path, typer.Option(help="Directory to write into; made if it is not there.")],
    prove: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Compare every segment with its hash on the way.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """Write a clip without encoding anything anew: one MP4 file per unbroken stretch, and an index.

    Each file plays from exactly the start of its stretch to exactly its end. The index (JSON) names the files
    with their hashes, the segments that their bytes come from, and the gaps between them. Nothing is
    overwritten.
    """
    from cli.originals import write_originals
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        write_originals(catalogue, settings.ring_dir.absolute(), clip, to, prove=prove)


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
    settings = _settings(None, cameras)
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


def main() -> None:
    """Run a command; an error of ours is one sentence with its remedy, not a traceback."""
    try:
        app()
    except JianzhengError as error:
        _errors.print(f"[bold red]错误 Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
