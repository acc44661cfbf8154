"""Rows of tables in words: why there is no verdict, and rows by what is said of them.

Rows are those of the CSV files, as mappings from column to value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diccae.functional.bootstrap import MIN_SEEDS

Row = dict[str, Any]
MODALITIES = {"A": "audio", "V": "video", "AV": "A-V"}
SHORT = {"A": "A", "V": "V", "AV": "A-V"}


def no_verdict(rows: Sequence[Row], names: Sequence[str], unit: str) -> str:
    """Why there is no verdict, in words; empty where a row has an interval.

    Args:
        rows: with the column `seeds`.
        names: columns of a difference and of the ends of its interval.
        unit: what a seed is, in words.
    """
    if not rows or any(np.isfinite(row[names[1]]) for row in rows):
        return ""
    seeds = int(rows[0]["seeds"])
    said = f"no verdict with {seeds} {unit}{'s' if seeds != 1 else ''}"
    return f"{said}{f' ({MIN_SEEDS} are needed)' if seeds < MIN_SEEDS else ', without an interval'}"


def widest(rows: Sequence[Row]) -> list[Row]:
    """The rows in the modality that holds the others."""
    modality = max((row["modality"] for row in rows), key=len, default="")
    return [row for row in rows if row["modality"] == modality]


def groups(rows: Sequence[Row], kind: Callable[[Row], str], words: Callable[[Row], str]) -> str:
    """Rows by kind, each kind with their number and the rows in words."""
    return ", ".join(
        f"{len(own)} {name} ({'; '.join(map(words, own))})" for name, own in by_kind(rows, kind)
    )


def by_kind(rows: Sequence[Row], kind: Callable[[Row], str]) -> list[tuple[str, list[Row]]]:
    """Rows by kind, the most common kind first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(kind(row), []).append(row)
    return sorted(found.items(), key=lambda item: -len(item[1]))
