"""Output with a progress line that is rewritten in place."""

from __future__ import annotations

import os
import shutil
from typing import TextIO


class Terminal:
    """A stream with lines of text and, on a terminal, a progress line below them.

    Args:
        stream: standard output or standard error.
        quiet: no progress line, even on a terminal.
    """

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self.stream = stream
        self.live = stream.isatty() and os.environ.get("TERM") != "dumb" and not quiet

    @property
    def width(self) -> int:
        """Characters that a progress line may have."""
        return shutil.get_terminal_size().columns - 1

    def write(self, *lines: str) -> None:
        """Write lines in place of the progress line."""
        self.clear()
        self.stream.write("".join(line + "\n" for line in lines))
        self.stream.flush()

    def show(self, line: str) -> None:
        """Replace the progress line; no effect where there is none."""
        if self.live:
            self.clear()
            self.stream.write(line)
            self.stream.flush()

    def clear(self) -> None:
        """Erase the progress line."""
        if self.live:
            self.stream.write("\r\x1b[K")
