"""The command ``verify``; what it does is in ``cli.verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, read_settings
from kernel.log import configure_logging


def verify(
    package: Annotated[
        Path, typer.Argument(help="Directory of a package, also in the store; or, with --proof, one file.")
    ],
    key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) that must have signed; get it from the archiver.")
    ] = None,
    tsa_cert: Annotated[
        Path | None, typer.Option(help="Root certificate (PEM) of the time stamp authority.")
    ] = None,
    ring: Annotated[
        Path | None, typer.Option(help="Compare with the original segments in this directory, too.")
    ] = None,
    prove: Annotated[
        str, typer.Option(help="Write a proof of this file alone: data/clips/... Needs --to.")
    ] = "",
    to: Annotated[Path | None, typer.Option(help="Where --prove writes.")] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Verify one file by its proof, without the package.")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="PACKAGE is a prefix of keys in the store; it is fetched first.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, for machines.")] = False,
) -> None:
    """Verify an archived package offline: every link from original segment to signature and time stamp.

    Hashes every file, and compares manifests, Merkle root, signature, time stamp, receipts, chain values,
    wall times, gaps and pictures. Needs no catalogue, and no network but for --stored. Exit status 0 if all
    agree; 1 with a list of what does not.

    Example: `jianzheng verify var/store/archives/.../v1 --key archiver.pub.pem --tsa-cert tsa-root.pem`
    """
    from cli.stores import fetched_package
    from cli.verify import Asked, run_verify

    configure_logging()
    if stored:
        with fetched_package(read_settings(data_dir), package.as_posix()) as place:
            verify(place, key, tsa_cert, ring, prove, to, proof, as_json=as_json)
    asked = Asked(
        package=package,
        key=key,
        tsa_cert=tsa_cert,
        ring=ring,
        prove=prove,
        to=to,
        proof=proof,
        as_json=as_json,
    )
    raise typer.Exit(run_verify(asked))
