"""Two CSV files compared cell by cell, as text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Difference:
    """Where a table differs from the one that was computed again, and how."""

    where: str
    message: str


def differences(mine: Path, computed: Path, names: Sequence[str]) -> Iterator[Difference]:
    """Every cell, row and column of a CSV file that is not what was computed.

    Two files of other bytes that have no such difference have other line ends or quotes.

    Args:
        mine: the file to check.
        computed: what it should be.
        names: columns that name a row; where both files lack one of them, rows are counted.

    Raises:
        ValueError: `mine` is not a CSV file.
    """
    (columns, rows), (wanted_columns, wanted_rows) = _read(mine), _read(computed)
    yield from _lists(columns, wanted_columns, "column")
    known = [name for name in names if name in columns and name in wanted_columns]
    one, other = _by_key(columns, rows, known), _by_key(wanted_columns, wanted_rows, known)
    yield from _lists(list(one), list(other), "row")
    common = [column for column in dict.fromkeys(columns) if column in wanted_columns]
    for key, row in one.items():
        for column in common if key in other else ():
            says, gives = row.get(column, ""), other[key].get(column, "")
            if says != gives:
                equal = " (equal values, other bytes)" if _same_number(says, gives) else ""
                words = f"says {says or 'nothing'}, the runs give {gives or 'nothing'}{equal}"
                yield Difference(f"{key}, {column}", words)
    for line, cells in enumerate(rows, start=2):
        if len(cells) != len(columns):
            words = f"has {len(cells)} cells, the header has {len(columns)}"
            yield Difference(f"line {line}", words)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            lines = list(csv.reader(handle, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    return (lines[0], lines[1:]) if lines else ([], [])


def _by_key(
    columns: list[str], rows: list[list[str]], names: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Rows by what names them; a further row of the same name is counted."""
    seen: Counter[str] = Counter()
    found = {}
    for number, row in enumerate(rows, start=1):
        cells = dict(zip(columns, row, strict=False))
        name = ", ".join(f"{key} {cells[key]}" for key in names if cells.get(key))
        name = name or f"row {number}"
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} (number {seen[name]})"] = cells
    return found


def _lists(mine: list[str], wanted: list[str], what: str) -> Iterator[Difference]:
    """Names that one list has and the other lacks, or has more often; or another order."""
    one, other = Counter(mine), Counter(wanted)
    for name in other - one:
        yield Difference(name, f"this {what} is missing here, the runs give it")
    for name in one - other:
        words = f"the runs give this {what} once" if name in other else f"no such {what}"
        yield Difference(name, f"{words}: it was added")
    if one == other and mine != wanted:
        yield Difference(f"{what}s", f"the {what}s stand in another order than the runs give")


def _same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False
