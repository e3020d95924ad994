"""Commands about what the ring keeps: holds, its disk, its proofs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock

ring_app = typer.Typer(no_args_is_help=True, help="The ring's disk, and the proofs of what is on it.")


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

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        make_hold(catalogue, source, (start, end), reason, principal or this_user(), SystemClock())


def holds(
    released: Annotated[bool, typer.Option("--all", help="Those that were released, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List what is held, by whom and why.

    Example: `jianzheng holds --all`
    """
    from cli.ring import print_holds
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        print_holds(catalogue, released=released)


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

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        now_us = SystemClock().now_us()
        catalogue.holds.release(hold_id, at_us=now_us, principal=principal or this_user(), reason=reason)
    typer.echo(f"已解除 {hold_id} is released.")


@ring_app.command("adopt")
def ring_adopt(data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Make the disk that is mounted at the ring's place the ring, on purpose: a new one, or a copy.

    Example: `jianzheng ring adopt --as 王工`
    """
    from cli.ring import adopt_disk
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        adopt_disk(catalogue, settings.ring_dir, principal or this_user(), SystemClock())


@ring_app.command("key")
def ring_key(data_dir: DataDir = None) -> None:
    """Print the public key with which the recorder signs, as PEM: for whoever verifies.

    Example: `jianzheng ring key > recorder.pem`
    """
    from cli.ring import print_key
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
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

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        export_checkpoint(catalogue, directory)
