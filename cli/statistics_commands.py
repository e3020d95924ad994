"""The command ``statistics``; what it does is in ``cli.statistics_tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, read_settings
from kernel.clock import SECOND_US


def statistics(
    first: Annotated[str, typer.Option("--from", help="First Beijing month: 2026-03.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last Beijing month: 2026-03.")] = "",
    region: Annotated[str, typer.Option(help="Code of a region, with all below it.")] = "",
    industry: Annotated[str, typer.Option(help="Code of an industry, with all below it.")] = "",
    gaps: Annotated[
        float | None, typer.Option(help="List gaps of more than so many seconds, by site, instead.")
    ] = None,
    backfilled: Annotated[bool, typer.Option(help="And those that were fetched afterwards.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a file that spreadsheets open, instead.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Count projects, sections, hours, GB, files and gaps by region, industry and Beijing month.

    A project counts once, with all that belongs to it, in the month in which its first session began. So the
    figures of parts add up to those of the whole.

    Example: `jianzheng statistics --from 2026-03 --to 2026-03 --csv march.csv`
    """
    from cli.statistics_tables import narrowed_by, print_gaps, print_table, write_csv
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        narrowed = narrowed_by(catalogue, (first, last), region, industry)
        if gaps is not None:
            print_gaps(catalogue, narrowed, round(gaps * SECOND_US), backfilled=backfilled)
        elif csv is not None:
            write_csv(catalogue, narrowed, csv)
        else:
            print_table(catalogue, narrowed)
