"""A desktop without a screen: Xvfb, whose picture is a file that tests draw into (``-fbdir``, Xvfb(1))."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from simulator import timestrip
from tests.support.peers import missing

_XWD_FIELDS = 25  # 32-bit big-endian numbers at the start of the file (XWDFile.h)
_HEADER_SIZE, _WIDTH, _HEIGHT, _BYTES_PER_LINE, _COLOURS = 0, 4, 5, 12, 19
_COLOUR_BYTES = 12


class DrawnDesktop:
    """A display that a test draws on."""

    def __init__(self, name: str, file: Path, server: subprocess.Popen[bytes]) -> None:
        self.name = name  # as in DISPLAY
        self._server = server
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 0)
        fields = struct.unpack(f">{_XWD_FIELDS}I", self._map[: 4 * _XWD_FIELDS])
        self.width, self.height = fields[_WIDTH], fields[_HEIGHT]
        start = fields[_HEADER_SIZE] + _COLOUR_BYTES * fields[_COLOURS]
        line = fields[_BYTES_PER_LINE]
        pixels = np.frombuffer(self._map, np.uint8, line * self.height, start).reshape(self.height, line)
        self.pixels: Any = pixels[:, : 4 * self.width].reshape(self.height, self.width, 4)
        self.pixels[:] = 200

    def draw_time(self, time_ms: int) -> None:
        """The time strip along the top edge."""
        strip = np.full((self.height, self.width), 128, np.uint8)
        timestrip.draw(strip, time_ms)
        rows = timestrip.strip_height(self.height)
        self.pixels[:rows, :, :3] = strip[:rows, :, None]

    def end(self) -> None:
        """The display goes away."""
        self._server.terminate()
        self._server.wait()


@contextmanager
def desktop(directory: Path, width: int = 640, height: int = 360, number: str = "") -> Iterator[DrawnDesktop]:
    """A desktop of that size, grey all over, of that name or a free one.

    Without Xvfb a skip that says what to install.
    """
    if shutil.which("Xvfb") is None:
        missing("Xvfb", "on Debian, apt install xvfb")
    directory.mkdir(parents=True, exist_ok=True)
    told, tell = os.pipe()
    command = ["Xvfb", *([number] if number else []), "-displayfd", str(tell), "-nolisten", "tcp"]
    command += ["-screen", "0", f"{width}x{height}x24", "-fbdir", str(directory)]
    server = subprocess.Popen(
        command,
        pass_fds=(tell,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(tell)
    try:
        with os.fdopen(told) as answers:
            name = f":{answers.readline().strip()}"
        yield DrawnDesktop(name, directory / "Xvfb_screen0", server)
    finally:
        server.terminate()
        server.wait()
