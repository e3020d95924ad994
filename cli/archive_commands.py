"""``jianzheng archives``: what archives weigh and how well they show it, as the project's page does."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DataDir, read_settings


def archives(
    project: Annotated[
        str, typer.Argument(help="Id or code of a project. [default: the mean over all]")
    ] = "",
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Show the budget, its division and the quality of each archived file.

    Exit status 1 if a file is below a floor, or the mean over all projects above its limit; else 0.

    Example: `jianzheng archives P01`
    """
    from cli.archive_table import print_fleet, print_project
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        if project:
            raise typer.Exit(print_project(catalogue, project, as_json=as_json))
        raise typer.Exit(print_fleet(catalogue, as_json=as_json))
