"""What commands print on: as wide as the terminal, or as a reader of files and pipes can use."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPED_WIDTH = 120  # columns; COLUMNS says otherwise


def console() -> Console:
    """Standard output. A line that is too long for it goes on: ids and addresses are copied from it."""
    told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()  # Rich reads both itself
    return Console(soft_wrap=True, highlight=False, width=None if told else PIPED_WIDTH)
