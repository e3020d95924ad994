"""``jianzheng due``, ``retention`` and ``disposal``: what is kept how long, and destroying by decision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape

from catalog.catalogue import Catalogue
from catalog.destruction import CERTIFICATE_NAME, PAGE_NAME, Destruction
from catalog.life_records import LifeRecords, disposal_key
from catalog.objects import ObjectStore, open_store
from catalog.retention import DueFilter, ProjectRetention
from cli.moments import shown
from cli.printing import console
from cli.stores import own_store
from kernel.clock import Clock
from kernel.durable import storage_error
from kernel.errors import StorageError
from kernel.model.life import Claim, Disposal, Retention, Standing
from kernel.model.preservation import MAIN
from kernel.settings import CopySettings, Settings, url_of_copy

_out = console()
_STANDING = {
    Standing.UNCLASSIFIED: "未划定 unclassified",
    Standing.PERMANENT: "永久 permanent",
    Standing.START_UNKNOWN: "起算日未知 start unknown",
    Standing.RUNNING: "保管中 running",
    Standing.DUE: "到期 due",
}


def all_stores(settings: Settings, clock: Clock) -> dict[str, ObjectStore]:
    """Every store that holds archives: what is destroyed is destroyed in all of them.

    Raises:
        SettingsError: one cannot be used as it is set.
        StorageError: one is not there.
    """
    found: dict[str, ObjectStore] = {MAIN: own_store(settings, clock)}
    for one in settings.preservation.copies:
        options = one if isinstance(one, CopySettings) else settings.store
        name = url_of_copy(one)
        found[name] = open_store(name, settings.store_dir, options, clock)
    return found


def destruction_of(settings: Settings, catalogue: Catalogue, clock: Clock) -> Destruction:
    """What executes orders; its certificates are signed with the key that signs packages.

    Raises:
        SettingsError: a store cannot be used as it is set.
        StorageError: a store is not there, or the key cannot be read.
    """
    from cli.archiving import archive_key  # brings the encoder, which lists do not need

    stores = all_stores(settings, clock)
    return Destruction(catalogue.disposals, catalogue.projects, stores, archive_key(settings), clock)


def print_due(catalogue: Catalogue, narrowed: DueFilter, now_us: int) -> None:
    """A line for each project: the one that has been due for longest first."""
    lines = catalogue.retention.due(now_us, narrowed)
    for one in lines:
        _out.print(escape(_due_line(one)))
    _out.print(f"共 {len(lines)} 项 projects")


def _due_line(one: ProjectRetention) -> str:
    held = "  [冻结 held]" if one.held else ""
    until = one.retention.governing.last_day if one.retention.governing else None
    named = f"{one.project_id}  {one.name_zh}  {one.region_code}"
    return f"{named}  {one.retention.class_code or '-'}  {until or _STANDING[one.retention.standing]}{held}"


def print_retention(catalogue: Catalogue, project_id: str, now_us: int) -> None:
    """Which classes a project falls under, why, and until when.

    Raises:
        RetentionRefused: there is no such project.
    """
    found = catalogue.retention.of_project(project_id, now_us)
    _out.print(f"{escape(project_id)}  {found.class_code or '-'}  {_STANDING[found.standing]}{_until(found)}")
    for claim in found.claims:
        _out.print(escape(_claim_line(claim)))
    for choice in catalogue.retention.choices_of(project_id):
        waits = "  (待第二人确认 waits for another person)" if not choice.counts else ""
        said = f"{choice.principal}, {shown(choice.at_us)}: {choice.reason}"
        _out.print(escape(f"  {choice.id}  {choice.class_code}  {said}{waits}"))
    if catalogue.holds.is_held(project_id):
        _out.print("冻结,不得销毁。It is held: nothing of it goes, whatever its term.")


def _until(found: Retention) -> str:
    last = found.governing.last_day if found.governing else None
    return f"  {last}" if last else ""


def _claim_line(claim: Claim) -> str:
    start = f"{claim.starts} {claim.start.day if claim.start else '?'}" if claim.starts else ""
    told = " (told)" if claim.start and claim.start.told else ""
    why = f"{claim.reason_zh} {claim.reason_en}".strip()
    return f"  {claim.class_code}  {why}  {claim.basis}  [{claim.rule_id} {claim.term_id}]  {start}{told}"


def print_table(catalogue: Catalogue) -> None:
    """The retention table: classes, versions of their terms, and which projects fall under them."""
    names = {one.code: f"{one.name_zh} {one.name_en}" for one in catalogue.retention.classes()}
    for term in catalogue.retention.terms():
        how = (
            "永久 for ever"
            if term.permanent
            else f"{term.years or 0} y {term.days or 0} d from {term.starts}"
        )
        otherwise = f", else {term.starts_else}" if term.starts_else else ""
        line = f"{term.id}  {names[term.class_code]}  since {term.valid_from}: {how}{otherwise}  {term.basis}"
        _out.print(escape(line))
    for rule in catalogue.retention.rules():
        which = f"industry {rule.industry_code or '*'}, outcome {rule.outcome or '*'}"
        but = f" but {rule.not_outcome}" if rule.not_outcome else ""
        when = f"since {rule.valid_from}" + (f" until {rule.valid_until}" if rule.valid_until else "")
        said = f"{rule.reason_zh} {rule.reason_en}  {rule.basis}"
        _out.print(escape(f"{rule.id}  -> {rule.class_code}  {which}{but}  {when}  {said}"))


def print_disposals(catalogue: Catalogue, *, every: bool) -> None:
    """Appraisals, a line each, the oldest first."""
    for one in catalogue.disposals.all(open_only=not every):
        print_disposal(one)


def print_disposal(one: Disposal) -> None:
    """What was decided, by whom, and how far it is."""
    people = " + ".join(filter(None, (one.proposed_by, one.signed_by)))
    to = f" -> {one.new_class}" if one.new_class else ""
    which = f"{one.id}  {one.project_id} v{one.version}  {one.class_code}{to} {one.last_day}"
    _out.print(escape(f"{which}  {one.state}  {people}: {one.reason}"))
    if one.stopped:
        _out.print(f"  [bold red]{escape(one.stopped)}[/]")
    if one.certificate_sha256:
        _out.print(f"  SHA-256 {one.certificate_sha256}")


def record_extension(catalogue: Catalogue, store: ObjectStore) -> None:
    """Write the record of it; a store that does not answer now is told by the next sweep."""
    try:
        LifeRecords(catalogue.holds, catalogue.disposals, store).write_missing()
    except StorageError as error:
        _out.print(f"[yellow]存储未应答 The store was not told yet: {escape(str(error))}[/]")


def write_certificate(made: Disposal, stores: Mapping[str, ObjectStore], directory: Path) -> list[Path]:
    """Copy certificate and page of a disposal to a directory, as they are stored.

    Raises:
        ObjectMissing: it is not finished, or the store lost them.
        StorageError: the directory cannot be written.
    """
    written = []
    for name in (CERTIFICATE_NAME, PAGE_NAME):
        with stores[MAIN].open(disposal_key(made.id, name)) as reader:
            content = reader.read()
        path = directory / f"{made.id}-{name}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise storage_error(error) from error
        written.append(path)
    return written
