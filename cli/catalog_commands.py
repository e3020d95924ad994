"""Commands about the catalogue as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock
from kernel.log import configure_logging
from kernel.model.audit import Act, Action

catalog_app = typer.Typer(
    no_args_is_help=True, help="Copies of the catalogue, putting them back, and making it anew."
)


@catalog_app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="Directory for the copy; best on another disk.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Copy the catalogue to a dated file while programs use it, and check that the copy is whole.

    For a catalogue on SQLite; PostgreSQL has tools of its own (docs/guide/postgresql.md). Prints size and
    SHA-256. Nothing is migrated: this may be run with a new version before it is taken into use.

    Example: `jianzheng catalog backup /mnt/backup`
    """
    from catalog.backup import back_up
    from catalog.database_facts import facts_of
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging()
    settings, now_us = read_settings(data_dir), SystemClock().now_us()
    refuse_missing_catalogue(settings)
    if facts_of(settings.catalogue_url).current:  # an older one has no place for it that this version knows
        act = Act(
            at_us=now_us,
            principal=principal or this_user(),
            action=Action.CATALOGUE_BACKED_UP,
            subject=str(to.absolute()),
        )
        with open_catalogue(settings) as catalogue:
            catalogue.audit.append(act)
    made = back_up(settings.catalogue_url, to, at_us=now_us)
    typer.echo(
        f"已备份 Copied to {made.path}: {made.size_bytes} bytes, schema {made.schema}, SHA-256 {made.sha256}"
    )


@catalog_app.command()
def restore(
    backup: Annotated[Path, typer.Argument(help="A file that `catalog backup` made.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Put a copy in the place of the catalogue, which is moved aside. All programs must be stopped.

    What happened since the copy was made is not in it: docs/guide/upgrade.md says what to do then.

    Example: `jianzheng catalog restore /mnt/backup/catalogue-20260301T180000Z.sqlite`
    """
    from catalog.backup import restore as put_back
    from cli.wiring import open_catalogue

    configure_logging()
    settings, now_us = read_settings(data_dir), SystemClock().now_us()
    aside = put_back(backup, settings.catalogue_url, at_us=now_us)
    act = Act(
        at_us=now_us,
        principal=principal or this_user(),
        action=Action.CATALOGUE_RESTORED,
        subject=str(backup.absolute()),
        details={"moved_aside": aside and aside.name},
    )
    with open_catalogue(settings) as catalogue:
        catalogue.audit.append(act)
    typer.echo(f"已恢复 Restored from {backup}.")
    if aside is not None:
        typer.echo(f"原目录库 What was there before is {aside}.")


@catalog_app.command()
def rebuild(
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="The store: s3://BUCKET/PREFIX or file:///PATH.")
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every object back and hash it; without, names and sizes.")
    ] = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Make an empty catalogue anew from the object store alone: archives, documents, holds and disposals.

    What is damaged is named at the end, with what is missing, and stops nothing. Run again, it goes on where
    it was broken off, and takes in what was restored meanwhile. Exit status 1 if anything is damaged.

    Example: `jianzheng catalog rebuild --from s3://archive --data-dir /var/lib/jianzheng`
    """
    from cli.rebuilding import print_rebuilt, run_rebuild

    configure_logging()
    settings = read_settings(data_dir)
    found = run_rebuild(settings, source, verify_all=verify, principal=principal or this_user())
    raise typer.Exit(print_rebuilt(found))
