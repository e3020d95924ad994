"""Commands about the ring's disk and its proofs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock

ring_app = typer.Typer(no_args_is_help=True, help="The ring's disk, and the proofs of what is on it.")


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
