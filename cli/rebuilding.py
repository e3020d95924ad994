"""``jianzheng catalog rebuild``: the catalogue from the store alone."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from catalog.objects import open_store
from catalog.rebuild import Rebuilt
from cli.printing import console
from cli.wiring import open_catalogue
from kernel.clock import SystemClock
from kernel.settings import Settings, public_uri

_out = console()
_errors = Console(stderr=True)


def run_rebuild(settings: Settings, source: str, *, verify_all: bool, principal: str) -> Rebuilt:
    """Rebuild the catalogue that the settings name from the store of a URL, and show how far it is.

    Raises:
        SettingsError: the store cannot be used as it is set.
        CatalogError: the catalogue is not empty.
        StorageError: the store is out of reach.
    """
    clock = SystemClock()
    store = open_store(source, settings.store_dir, settings.store, clock)
    with open_catalogue(settings) as catalogue, Progress(console=_errors, transient=True) as progress:
        bar = progress.add_task("读取 reading the store", total=None)

        def tell(done: int, of: int, what: str) -> None:
            progress.update(bar, completed=done, total=of, description=escape(what))

        rebuilding = catalogue.rebuild(store, clock, verify_all=verify_all, tell=tell)
        return rebuilding.run(public_uri(source), principal)


def print_rebuilt(found: Rebuilt) -> int:
    """Print what was taken in and what is damaged; returns the exit status."""
    for table, rows in sorted(found.taken.items()):
        _out.print(f"{escape(table)}  {rows}")
    for prefix in found.without_record:
        _out.print(f"[yellow]仅据其文件 from its own documents alone[/]  {escape(prefix)}")
    for one in found.damages:
        _out.print(f"[red]未能恢复 damaged[/]  {escape(one.name)}  {escape(one.what)}")
    for key, count in sorted(found.keys.items()):
        _out.print(f"签名公钥 signed by {key}  {count} 条记录 records")
    archives = found.taken["archive"]
    if found.damages:
        _out.print(f"[bold red]{len(found.damages)} 处异常 damaged[/], {archives} 个档案包已恢复 archives")
        return 1
    _out.print(f"[green]全部恢复 all rebuilt[/]: {archives} 个档案包 archives")
    return 0
