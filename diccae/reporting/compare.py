"""Differences between the tables of two results folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from diccae.artifacts import columns_of
from diccae.errors import UserError


def compare(
    mine: Path, reference: Path, tolerance: float = 0.0, only: Path | None = None
) -> pd.DataFrame:
    """Values that differ between the CSV files that both folders have.

    Args:
        mine, reference: results folders.
        tolerance: largest difference of numbers that counts as equal.
        only: a single file to compare, relative to both folders.

    Returns:
        One row for each difference: file, row, column, mine, reference.

    Raises:
        UserError: the folders have no file in common.
    """
    names = (
        [only] if only else sorted(path.relative_to(reference) for path in reference.rglob("*.csv"))
    )
    common = [name for name in names if (mine / name).is_file()]
    if not common:
        raise UserError(
            f"{mine} and {reference} have no table in common; build them first, e.g. "
            "`snakemake --cores all results/table2.csv`"
        )
    rows = []
    for name in common:
        one, other = (pd.read_csv(folder / name) for folder in (mine, reference))
        keys = [key for key in columns_of(name) if key in one and key in other]
        if not keys:
            one, other, keys = one.reset_index(), other.reset_index(), ["index"]
        merged = one.merge(other, on=keys, how="outer", suffixes=("", "_reference"), indicator=True)
        for _, row in merged.iterrows():
            where = ", ".join(f"{key} {row[key]}" for key in keys if pd.notna(row[key]))
            if row["_merge"] != "both":
                rows.append(
                    {
                        "file": str(name),
                        "row": where,
                        "column": "(whole row)",
                        "mine": row["_merge"] == "left_only",
                        "reference": row["_merge"] == "right_only",
                    }
                )
                continue
            for column in one.columns.difference(keys):
                own, reference_value = row[column], row.get(f"{column}_reference")
                differs = (
                    abs(own - reference_value) > tolerance
                    if isinstance(own, float) and isinstance(reference_value, float)
                    else own != reference_value
                )
                if differs and not (pd.isna(own) and pd.isna(reference_value)):
                    rows.append(
                        {
                            "file": str(name),
                            "row": where,
                            "column": column,
                            "mine": own,
                            "reference": reference_value,
                        }
                    )
    return pd.DataFrame(rows, columns=["file", "row", "column", "mine", "reference"])
