"""Commands about rooms: looking at one before a session, and booking one."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import CamerasOption, DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock
from kernel.log import configure_logging
from kernel.settings import load_cameras

booking_app = typer.Typer(no_args_is_help=True, help="When rooms are booked: `record: booked` sources.")


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
    settings = read_settings(data_dir, cameras)
    places = load_cameras(settings.cameras)
    with open_catalogue(settings, places) as catalogue:
        checker = checker_of(settings, places, catalogue, SystemClock())
        kinds = {spec.id: spec.content_kind for spec in places.specs()}
        raise typer.Exit(run_checkup(checker, room, principal or this_user(), as_json=as_json, kinds=kinds))


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
    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        done = catalogue.checkups.override(checkup_id, principal, reason, SystemClock().now_us())
    typer.echo(f"{done.id}: {done.overridden_by}, {done.override_reason}")


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

    settings = read_settings(data_dir, cameras)
    booking = new_booking(room, start, end, title, principal or this_user())
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

    with open_catalogue(read_settings(data_dir)) as catalogue:
        print_bookings(catalogue, SystemClock())


@booking_app.command("cancel")
def booking_cancel(
    booking: Annotated[str, typer.Argument(help="Its id.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Take a booking back; a session that runs is recorded all the same.

    Example: `jianzheng booking cancel BOOKING`
    """
    from cli.wiring import open_catalogue

    with open_catalogue(read_settings(data_dir)) as catalogue:
        now_us = SystemClock().now_us()
        catalogue.bookings.cancel(booking, principal=principal or this_user(), at_us=now_us)
    typer.echo(f"已取消 {booking} is cancelled.")
