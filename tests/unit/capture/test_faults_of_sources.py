"""What is the matter with a source is told by a word of its own: a page can say it in any language."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from capture.gap_ledger import GapLedger
from capture.health import HealthBoard
from capture.memory_rows import MemoryRows
from capture.rtsp.client import RtspClient
from capture.rtsp.stream import Credentials
from catalog.catalogue import Catalogue
from kernel.clock import FakeClock, SystemClock
from kernel.errors import (
    CertificateRefused,
    CodecUnsupported,
    DiskFull,
    DiskLost,
    JianzhengError,
    NetworkDown,
    NoKeyFrames,
    NotAnswering,
    NotCalling,
    NotListening,
    SendsNoPicture,
    SourceHasNoVideo,
    SourceNotFound,
    SourceProtocolError,
    SourceRefused,
    SourceSendsGarbage,
    SourceUnreachable,
    TimestampDiscontinuity,
)
from kernel.model.footage import Fault, Gap, GapCause, SourceState
from tests.support.catalogue import open_catalogue
from tests.unit.capture.test_recorder import Script, batches, later, play

FAULTS: dict[type[JianzhengError], Fault] = {
    NetworkDown: Fault.NETWORK,
    NotListening: Fault.NOT_LISTENING,
    NotAnswering: Fault.NOT_ANSWERING,
    NotCalling: Fault.NOT_CALLING,
    SourceUnreachable: Fault.CONNECTION_LOST,
    SendsNoPicture: Fault.NO_PICTURE,
    NoKeyFrames: Fault.NO_KEY_FRAMES,
    SourceSendsGarbage: Fault.GARBAGE,
    SourceProtocolError: Fault.PROTOCOL,
    SourceRefused: Fault.CREDENTIALS,
    CertificateRefused: Fault.CERTIFICATE,
    SourceNotFound: Fault.NO_SUCH_PATH,
    SourceHasNoVideo: Fault.NO_VIDEO,
    CodecUnsupported: Fault.CODEC,
    TimestampDiscontinuity: Fault.TIME_JUMP,
    DiskFull: Fault.DISK_FULL,
    DiskLost: Fault.DISK_LOST,
}


@pytest.mark.parametrize(("error", "fault"), FAULTS.items(), ids=lambda one: getattr(one, "__name__", one))
async def test_each_fault_of_a_source_has_its_own_word_in_its_gap(
    error: type[JianzhengError], fault: Fault, tmp_path: Path, clock: FakeClock, video
) -> None:
    """A wrong password (401) and a wrong path (404) are mended in different places."""
    happened = error("source seat-1: it happened.")
    packets = video.packets(50)
    again = [[video.started], *batches(later(packets, 20))]
    script = Script(clock, [[video.started], *batches(packets), happened], again)
    rows = MemoryRows()
    await play(script, rows, tmp_path, clock)
    (outage,) = (gap for gap in rows.gaps if gap.detail == "source seat-1: it happened.")
    assert outage.fault is fault


def test_the_word_goes_with_the_state_and_goes_away_with_it(clock: FakeClock) -> None:
    board = HealthBoard(clock)
    board.say("cam", SourceState.REFUSED, "refused", Fault.CREDENTIALS)
    board.say("cam", SourceState.REFUSED, "refused", Fault.NO_SUCH_PATH)
    assert board.take_changed()[0].fault is Fault.NO_SUCH_PATH
    board.say("cam", SourceState.RECORDING)
    assert board.take_changed()[0].fault is None


async def test_a_refused_connection_is_told_apart_from_a_device_that_is_gone() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"rtsp://127.0.0.1:{closed.getsockname()[1]}/x"
        credentials = Credentials(username="", password="")
        with pytest.raises(NotListening):
            await RtspClient.connect(
                uri, name="cam", credentials=credentials, clock=SystemClock(), answer_seconds=5
            )


def test_the_catalogue_keeps_the_word_of_a_gap_and_changes_it_with_the_cause(tmp_path: Path) -> None:
    catalogue: Catalogue = open_catalogue(tmp_path)
    ledger = GapLedger("cam", catalogue.footage)
    catalogue.footage.open_gap(
        Gap(id="g", source_id="screen", start_us=1, end_us=None, cause=GapCause.CRASH, detail="")
    )
    ledger.ended(5)
    ledger.outage(GapCause.CAMERA_LOST, "no picture", Fault.NO_PICTURE)
    kept = {one.source_id: one.fault for one in catalogue.footage.open_gaps()}
    assert kept == {"cam": Fault.NO_PICTURE, "screen": None}
    ledger.outage(GapCause.NETWORK, "nothing comes back", Fault.NETWORK)
    assert {one.fault for one in catalogue.footage.open_gaps()} == {Fault.NETWORK, None}
    catalogue.close()
