"""Every write to the catalogue is recorded with who did it, or stands here with the reason why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.model.audit import Action

ROOT = Path(__file__).parents[3]
PRODUCT = ("agent", "archiver", "capture", "cli", "player_api", "segmenter")
NOT_RECORDED = {
    "accounts.Logins._seen": "that a login is in use, to the minute; that it was made is recorded",
    "audit.AuditChain.append": "it records",
    "alerts.Alerts.over": "as it happens; nobody does it",
    "alerts.Alerts.put": "as it happens; nobody does it",
    "alerts.Alerts.settle": "as it happens; nobody does it. Who took notice is recorded",
    "archives.Archives.report_progress": "how far a program has come: overwritten every second",
    "bucket_holds.BucketHolds.answer": "what the store said to a hold, which is recorded",
    "bucket_holds.BucketHolds.ask": "what is asked of the store for a hold, which is recorded",
    "bucket_holds.BucketHolds.forget": "the end of a hold in the store, after its release, which is recorded",
    "checkpoints.Checkpoints.add": "a signed chain of its own, once a minute",
    "checkpoints.Checkpoints.add_key": "a signed chain of its own",
    "clips.Clips.preview": "clips that are shown until they are fixed, which is recorded",
    "disposal.Disposals.let_go": "one object of an order, which is recorded; its row becomes a tombstone",
    "disposal.Disposals.let_stay": "one object of an order, which is recorded",
    "disposal.Disposals.mark_gone": "one object of an order, which is recorded",
    "footage.Footage.add_gap": "as it happens, while it records; nobody does it",
    "footage.Footage.add_segment": "segments have a chain of their own, and recording waits for nothing",
    "footage.Footage.close_gap": "as it happens, while it records; nobody does it",
    "footage.Footage.end_run": "as it happens, while it records; nobody does it",
    "footage.Footage.mark_backfill": "a recorder fetches by itself; what is handed in is recorded",
    "footage.Footage.open_gap": "as it happens, while it records; nobody does it",
    "footage.Footage.put_gap": "as it happens, while it records; nobody does it",
    "footage.Footage.rename_gap": "as it happens, while it records; nobody does it",
    "footage.Footage.set_health": "as it happens, while it records; nobody does it",
    "footage.Footage.start_run": "as it happens, while it records; nobody does it",
    "places.Places.load_code_tables": "what the product brings with it",
    "presence.Presences.beat": "that somebody is still there; that he came is recorded",
    "preservation.Preservation.enrol": "takes up archives, which are recorded",
    "rebuild.Rebuild._writing": "rows of a rebuild, which is recorded when it begins and when it ends",
    "removal.Removal.finish": "the end of what was recorded when it was decided",
    "retention.RetentionTable.load": "what the product brings with it",
    "watching.Watches.beat": "what a watch shows while it lasts; the record of its end has a hash over it",
    "search.saved.SavedSearches.delete": "what somebody looks for is his own, and no evidence",
    "search.saved.SavedSearches.save": "what somebody looks for is his own, and no evidence",
}
"""Methods that write and record nothing. Who puts one here says why nobody will ever ask who did it."""


def _functions(room: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods of a room by module, class and name."""
    for path in sorted((ROOT / room).rglob("*.py")):
        if "migrations" in path.parts:
            continue
        module = ".".join(path.relative_to(ROOT / room).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for one in getattr(node, "body", ()) if isinstance(node, (ast.ClassDef, ast.Module)) else ():
                if isinstance(one, ast.FunctionDef):
                    owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                    yield f"{module}.{owner}{one.name}", one


def _calls(node: ast.AST, name: str) -> list[ast.Call]:
    """Calls of a function or method of that name."""
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
    return [one for one in calls if getattr(one.func, "attr", getattr(one.func, "id", "")) == name]


def _names(node: ast.AST) -> set[str]:
    """Plain functions that are called; a list's ``append`` is none."""
    return {
        one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
    }


def _recording() -> set[str]:
    """``append``, and the functions of the catalogue that call it, straight or through each other."""
    plain = {name.rpartition(".")[2]: _names(node) for name, node in _functions("catalog")}
    found = {"append"}
    while more := {name for name, called in plain.items() if called & found} - found:
        found |= more
    return found


def test_every_method_that_writes_records_what_it_does() -> None:
    writing = {name: node for name, node in _functions("catalog") if _calls(node, "writing")}
    assert len(writing) > 30  # else this test looks in the wrong place
    recording = _recording()
    silent = {name for name, node in writing.items() if not _names(node) & recording}
    assert silent - NOT_RECORDED.keys() == set()
    assert NOT_RECORDED.keys() - silent == {"audit.AuditChain.append"}


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("register", {"principal", "at_us"}),
        ("add_project", {"principal", "at_us"}),
        ("advance", {"at_us"}),
    ],
)
def test_no_program_leaves_out_who_acts_and_when(method: str, needed: set[str]) -> None:
    """Only for tests these have an answer of their own."""
    found = 0
    for room in PRODUCT:
        for name, node in _functions(room):
            for call in _calls(node, method):
                owner = ast.unparse(call.func)
                if not any(part in owner for part in ("places", "projects", "sessions")):
                    continue
                found += 1
                given = {keyword.arg for keyword in call.keywords}
                assert needed <= given, f"{room}/{name} calls {owner} without {needed - given}"
    assert found


def test_every_action_is_explained() -> None:
    page = (ROOT / "docs/design/audit.md").read_text(encoding="utf-8")
    assert [one for one in Action if f"`{one}`" not in page] == []
