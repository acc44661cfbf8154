"""Tables and numbers as the page shows them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from diccae.functional.verdicts import TOO_FEW
from diccae.stored_file import MAKE_AGAIN, reading

# a signed number with its interval, if it has one
DIFFERENCE = re.compile(r"[+-]\d+\.\d+(?: \[[^\]]*\])?")
MINUS = re.compile(r"(?<![\w.])-(?=\d)")


def _table(path: Path) -> pd.DataFrame:
    with reading(path, MAKE_AGAIN):
        return pd.read_csv(path)


def rows(path: Path) -> list[dict[str, Any]] | None:
    """Rows of a table as mappings from column to value; None where the file does not exist."""
    return cast(list[dict[str, Any]], _table(path).to_dict("records")) if path.is_file() else None


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
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def interval(row: dict[str, Any], low: str, high: str, digits: int = 1) -> str:
    """An interval by the columns of its ends; without one, whether more seeds would give it."""
    if low not in row or not np.isfinite(row[low]):
        # drop_low and drop_clip_low are ends of intervals of drop
        value = {"low": "top1"}.get(low, low.removesuffix("_low"))
        value = value if value in row else value.removesuffix("_clip")
        return TOO_FEW if np.isfinite(row.get(value, np.nan)) else "–"
    return f"[{number(row[low], digits)}, {number(row[high], digits)}]"


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
