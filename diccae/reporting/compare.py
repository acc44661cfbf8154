"""Differences between the tables of two results folders, cell by cell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from diccae.artifact import FOLDERS
from diccae.artifacts import columns_of
from diccae.errors import UserError
from diccae.reporting.seed_noise import seed_spread

# subfolders of a results folder that hold no tables of another plan
NO_PLANS = (
    *(folder.rstrip("/") for folder in FOLDERS),
    "runs",
    "data",
    "reference",
    "benchmarks",
    "logs",
    "work",
)
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|[+-]?inf")
PRESENT, EMPTY = "present", "(empty)"


@dataclass(frozen=True)
class Difference:
    """A cell, row, column or table that differs.

    Attributes:
        file: the table, relative to both folders.
        row: the row, by the columns that name it.
        column: the column; `(whole row)` or `(whole table)` for one that a side lacks.
        mine, reference: the values; numbers, or words.
        spread: the spread over seeds that the reference states for the cell, see `seed_spread`;
            None where it states none or where a side has no number.
    """

    file: str
    row: str
    column: str
    mine: float | str
    reference: float | str
    spread: float | None = None


def compare(
    mine: Path, reference: Path, tolerance: float = 0.0, only: Path | None = None
) -> pd.DataFrame:
    """What differs between the CSV files of two results folders.

    A cell differs if its text does, unless both texts are numbers that differ by at most the
    tolerance. So does a number, column, row, repeated row or table that one side lacks.

    Args:
        mine, reference: results folders.
        tolerance: largest difference of numbers that counts as equal, in the unit of the column.
        only: a single file to compare, relative to both folders.

    Returns:
        One row for each difference: file, row, column, mine, reference.

    Raises:
        UserError: a folder is missing or has no tables, or a table cannot be read.
    """
    names: list[Path] = [only] if only else common_tables(mine, reference)[0]
    found = [d for name in names for d in differences(mine, reference, name, tolerance)]
    columns = ["file", "row", "column", "mine", "reference"]
    return pd.DataFrame([[getattr(d, c) for c in columns] for d in found], columns=columns)


def common_tables(mine: Path, reference: Path) -> tuple[list[Path], list[str]]:
    """Tables to compare, and the folders of other plans that one side lacks, in words.

    The tables of a plan lie in one folder and its `ablations` and `systems`. Where both sides have
    tables of a plan, every table of either side is compared.

    Raises:
        UserError: a folder is missing or has no tables, or there is no plan of which both have
            tables.
    """
    sides = {}
    for folder in (mine, reference):
        if not folder.is_dir():
            raise UserError(f"{folder} is not there; name two results folders")
        sides[folder] = _plans(folder)
        if not sides[folder]:
            raise UserError(
                f"{folder} has no table (*.csv); build one first, e.g. "
                "`snakemake --cores all results/table2.csv`, or name another folder"
            )
    names: list[Path] = []
    apart = []
    for plan in sorted(sides[mine].keys() | sides[reference].keys()):
        own, other = (sides[folder].get(plan, set()) for folder in (mine, reference))
        if own and other:
            names += sorted(own | other)
        else:
            lacking = reference if own else mine
            apart.append(f"{plan}: {lacking} has none of its tables")
    if not names:
        raise UserError(
            f"{mine} and {reference} have no table of the same plan: {'; '.join(apart)}; "
            "name the folders of one plan, e.g. results/embedded-full"
        )
    return names, apart


def has_tables(folder: Path) -> bool:
    """Whether a results folder has a table."""
    return bool(_plans(folder))


def _plans(folder: Path) -> dict[str, set[Path]]:
    """Tables by the folder of their plan, `.` for those that lie in the folder itself."""
    subfolders = [path for path in folder.iterdir() if path.is_dir() and path.name not in NO_PLANS]
    found = {}
    for place in (folder, *subfolders):
        paths = {p.relative_to(folder) for p in (*place.glob("*.csv"), *_single(place))}
        if paths:
            found[place.relative_to(folder).as_posix()] = paths
    return found


def _single(place: Path) -> Iterator[Path]:
    return (path for folder in FOLDERS for path in place.glob(f"{folder}*.csv"))


def differences(
    mine: Path, reference: Path, name: Path, tolerance: float = 0.0
) -> Iterator[Difference]:
    """What differs in one table; arguments as in `compare`.

    Raises:
        UserError: a table cannot be read.
    """
    here, there = (folder / name for folder in (mine, reference))
    if not (here.is_file() and there.is_file()):
        yield Difference(str(name), "(all rows)", "(whole table)", *_missing("table", here, there))
        return
    own, other = _read(here), _read(there)
    for column in map(str, own.columns.symmetric_difference(other.columns, sort=False)):
        words = _missing("column", column in own, column in other)
        yield Difference(str(name), "(all rows)", column, *words)
    keys = [key for key in columns_of(name) if key in own and key in other]
    shared = [str(column) for column in own if column in other and column not in keys]
    rows, partners = _by_key(own, keys), _by_key(other, keys)
    for key in dict.fromkeys([*rows, *partners]):
        where = _words(keys, key)
        if key not in rows or key not in partners:
            words = _missing("row", key in rows, key in partners)
            yield Difference(str(name), where, "(whole row)", *words)
            continue
        for column in shared:
            first, second = str(own.at[rows[key], column]), str(other.at[partners[key], column])
            if differ(first, second, tolerance):
                both = number(first) is not None and number(second) is not None
                spread = seed_spread(other, partners[key], column, keys) if both else None
                yield Difference(str(name), where, column, _shown(first), _shown(second), spread)


def number(text: str) -> float | None:
    """The number that a cell holds; None for words, an empty cell, or an id such as 007."""
    return float(text) if NUMBER.fullmatch(text) else None


def differ(first: str, second: str, tolerance: float) -> bool:
    """Whether the texts of two cells differ, numbers by more than the tolerance."""
    a, b = number(first), number(second)
    if a is None or b is None:
        return first != second
    if math.isinf(a) or math.isinf(b):
        return a != b
    # 50.1 - 50 exceeds 0.1 by rounding
    return abs(a - b) > tolerance * (1 + 1e-9)


def _missing(what: str, here: object, there: object) -> tuple[str, str]:
    own = bool(here.is_file() if isinstance(here, Path) else here)
    other = bool(there.is_file() if isinstance(there, Path) else there)
    return (
        PRESENT if own else f"{what} missing here",
        PRESENT if other else f"{what} missing there",
    )


def _read(path: Path) -> pd.DataFrame:
    """A table of texts, as they stand in the file."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a table ({str(error).strip()}); build it again"
        ) from None


def _by_key(table: pd.DataFrame, keys: list[str]) -> dict[tuple[str, ...], int]:
    """Position of each row by its key and how often the key came before."""
    found: dict[tuple[str, ...], int] = {}
    seen: dict[tuple[str, ...], int] = {}
    for position in range(len(table)):
        key = tuple(_canonical(str(table.at[position, column])) for column in keys)
        seen[key] = seen.get(key, 0) + 1
        found[(*key, str(seen[key]))] = position
    return found


def _canonical(text: str) -> str:
    """A number in one spelling, so that 1, 1.0 and 1.0000 name the same row."""
    value = number(text)
    if value is None:
        return text
    return str(int(value)) if value.is_integer() else repr(value)


def _words(keys: list[str], key: tuple[str, ...]) -> str:
    *cells, time = key
    if not keys:
        return f"row {time}"
    named = ", ".join(f"{name} {cell}" for name, cell in zip(keys, cells, strict=True) if cell)
    return named if time == "1" else f"{named}, time {time}"


def _shown(text: str) -> float | str:
    value = number(text)
    return value if value is not None else text or EMPTY
