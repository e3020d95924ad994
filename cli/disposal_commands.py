"""Commands about how long projects are kept, and about destroying by decision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from catalog.catalogue import Catalogue
from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock
from kernel.errors import UnknownCode
from kernel.ids import new_id
from kernel.model.life import TELLABLE, Standing, Term, TermStart
from kernel.settings import Settings

disposal_app = typer.Typer(
    no_args_is_help=True, help="Appraise files whose term is over: keep them longer, or destroy them."
)
retention_app = typer.Typer(no_args_is_help=True, help="How long projects are kept, and why.")
_Reason = Annotated[str, typer.Option(help="Why; stays on record.")]
_Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Its id.")]
_Disposal = Annotated[str, typer.Argument(metavar="DISPOSAL", help="Id of the appraisal.")]
_Class = Annotated[str, typer.Argument(metavar="CLASS", help="Code of a retention class, such as Y30.")]
_DAYS = ["%Y-%m-%d"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Here:
    settings: Settings
    catalogue: Catalogue
    clock: SystemClock

    @property
    def now_us(self) -> int:
        return self.clock.now_us()


@contextmanager
def _here(data_dir: Path | None) -> Iterator[_Here]:
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        yield _Here(settings=settings, catalogue=catalogue, clock=SystemClock())


def due(
    class_code: Annotated[str | None, typer.Option("--class", help="Only of this class.")] = None,
    year: Annotated[int | None, typer.Option(help="Only whose term ended in this year.")] = None,
    region: Annotated[str | None, typer.Option(help="Only of this region and all below it.")] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Instead those of which nobody knows when their term starts.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """List projects whose retention term is over; each stays until somebody decides.

    Example: `jianzheng due --class Y15 --year 2025 --region 530681`
    """
    from catalog.retention import DueFilter
    from cli.disposing import print_due

    with _here(data_dir) as here:
        if region is not None and region not in {one.code for one in here.catalogue.places.regions()}:
            raise UnknownCode(code=region)
        narrowed = DueFilter(
            class_code=class_code,
            year=year,
            region_codes=None if region is None else here.catalogue.places.regions_within(region),
            standings=frozenset(
                {Standing.START_UNKNOWN, Standing.UNCLASSIFIED} if unknown else {Standing.DUE}
            ),
        )
        print_due(here.catalogue, narrowed, here.now_us)


@retention_app.command("table")
def retention_table(data_dir: DataDir = None) -> None:
    """Show classes, the versions of their terms, and which projects fall under them.

    Example: `jianzheng retention table`
    """
    from cli.disposing import print_table

    with _here(data_dir) as here:
        print_table(here.catalogue)


@retention_app.command("show")
def retention_show(project: _Project, data_dir: DataDir = None) -> None:
    """Show which classes a project falls under, why, and until when it is kept.

    Example: `jianzheng retention show P11`
    """
    from cli.disposing import print_retention

    with _here(data_dir) as here:
        print_retention(here.catalogue, project, here.now_us)


@retention_app.command("choose")
def retention_choose(
    project: _Project,
    class_code: _Class,
    reason: _Reason,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Choose a class for a project: a longer one counts at once, a shorter one when another confirms it.

    Example: `jianzheng retention choose P11 Y30 --reason "asked for by the court"`
    """
    with _here(data_dir) as here:
        made = here.catalogue.retention.choose(
            project, class_code, reason=reason, principal=principal or this_user(), at_us=here.now_us
        )
    waits = "较短,待第二人确认 shorter: it waits for another person" if made.shorter else "生效 it counts"
    typer.echo(f"{made.id}  {class_code}  {waits}")


@retention_app.command("confirm")
def retention_confirm(
    choice: Annotated[str, typer.Argument(metavar="CHOICE", help="Its id, from `retention show`.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Confirm a shorter class that somebody else chose.

    Example: `jianzheng retention confirm CHOICE --as 主任`
    """
    with _here(data_dir) as here:
        made = here.catalogue.retention.confirm(choice, principal=principal or this_user(), at_us=here.now_us)
    typer.echo(f"{made.project_id}  {made.class_code}  生效 it counts")


@retention_app.command("day")
def retention_day(
    project: _Project,
    kind: Annotated[TermStart, typer.Argument(help=f"One of {', '.join(TELLABLE)}.")],
    day: Annotated[datetime, typer.Argument(metavar="DAY", formats=_DAYS, help="Beijing day.")],
    reason: _Reason,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Say on which day something was from which a project's term is counted.

    Example: `jianzheng retention day P07 procurement_end 2026-09-30 --reason "acceptance report"`
    """
    with _here(data_dir) as here:
        who, now_us = principal or this_user(), here.now_us
        here.catalogue.retention.tell_day(
            project, kind, day.date(), reason=reason, principal=who, at_us=now_us
        )
    typer.echo(f"{project}  {kind}  {day.date()}")


@retention_app.command("term")
def retention_term(
    class_code: _Class,
    since: Annotated[datetime, typer.Argument(metavar="SINCE", formats=_DAYS, help="First Beijing day.")],
    basis: Annotated[str, typer.Option(help="Law or standard.")],
    years: Annotated[int | None, typer.Option(help="Years; with no days either: for ever.")] = None,
    days: Annotated[int | None, typer.Option(help="Days.")] = None,
    starts: Annotated[TermStart | None, typer.Option(help="What it is counted from.")] = None,
    otherwise: Annotated[
        TermStart | None, typer.Option("--else", help="What it is counted from where that is not known.")
    ] = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Add a version of a class's term, from a day on. What was promised before is kept.

    Example: `jianzheng retention term Y10 2030-01-01 --years 15 --starts project_end --basis "new law"`
    """
    term = Term(
        id=new_id(class_code),
        class_code=class_code,
        valid_from=since.date(),
        years=years,
        days=days,
        starts=starts,
        starts_else=otherwise,
        basis=basis,
    )
    with _here(data_dir) as here:
        here.catalogue.retention.add_term(term, principal=principal or this_user(), at_us=here.now_us)
    typer.echo(term.id)


@disposal_app.command("list")
def disposal_list(
    every: Annotated[bool, typer.Option("--all", help="Those that are finished, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List appraisals that are not finished.

    Example: `jianzheng disposal list --all`
    """
    from cli.disposing import print_disposals

    with _here(data_dir) as here:
        print_disposals(here.catalogue, every=every)


@disposal_app.command("propose")
def disposal_propose(
    project: _Project, reason: _Reason, data_dir: DataDir = None, principal: PrincipalOption = None
) -> None:
    """Propose to destroy a project's file whose term is over. Nothing happens before another person signs.

    Example: `jianzheng disposal propose P11 --reason "no further value"`
    """
    from cli.disposing import print_disposal

    with _here(data_dir) as here:
        who, now_us = principal or this_user(), here.now_us
        print_disposal(here.catalogue.disposals.propose(project, reason=reason, principal=who, at_us=now_us))


@disposal_app.command("sign")
def disposal_sign(disposal: _Disposal, data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Put the second signature under a proposal; not by the one who proposed.

    Example: `jianzheng disposal sign DISPOSAL --as 主任`
    """
    from cli.disposing import print_disposal

    with _here(data_dir) as here:
        who = principal or this_user()
        print_disposal(here.catalogue.disposals.sign(disposal, principal=who, at_us=here.now_us))


@disposal_app.command("extend")
def disposal_extend(
    project: _Project,
    class_code: _Class,
    reason: _Reason,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Keep a project's file whose term is over for longer, under another class.

    Example: `jianzheng disposal extend P11 Y30 --reason "still asked for"`
    """
    from cli.disposing import print_disposal, record_extension
    from cli.stores import own_store

    with _here(data_dir) as here:
        who, now_us = principal or this_user(), here.now_us
        made = here.catalogue.disposals.extend(
            project, class_code, reason=reason, principal=who, at_us=now_us
        )
        print_disposal(made)
        record_extension(here.catalogue, own_store(here.settings, here.clock))


@disposal_app.command("withdraw")
def disposal_withdraw(
    disposal: _Disposal, reason: _Reason, data_dir: DataDir = None, principal: PrincipalOption = None
) -> None:
    """Take a proposal back, signed or not, as long as its execution has not begun.

    Example: `jianzheng disposal withdraw DISPOSAL --reason "in dispute"`
    """
    from cli.disposing import print_disposal

    with _here(data_dir) as here:
        who, now_us = principal or this_user(), here.now_us
        print_disposal(
            here.catalogue.disposals.withdraw(disposal, reason=reason, principal=who, at_us=now_us)
        )


@disposal_app.command("run")
def disposal_run(disposal: _Disposal, data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Destroy what two people signed: order, objects one by one, certificate. There is no way back.

    What is held or locked stays and stops it. One that broke off is taken up where it stood.

    Example: `jianzheng disposal run DISPOSAL`
    """
    from cli.disposing import destruction_of, print_disposal

    with _here(data_dir) as here:
        destruction = destruction_of(here.settings, here.catalogue, here.clock)
        print_disposal(destruction.run_once(disposal, principal or this_user()))


@disposal_app.command("certificate")
def disposal_certificate(
    disposal: _Disposal,
    to: Annotated[Path, typer.Argument(help="Directory for the signed record and the page.")] = Path(),
    data_dir: DataDir = None,
) -> None:
    """Write the certificate of destruction to files: signed JSON, and a page to read and print.

    Example: `jianzheng disposal certificate DISPOSAL certificates`
    """
    from cli.disposing import all_stores, write_certificate

    with _here(data_dir) as here:
        made = here.catalogue.disposals.find(disposal)
        for path in write_certificate(made, all_stores(here.settings, here.clock), to):
            typer.echo(path)
