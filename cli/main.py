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
from kernel.errors import JianzhengError
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
booking_app = typer.Typer(no_args_is_help=True, help="When rooms are booked: `record: booked` sources.")
app.add_typer(booking_app, name="booking")
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
    json_log: MachineLog = False,
) -> None:
    """Serve a simulated trading centre by RTSP: nine sources, for demo, training and tests.

    Every generated frame carries its capture time as text and as a strip that machines read. Commands on
    standard input: `lose ID`, `restore ID`, `quit`. Sources: rtsp://HOST:PORT/ID, see cameras.yaml.
    """
    from cli.ports import refuse_busy_port
    from simulator.run import SimulatorSettings
    from simulator.run import run as run_simulator

    configure_logging(machine=json_log)
    refuse_busy_port("The simulated centre cannot be served", host, port, PORT_TAKEN)
    settings = SimulatorSettings(host=host, port=port, username=username, password=password, footage=footage)
    run_simulator(settings, SystemClock())


@app.command()
def capture(
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
    json_log: MachineLog = False,
    group: Annotated[str, typer.Option(hidden=True, help="Of a supervisor to its child.")] = "",
) -> None:
    """Record all sources of cameras.yaml into the ring, until told to stop.

    What a crash left is settled first. A source that fails is tried again by itself, and the time it missed
    is declared as a gap; the others go on. Ctrl-C or SIGTERM seals what is open and ends.
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
    data_dir: DataDir = None,
    json_log: MachineLog = False,
) -> None:
    """Serve the page: projects, sessions and the replay wall. Loopback only, until accounts exist."""
    import uvicorn

    from catalog.objects import open_store
    from cli.ports import refuse_busy_port
    from cli.wiring import open_catalogue
    from player_api.app import check_loopback, create_app

    configure_logging(machine=json_log)
    settings = _settings(data_dir)
    address, number = host or settings.server.host, port if port is not None else settings.server.port
    check_loopback(address)
    with open_catalogue(settings) as catalogue:
        store = open_store(settings.store_url, settings.store_dir)
        application = create_app(catalogue, store, SystemClock())
        config = uvicorn.Config(
            application, host=address, port=number, log_level="warning", timeout_graceful_shutdown=2
        )
        refuse_busy_port("The page cannot be served", address, number, PORT_TAKEN)
        uvicorn.Server(config).run()


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Check presence, size and SHA-256 of every segment and every archived object, and the segments' chain.

    Exit status 0 if all agree; 1 with a list if something is missing, changed, unreadable, out of its chain,
    quarantined, or known to no row.
    """
    from catalog.objects import open_store
    from cli.check import check_everything, print_findings
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings = _settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        store = open_store(settings.store_url, settings.store_dir)
        findings, counted = check_everything(catalogue, store, settings.ring_dir)
    raise typer.Exit(print_findings(findings, counted))


@app.command()
def doctor(cameras: CamerasOption = None, data_dir: DataDir = None) -> None:
    """Say what is configured, reachable and writable, and what to do about what is not.

    Exit status 0 if all is well; 1 if something needs a hand.
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
    """Book a room: its `record: booked` sources are recorded then, with pre-roll and post-roll."""
    from cli.bookings import add_booking
    from cli.wiring import open_catalogue

    settings = _settings(data_dir, cameras)
    with open_catalogue(settings, load_cameras(settings.cameras)) as catalogue:
        add_booking(catalogue, room, start, end, title, principal or _user())


@booking_app.command("list")
def booking_list(data_dir: DataDir = None) -> None:
    """List the bookings that are not over."""
    from cli.bookings import print_bookings
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        print_bookings(catalogue, SystemClock())


@booking_app.command("cancel")
def booking_cancel(
    booking: Annotated[str, typer.Argument(help="Its id.")], data_dir: DataDir = None
) -> None:
    """Take a booking back; a session that runs is recorded all the same."""
    from cli.wiring import open_catalogue

    with open_catalogue(_settings(data_dir)) as catalogue:
        catalogue.bookings.cancel(booking)


def main() -> None:
    """Run a command; an error of ours is one sentence with its remedy, not a traceback."""
    try:
        app()
    except JianzhengError as error:
        _errors.print(f"[bold red]错误 Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
