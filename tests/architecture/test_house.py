"""The house as the design pictures it: who may import whom, and the habits that hold it together."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("kernel", "catalog", "capture", "segmenter", "archiver", "player_api", "simulator", "agent", "cli")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
MIGRATIONS = ROOT / "catalog" / "migrations"
LONGEST_FUNCTION = 60

AV_MAY_BE_IMPORTED_BY = re.compile(
    r"^(archiver/(encode|encode_sound|decode|thinning|fingerprint|probe|measure|verify_pictures)"
    r"|capture/libav/[a-z_]+|simulator/.+|agent/grab|cli/doctor)\.py$"
)
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "asyncio.sleep",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield f"{inside}{node.name}", node
            yield from functions(node, f"{inside}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{inside}{node.name}.")
        else:
            yield from functions(node, inside)


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of all packages that a module imports."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether it swallows whatever comes; one that tidies up and raises it again does not."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
        for kind in kinds
    )


def tracked() -> list[Path]:
    """Files that git would ship: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


# --- rooms


def test_imports_go_down_never_sideways() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", told.stdout)


def test_only_few_modules_know_pyav() -> None:
    knowing = {name_of(path) for path in MODULES if "av" in imported(tree_of(path))}
    assert knowing
    assert sorted(name for name in knowing if not AV_MAY_BE_IMPORTED_BY.match(name)) == []


def test_no_module_is_called_utils() -> None:
    vague = re.compile(r"^_?(utils?|helpers?|common|misc|tools?|shared)$")
    assert [name_of(path) for path in MODULES if vague.match(path.stem)] == []


def test_every_room_is_there_and_says_what_it_is() -> None:
    for room in ROOMS:
        assert (ast.get_docstring(tree_of(ROOT / room / "__init__.py")) or "").strip(), room


def test_nothing_but_tests_imports_tests() -> None:
    assert [name_of(path) for path in MODULES if imported(tree_of(path)) & {"tests", "pytest"}] == []


# --- habits


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = tree_of(path)
    if tree.body:
        assert (ast.get_docstring(tree) or "").strip()


def test_every_public_class_says_what_it_is() -> None:
    """Tables say it by their comments."""
    silent = [
        f"{name_of(path)}: {node.name}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not (path.parent.name == "tables" and node.name.endswith("Row"))
    ]
    assert silent == []


def test_only_a_run_catches_everything() -> None:
    """A worker's ``run()`` goes on whatever happens; everybody else says what may happen."""
    allowed: set[ast.ExceptHandler] = set()
    found: list[tuple[Path, ast.ExceptHandler]] = []
    for path in MODULES:
        tree = tree_of(path)
        for _, function in functions(tree):
            if function.name in ("run", "_run"):
                allowed |= {node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)}
        handlers = (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
        found += [(path, node) for node in handlers if catches_everything(node)]
    assert [f"{name_of(path)}:{node.lineno}" for path, node in found if node not in allowed] == []


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{name_of(path)}: {name} has {(node.end_lineno or 0) - node.lineno + 1} lines"
        for path in MODULES
        if MIGRATIONS not in path.parents
        for name, node in functions(tree_of(path))
        if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_all_time_comes_through_the_clock() -> None:
    """Invariant 17."""
    reached = [
        f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
        for path in MODULES
        if name_of(path) != "kernel/clock.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCKS
    ]
    assert reached == []


def test_nothing_is_read_from_yaml_that_could_run_code() -> None:
    unsafe = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "pickle.load", "pickle.loads"}
    reached = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in unsafe
    ]
    assert reached == []


# --- what is shipped


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE", "cameras.yaml", "pyproject.toml"])
def test_what_every_reader_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_no_shipped_file_names_the_home_directory_of_somebody() -> None:
    home = re.compile(rb"/(?:home|Users)/[A-Za-z0-9_][\w.-]*|/ro" + rb"ot/|[A-Z]:\\\\?Users\\")
    naming = [
        f"{name_of(path)}: {found.group().decode(errors='replace')}"
        for path in tracked()
        if (found := home.search(path.read_bytes()))
    ]
    assert naming == []


def test_no_shipped_file_is_footage_or_a_database() -> None:
    """Footage is evidence: what tests need is made by them."""
    kinds = (".mp4", ".mkv", ".ts", ".sqlite", ".sqlite-wal", ".db")
    assert [
        name_of(path)
        for path in tracked()
        if path.suffix in kinds and "web" not in path.relative_to(ROOT).parts
    ] == []
