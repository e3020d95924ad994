"""How much of a picture is left after encoding: VMAF (Netflix, libvmaf) of encoded against decoded footage.

FFmpeg with ``libvmaf`` runs as a child process (``imageio-ffmpeg`` ships it): PyAV's FFmpeg has none. Both
films go to it as raw pictures through pipes, so nothing is written to disk but the scores.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg

from kernel.errors import EncodeError

MODEL = "vmaf_v0.6.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """Pictures of one size, each as the bytes of its three planes (yuv420p)."""

    width: int
    height: int
    pictures: Iterable[bytes]


@cache
def ffmpeg() -> str:
    """The program that measures."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def vmaf(reference: Film, encoded: Film, every: int = 1) -> list[float]:
    """VMAF of each ``every``-th pair of pictures, 0..100.

    Pictures that were encoded smaller are measured at the size of the reference, as a screen shows them.

    Raises:
        EncodeError: the measuring program failed.
    """
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "vmaf.json"
        _measure(reference, encoded, _graph(reference, log, every))
        try:
            frames = json.loads(log.read_bytes())["frames"]
        except (OSError, ValueError, LookupError):
            raise EncodeError("VMAF gave no scores.") from None
    # With n_subsample libvmaf still lists pictures between, without a score.
    return [frame["metrics"]["vmaf"] for frame in frames if "vmaf" in frame["metrics"]]


def _graph(reference: Film, log: Path, every: int) -> str:
    size = f"{reference.width}:{reference.height}:flags=bicubic"
    measure = f"libvmaf=model=version={MODEL}:n_threads=1:n_subsample={every}:log_fmt=json:log_path={log}"
    return f"[1]scale={size}[encoded];[encoded][0]{measure}"


def _measure(reference: Film, encoded: Film, graph: str) -> None:
    ends = [os.pipe(), os.pipe()]
    command = [ffmpeg(), "-v", "error", "-nostdin", "-filter_complex_threads", "1"]
    for film, (read_end, _) in zip((reference, encoded), ends, strict=True):
        command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{film.width}x{film.height}", "-r", "25"]
        command += ["-i", f"pipe:{read_end}"]
    command += ["-lavfi", graph, "-f", "null", "-"]
    child = subprocess.Popen(
        command,
        pass_fds=[read_end for read_end, _ in ends],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    for read_end, _ in ends:
        os.close(read_end)
    writers = [
        _Writer(film, write_end) for film, (_, write_end) in zip((reference, encoded), ends, strict=True)
    ]
    _, said = child.communicate()
    for writer in writers:
        writer.finish()
    if child.returncode:
        raise EncodeError(f"VMAF could not be measured: {said.decode(errors='replace').strip()[-300:]}.")


class _Writer:
    """Feeds one film into a pipe, in a thread of its own: the program reads both in turns."""

    def __init__(self, film: Film, end: int) -> None:
        self._film = film
        self._end = end
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self.run, name="vmaf-film", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Write all pictures; what fails is told by :meth:`finish`."""
        # A program that ended early says why itself.
        with suppress(BrokenPipeError), os.fdopen(self._end, "wb") as pipe:
            try:
                for picture in self._film.pictures:
                    pipe.write(picture)
            except BrokenPipeError:
                raise
            except Exception as error:  # noqa: BLE001 - raised again where it can be heard
                self._error = error

    def finish(self) -> None:
        """Wait for the end; raises what the pictures' maker raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def percentile(scores: list[float], share: float) -> float:
    """The score that a share of all scores lie below (nearest rank, at least the lowest)."""
    ordered = sorted(scores)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
