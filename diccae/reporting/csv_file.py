"""How tables are written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from diccae.whole_file import whole_file


def save(table: pd.DataFrame, out: Path) -> None:
    """CSV with four decimals, whole or not at all."""
    with whole_file(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")
