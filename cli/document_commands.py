"""``jianzheng document`` and ``jianzheng card``: documents beside the video, and the catalogue card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock
from kernel.model.document import DocumentKind

document_app = typer.Typer(no_args_is_help=True, help="Documents of projects, beside the video.")


@document_app.command("add")
def document_add(
    project: Annotated[str, typer.Argument(help="Id of a project.")],
    file: Annotated[Path, typer.Argument(help="PDF, OFD, image, spreadsheet, Word or text.")],
    kind: Annotated[DocumentKind, typer.Option(help="What it is.")],
    session: Annotated[str | None, typer.Option(help="Session that it belongs to.")] = None,
    supersedes: Annotated[
        str | None, typer.Option(metavar="DOCUMENT", help="Document that it corrects; both stay.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; needed with --supersedes.")] = "",
    sha256: Annotated[str, typer.Option(help="SHA-256 that it shall have.")] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Take in a document: check its four properties, hash it, store it, read it back, record it.

    What it is, its content says. One that the project has already is told and not stored twice.

    Example: `jianzheng document add P01 开标记录.pdf --kind opening_record --session P01-O --as 李娜`
    """
    from catalog.document_intake import Brought
    from catalog.four_check import told_of
    from cli.documents import document_intake
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        brought = Brought(
            project_id=project,
            kind=kind,
            name=file.name,
            principal=principal or this_user(),
            session_id=session,
            supersedes=supersedes,
            reason=reason,
            announced_sha256=sha256,
        )
        taken = document_intake(settings, catalogue, SystemClock()).take_file(brought, file)
    one = taken.document
    said = "已入库 is taken in" if taken.new else "项目中已有同一文件 is in the project already"
    typer.echo(f"{one.id} {one.name} {said}")
    typer.echo(f"SHA-256 {one.sha256}\nSM3 {one.sm3}\n{told_of(one.check.results)}")


@document_app.command("list")
def document_list(
    project: Annotated[str, typer.Argument(help="Id of a project.")],
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """List the documents of a project, corrected ones too.

    Example: `jianzheng document list P01`
    """
    from cli.documents import print_documents
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        if as_json:
            told = [one.told() for one in catalogue.documents.of_project(project)]
            typer.echo(json.dumps({"project": project, "documents": told}, ensure_ascii=False))
        else:
            print_documents(catalogue, project)


def card(
    project: Annotated[str, typer.Argument(help="Id of a project.")],
    html: Annotated[Path | None, typer.Option(help="Write the page to be printed into this file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the catalogue card (著录卡) of a project's file as JSON, or write it as a page.

    Example: `jianzheng card P01 --html P01.html`
    """
    from cli.documents import card_of, write_page
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        told = card_of(catalogue, project, SystemClock())
    if html is None:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        write_page(told, html)
        typer.echo(f"已写好 {html} is written.")
