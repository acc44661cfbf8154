"""The spread over seeds that a table states, against which another run of the same plan is held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

# columns that are no accuracy and no difference of two: equal or different
COUNTS = {
    "seeds",
    "n_test",
    "groups",
    "pairs",
    "weight",
    "paper",
    "paper_drop",
    "paper_drop_log_odds",
    "drop_log_odds",
    "errors_on_pairs",
    "smallest_visible",
    "family_size",
}
# columns that are computed from another column of their row and state no spread
FOLLOWS = {
    "drop_log_odds": "drop",
    "errors_on_pairs": "top1",
    **{f"{name}_errors_on_pairs": name for name in ("A", "V", "AV")},
    "smallest_visible": "drop",
    "spearman_degree_top1": "degree_mean",
}


def seed_spread(table: pd.DataFrame, row: int, column: str, keys: Sequence[str]) -> float | None:
    """The spread over seeds that a table states for one of its cells, in the unit of the cell.

    1. A table with the column `seed_std`: the value of the row, a standard deviation over seeds in
       points, for every accuracy, every drop and the ends of their intervals.
    2. A table with one row a seed: the standard deviation of the column over the rows that differ
       from this one in the seed alone.
    3. A table with intervals over seeds (`low` and `high`, `<column>_low` and `<column>_high`):
       half the width of the interval, for the value and both ends.

    Args:
        table: texts of the cells.
        row: position of the row.
        column: the column.
        keys: columns that name a row.

    Returns:
        None where the table states none.
    """
    if column in COUNTS:
        return None
    if "seed_std" in table:
        return _finite(str(table.at[row, "seed_std"]))
    if "seed" in keys:
        others = [key for key in keys if key != "seed"]
        alike = (table[others] == table.loc[row, others]).all(axis=1)
        values = pd.to_numeric(table.loc[alike, column], errors="coerce")
        return float(values.std(ddof=1)) if len(values) > 1 and values.notna().all() else None
    stem = column
    for end in ("_low", "_high", "_single_view"):
        stem = stem.removesuffix(end)
    low, high = (
        ("low", "high")
        if stem in ("low", "high", "top1") and "low" in table
        else (f"{stem}_low", f"{stem}_high")
    )
    if low not in table or high not in table:
        return None
    ends = _finite(str(table.at[row, low])), _finite(str(table.at[row, high]))
    return None if ends[0] is None or ends[1] is None else (ends[1] - ends[0]) / 2


def _finite(text: str) -> float | None:
    value = pd.to_numeric(text, errors="coerce")
    return float(value) if np.isfinite(value) else None
