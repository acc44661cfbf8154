"""Writing of tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from diccae.whole_file import whole_file


def save(table: pd.DataFrame, out: Path) -> None:
    """Write a table as CSV with four decimals; an interrupted write leaves the old file."""
    with whole_file(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")
