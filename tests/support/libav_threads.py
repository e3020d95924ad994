"""Threads that read through FFmpeg's libraries: none may be left over."""

from __future__ import annotations

import threading

from capture.libav.source import THREAD_PREFIX


def live_threads() -> int:
    """How many have not ended."""
    return sum(thread.name.startswith(THREAD_PREFIX) for thread in threading.enumerate())
