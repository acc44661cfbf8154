"""Tables and numbers as the page shows them, and where each row stands in its CSV file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from diccae.artifacts import columns_of
from diccae.functional.verdicts import TOO_FEW
from diccae.stored_file import MAKE_AGAIN, reading

# a signed number with its interval, if it has one
DIFFERENCE = re.compile(r"[+-]\d+\.\d+(?: \[[^\]]*\])?")
MINUS = re.compile(r"(?<![\w.])-(?=\d)")


def _table(path: Path) -> pd.DataFrame:
    with reading(path, MAKE_AGAIN):
        return pd.read_csv(path)


class Row(dict[str, Any]):
    """A row of a table, as a mapping from column to value, that knows its place.

    Attributes:
        anchor: id of the row in the page, from the table and the columns that name a row, as
            `table2-no_infonce-AV`; the second row of a name ends in `-2`.
        href: the row in the CSV file beside the page, as RFC 7111 names rows: `table2.csv#row=7`,
            where the row of the names of columns is 1.
    """

    def __init__(self, values: dict[str, Any], anchor: str, href: str) -> None:
        super().__init__(values)
        self.anchor, self.href = anchor, href


def rows(path: Path) -> list[Row] | None:
    """Rows of a table; None where the file does not exist."""
    return placed(_table(path), path.stem) if path.is_file() else None


def placed(table: pd.DataFrame, name: str) -> list[Row]:
    """Rows of the table that `<name>.csv` holds."""
    found, seen = [], dict[str, int]()
    columns = columns_of(Path(f"{name}.csv"))
    for line, values in enumerate(cast(list[dict[str, Any]], table.to_dict("records")), start=2):
        words = "-".join([name, *(str(values[column]) for column in columns)])
        # white space cannot stand in an id, and a percent sign not in a link to it
        anchor = re.sub(r"[^\w.,=@/+-]+", "_", words)
        seen[anchor] = seen.get(anchor, 0) + 1
        anchor += f"-{seen[anchor]}" if seen[anchor] > 1 else ""
        found.append(Row(values, anchor, f"{name}.csv#row={line}"))
    return found


def quality(path: Path) -> list[dict[str, Any]] | None:
    """Feature quality: means over seeds, but of the variance, which one seed can dominate, the
    median."""
    if not path.is_file():
        return None
    groups = _table(path).drop(columns="seed").groupby(["variant", "modality"], sort=False)
    means = groups.mean(numeric_only=True)
    means["degree_variance"] = groups["degree_variance"].median()
    return cast(list[dict[str, Any]], means.reset_index().to_dict("records"))


def number(value: Any, digits: int = 1, signed: bool = False) -> str:
    """A number with so many digits and a real minus sign; a dash where there is none."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    # the sum of differences that cancel may be a zero below zero
    return f"{value + 0.0:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def interval(row: dict[str, Any], low: str, high: str, digits: int = 1, absent: str = "–") -> str:
    """An interval by the columns of its ends; without one, whether more seeds would give it, or
    `absent` where there is no value either."""
    if low not in row or not np.isfinite(row[low]):
        # drop_low and drop_clip_low are ends of intervals of drop
        value = {"low": "top1"}.get(low, low.removesuffix("_low"))
        value = value if value in row else value.removesuffix("_clip")
        return TOO_FEW if np.isfinite(row.get(value, np.nan)) else absent
    return f"[{number(row[low], digits)}, {number(row[high], digits)}]"


def significant(value: float, digits: int = 3) -> str:
    """A size with so many significant digits, or its whole part where that has more, so that a
    small one is not 0; a dash where there is none."""
    if not np.isfinite(value) or value == 0:
        return number(value, 0)
    shown = number(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
    # a table has four decimals, so the last digits of a small number may not be known
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def counted(number: int, noun: str) -> str:
    """A number of things in words: `1 seed`, `4 seeds`."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def p_value(value: float) -> str:
    """A p-value with its sign of equality; one below 0.001 by that bound."""
    if not np.isfinite(value):
        return "–"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def evidence(row: dict[str, Any]) -> str:
    """The evidence for a claim as claims.csv has it, with the units of its numbers and real minus
    signs."""
    words = str(row["evidence"])
    if row["rule"] in ("drop", "gain", "order", "gaps"):
        words = DIFFERENCE.sub(r"\g<0> points", words)
    words = words.replace("fall of the logarithm of ", "logarithm of the variance without − with: ")
    words = words.replace("fall of ", "mean degree without − with: ")
    return MINUS.sub("−", words)
