"""What the differences of two results folders amount to, one word for each table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from diccae.reporting.compare import Difference, common_tables, differences
from diccae.reporting.seed_noise import FOLLOWS

SAME_BYTES, SAME_VALUES = "same bytes", "same values"
NOISE, DIFFERENT = "within the noise of a seed", "different"
CLAIMS = "claims.csv"
WORDS = (SAME_BYTES, SAME_VALUES, NOISE, DIFFERENT)


@dataclass(frozen=True)
class Judged:
    """A table and what its differences amount to.

    Attributes:
        file: the table, relative to both folders.
        word: `same bytes`; `same values`: no cell differs by more than the tolerance, but the bytes
            do; `within the noise of a seed`: every cell that differs is a number that differs by at
            most the spread over seeds that the reference states for it, see `seed_spread`, or is
            computed from such a cell (`FOLLOWS`); in claims.csv the verdict is the same and the
            evidence, which repeats other tables, is not; `different`: anything else, and any
            difference between tables of the same runs.
        within: number of cells within the noise.
        beyond: the differences that are not.
    """

    file: str
    word: str
    within: int
    beyond: list[Difference]


def judge(
    mine: Path, reference: Path, tolerance: float = 0.0, same_runs: bool = False
) -> tuple[list[Judged], list[str]]:
    """One entry for each table, and the plans that were not compared, in words.

    Arguments and errors as in `diccae.reporting.compare.compare`; `same_runs` says that both sides
    have the same runs, so that no noise of a seed is between them.
    """
    names, apart = common_tables(mine, reference)
    # claims repeat what other tables say
    order = sorted(names, key=lambda name: name.name == CLAIMS)
    tables: list[Judged] = []
    for name in order:
        moved = any(table.within or table.beyond for table in tables)
        tables.append(_judge(mine, reference, name, tolerance, moved and not same_runs, same_runs))
    return sorted(tables, key=lambda table: names.index(Path(table.file))), apart


def _judge(
    mine: Path, reference: Path, name: Path, tolerance: float, moved: bool, same_runs: bool
) -> Judged:
    here, there = mine / name, reference / name
    if here.is_file() and there.is_file() and here.read_bytes() == there.read_bytes():
        return Judged(str(name), SAME_BYTES, 0, [])
    found = list(differences(mine, reference, name, tolerance))
    if not found:
        return Judged(str(name), SAME_VALUES, 0, [])
    if same_runs:
        return Judged(str(name), DIFFERENT, 0, found)
    beyond = []
    for _, row in groupby(found, key=lambda difference: difference.row):
        cells = list(row)
        near = {cell.column for cell in cells if _is_near(cell)}
        far = {cell.column for cell in cells} - near
        if name.name == CLAIMS and moved and far == {"evidence"}:
            continue
        beyond += [cell for cell in cells if cell.column in far and not _follows(cell, near)]
    return Judged(str(name), DIFFERENT if beyond else NOISE, len(found) - len(beyond), beyond)


def _is_near(cell: Difference) -> bool:
    if cell.spread is None or isinstance(cell.mine, str) or isinstance(cell.reference, str):
        return False
    return abs(cell.mine - cell.reference) <= cell.spread


def _follows(cell: Difference, near: set[str]) -> bool:
    """Whether a number is computed from a cell of its row that differs within the noise."""
    numbers = isinstance(cell.mine, float) and isinstance(cell.reference, float)
    return numbers and FOLLOWS.get(cell.column) in near
