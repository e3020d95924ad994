"""``jianzheng history``: existing recordings and their lists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import CamerasOption, DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SECOND_US, SystemClock

history_app = typer.Typer(no_args_is_help=True, help="Existing recordings and their lists, in bulk.")


@history_app.command("template")
def history_template() -> None:
    """Print the mapping of a list's column heads, to be completed and given back with --columns.

    Example: `jianzheng history template > columns.yaml`
    """
    from cli.history_list import TEMPLATE

    typer.echo(TEMPLATE.read_text(encoding="utf-8"), nl=False)


@history_app.command("import")
def history_import(
    listed: Annotated[
        Path, typer.Argument(metavar="LIST", help="CSV (UTF-8 or GBK) or .xlsx, a row a file.")
    ],
    root: Annotated[Path, typer.Option(help="Directory that the list's files lie below.")],
    columns: Annotated[
        Path | None, typer.Option(help="Mapping of column heads, see `history template`.")
    ] = None,
    offset: Annotated[
        float, typer.Option(help="Seconds to add to all times: -47 where the recorder was 47 s ahead.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    without_missing: Annotated[
        bool,
        typer.Option("--without-missing", help="End sessions although files are missing: they are gaps."),
    ] = False,
    data_dir: DataDir = None,
    cameras: CamerasOption = None,
    principal: PrincipalOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Take in existing recordings by their list: projects, sessions, footage, each row on its own.

    Rows that do not fit are told with the remedy, and keep no others out; run it again with the same list
    when they are put right. A session ends, and is cut and archived, when all its files are in. The report
    lies in `history` below the data directory. Exit status 1 if rows did not fit.

    Example: `jianzheng history import 2019.xlsx --root /mnt/nvr --offset -47 --as 王工`
    """
    from capture.ring_disk import open_ring
    from cli.history import HistoryImport, ImportOptions
    from cli.history_list import read_columns, read_list
    from cli.history_report import as_json as told_as_json
    from cli.history_report import print_result, print_row, write_report
    from cli.wiring import open_catalogue
    from kernel.log import configure_logging
    from kernel.settings import load_cameras

    configure_logging()
    settings, clock, who = read_settings(data_dir, cameras), SystemClock(), principal or this_user()
    told = read_list(listed, read_columns(columns))
    options = ImportOptions(
        root=root,
        offset_us=round(offset * SECOND_US),
        principal=who,
        dry_run=dry_run,
        without_missing=without_missing,
    )
    with open_catalogue(settings, load_cameras(settings.cameras)) as catalogue:
        disk = None if dry_run else open_ring(settings.ring_dir, catalogue.ring_disks, clock, who)
        importing = HistoryImport(catalogue, settings, clock, disk, options)
        result = importing.run(told) if as_json else importing.run(told, print_row)
    place = write_report(settings.data_dir / "history", told.name, result, clock, dry_run=dry_run)
    if as_json:
        typer.echo(told_as_json(told.name, result, dry_run=dry_run))
    else:
        print_result(result, place)
    raise typer.Exit(0 if result.complete else 1)
