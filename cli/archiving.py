"""What the command ``archive`` puts together."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from archiver.addendum import ProjectFiler
from archiver.equipment import Tools
from archiver.live import LiveEncoder
from archiver.local_pool import LocalPool
from archiver.signing import PackageSigner
from archiver.steps import Pool, StepRunner, Stopped
from archiver.time_stamp import authority_of
from archiver.worker import Archiver
from capture.ring_disk import MARKER as RING_MARKER
from catalog.archive_numbers import number_rule
from catalog.catalogue import Catalogue
from catalog.rebuild_records import StoreRecords
from cli.holding import HoldSweep
from cli.preservation_jobs import preserving
from cli.preserving import Keeping
from cli.stores import clear_abandoned, own_store
from cli.wiring import open_catalogue, refuse_missing_catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError
from kernel.ids import new_id
from kernel.lock import lock_name, sole_user
from kernel.log import logger
from kernel.model.archive import ArchiveRequest, Progress, RequestKind
from kernel.settings import Settings, load_cameras
from kernel.signing_key import SigningKey, signing_key
from segmenter.worker import Segmenter

IDLE_SECONDS = 0.5
CUT_SECONDS = 0.3  # clips are there within a second of the end event
ARCHIVER_KEY = "archiver.pem"
_log = logger("archiver")


@contextmanager
def archiving_tools(
    settings: Settings,
    catalogue: Catalogue,
    clock: Clock,
    principal: str,
    stop: threading.Event,
    scheduler: str | None = None,
) -> Iterator[Tools]:
    """All that archiving works with; its processes end with it.

    Args:
        scheduler: a Dask scheduler, instead of the setting's.

    Raises:
        SettingsError: a scheduler is asked for, and what is needed for it is not installed.
        StorageError: another archiver works in the same data_dir.
    """
    runner = StepRunner(stop=stop, pool=pool_of(settings, scheduler))
    with sole_user(settings.work_dir, "archiver"), closing(runner):
        store = own_store(settings, clock)
        clear_abandoned(store, settings, clock)
        yield Tools(
            catalogue=catalogue,
            store=store,
            runner=runner,
            settings=settings.archive,
            ring=settings.ring_dir.absolute(),
            work=settings.work_dir.absolute(),
            clock=clock,
            principal=principal,
            signer=package_signer(settings, clock),
            archive_sources=archive_sources(settings),
        )


def archive_sources(settings: Settings) -> dict[str, str]:
    """By source, the one whose footage is archived instead; none where no cameras are, as at a centre.

    Raises:
        SettingsError: the file is there and cannot be used.
    """
    return load_cameras(settings.cameras).archive_sources() if settings.cameras.exists() else {}


def package_signer(settings: Settings, clock: Clock) -> PackageSigner:
    """What signs packages; its key is made at the first start.

    Raises:
        SettingsError: the time stamp authority's certificates cannot be read.
        StorageError: the key cannot be read or made.
    """
    return PackageSigner(
        key=archive_key(settings),
        clock=clock,
        authority=authority_of(settings.archive),
        wait_us=round(settings.archive.tsa_wait_hours * 3600 * SECOND_US),
    )


def archive_key(settings: Settings) -> SigningKey:
    """What signs packages and certificates of destruction; made at the first start.

    Raises:
        StorageError: it cannot be read or made.
    """
    return signing_key(settings.archive.signing_key or settings.keys_dir / ARCHIVER_KEY)


def pool_of(settings: Settings, scheduler: str | None) -> Pool:
    """Where steps run: on this machine, or on the workers of a scheduler that sees the same disks.

    Raises:
        SettingsError: a scheduler is set, and what is needed for it is not installed.
    """
    address = settings.archive.scheduler if scheduler is None else scheduler
    if not address:
        return LocalPool(settings.archive.workers, settings.archive.cores)
    from archiver.dask_pool import DaskPool

    # The ring's marker and the archiver's lock: where they can be read, the disks are there.
    seen = (settings.ring_dir / RING_MARKER, settings.work_dir / lock_name("archiver"))
    return DaskPool(address, [path.absolute() for path in seen])


def tell_archiver(
    settings: Settings, clock: Clock, *, cancel: str, retry: str, reason: str, principal: str
) -> None:
    """Cancel a session's archiving, or go on with it, and let it be seen at once.

    Raises:
        CatalogError: there is no such session, it is archived already, or there is no reason to cancel.
    """
    refuse_missing_catalogue(settings)
    asked = ((RequestKind.CANCEL, cancel), (RequestKind.RETRY, retry))
    with open_catalogue(settings) as catalogue:
        for kind, session_id in asked:
            if session_id:
                request = ArchiveRequest(
                    id=new_id("request"),
                    session_id=session_id,
                    kind=kind,
                    reason=reason,
                    principal=principal,
                    at_us=clock.now_us(),
                )
                catalogue.archive_requests.make(request)
                _show(catalogue, request)
                _log.info(
                    f"Session {session_id}: {kind}. An archiver that runs heeds it before its next step.",
                    action="archive.asked",
                    principal=principal,
                )


def _show(catalogue: Catalogue, request: ArchiveRequest) -> None:
    """Whoever looks at the session sees it, whether an archiver runs or not."""
    before = catalogue.archives.progress(request.session_id)
    said = f"by {request.principal}" + (f": {request.reason}" if request.reason else "")
    catalogue.archives.report_progress(
        Progress(
            session_id=request.session_id,
            step="cancelled" if request.kind is RequestKind.CANCEL else "waiting",
            fraction=before.fraction if before else 0.0,
            detail=said,
            updated_us=request.at_us,
        )
    )


class Loop:
    """Does what is due, again and again; what fails is told and does not hold up the rest."""

    def __init__(self, work: Callable[[], bool], pause_seconds: float, stop: threading.Event) -> None:
        self._work = work  # whether there was anything to do
        self._pause_seconds = pause_seconds
        self._stop = stop
        self.failed = False

    def run(self, follow: bool) -> None:
        """Until nothing is left to do, or until told to stop."""
        while not self._stop.is_set():
            worked = False
            try:
                worked = self._work()
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001 - one session's fault must not end all archiving
                self.failed = True
                ours = isinstance(error, JianzhengError)
                _log.error(str(error), action="archive.failed", exc_info=None if ours else error)
            if not worked:
                if not follow:
                    return
                self._stop.wait(self._pause_seconds)


class ArchivingLoop:
    """Cuts and archives what is due, again and again."""

    def __init__(self, tools: Tools, settings: Settings, stop: threading.Event) -> None:
        segmenter = Segmenter(tools.catalogue, settings.cut, tools.clock)
        self._archiver = Archiver(tools)
        self._cutting = Loop(lambda: bool(segmenter.run_once()), CUT_SECONDS, stop)
        self._archiving = Loop(lambda: self._archiver.run_once() is not None, IDLE_SECONDS, stop)
        # The cutter runs in another thread, so this is a segmenter of its own.
        live = LiveEncoder(tools, Segmenter(tools.catalogue, settings.cut, tools.clock).so_far)
        self._following = Loop(lambda: self._archive_or(live), IDLE_SECONDS, stop)
        documents = settings.documents
        self._filer = ProjectFiler(tools, number_rule(documents.number_rule), documents.settle_minutes)
        self._holding = HoldSweep(tools.catalogue, tools.store, tools.clock)
        self._records = StoreRecords(
            tools.catalogue.kept_rows, tools.store, archive_key(settings), tools.clock
        )
        self._filing = Loop(self._filed, IDLE_SECONDS, stop)
        self._stop = stop
        self._keeping = Keeping(
            settings=settings,
            catalogue=tools.catalogue,
            store=tools.store,
            clock=tools.clock,
            stop=stop,
            principal=tools.principal,
        )

    @property
    def failed(self) -> bool:
        """Whether something could not be cut or archived."""
        return any(one.failed for one in (self._cutting, self._archiving, self._filing, self._following))

    def _archive_or(self, live: LiveEncoder) -> bool:
        """Archive what has ended; where nothing waits, encode what runs."""
        return self._archiver.run_once() is not None or self._filed() or live.run_once() > 0

    def _filed(self) -> bool:
        """Numbers, cards, later documents, holds and records, while nothing waits to be archived."""
        if self._filer.run_once() is not None or self._holding.run_once():
            return True
        return self._records.run_once()

    def run(self, follow: bool) -> None:
        """Until nothing is due, or until told to stop.

        Args:
            follow: go on for ever, and cut in a thread of its own: archiving a session takes minutes, and
                clips are wanted right after a session's end.
        """
        if follow:
            self._follow()
            return
        self._cutting.run(follow=False)
        while self._archiver.due() and not self._stop.is_set():
            self._archiving.run(follow=False)
            self._cutting.run(follow=False)
        self._filing.run(follow=False)

    def _follow(self) -> None:
        gc.freeze()  # what is loaded by now stays: looking through it for garbage costs as much as a cut
        cutting = threading.Thread(target=self._cutting.run, args=(True,), name="segmenter")
        cutting.start()
        try:
            with preserving(self._keeping, lambda: bool(self._archiver.due())):
                self._following.run(follow=True)
        finally:
            self._stop.set()
            cutting.join()
