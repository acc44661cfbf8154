"""What a benchmark measured, as JSON lines beside its print-out; `gpu_rows.py` makes tables of
them."""

from __future__ import annotations

import json
from pathlib import Path


class Measured:
    """Appends rows of tables to a file, each at once, so that an interrupted benchmark keeps them.

    Args:
        path: the file; None to write nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def row(self, table: str, **cells: float | str | None) -> None:
        """Add a row to the table of that title; None is a cell without a value."""
        self._write({"table": table, "cells": cells})

    def note(self, text: str) -> None:
        """Print a sentence and add it below the tables."""
        print(text, flush=True)
        self._write({"note": text})

    def _write(self, line: dict[str, object]) -> None:
        if self.path is not None:
            with open(self.path, "a") as file:
                file.write(json.dumps(line) + "\n")
