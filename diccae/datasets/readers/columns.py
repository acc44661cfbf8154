"""Columns of lists with millions of rows, kept in Arrow's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def arrow(column: pd.Series) -> pa.Array:
    """A column (N,) as one Arrow array, text as large strings; copied only where necessary."""
    array = pa.array(column)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.cast(pa.large_string()) if column.dtype in ("str", object) else array


def text(values: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Arrow strings (N,) as a column of text that stays in Arrow's memory."""
    return values.cast(pa.large_string()).to_pandas()


def join(*parts: pd.Series | str) -> pd.Series:
    """Concatenate columns (N,) and constants row by row to one column of text (N,)."""
    kind = pa.large_string()
    arrays = [pa.scalar(part, kind) if isinstance(part, str) else arrow(part) for part in parts]
    return text(pc.binary_join_element_wise(*arrays, pa.scalar("", kind)))


def map_values(column: pd.Series, change: Callable[[Any], Any]) -> np.ndarray:
    """Apply `change` to a column (N,) and return an array (N,); called once per distinct value."""
    encoded = arrow(column).dictionary_encode()
    return np.array([change(value) for value in encoded.dictionary.to_pylist()])[
        encoded.indices.to_numpy()
    ]


def map_text(column: pd.Series, change: Callable[[Any], str]) -> pd.Series:
    """Apply `change` to a column (N,) and return text (N,); called once per distinct value."""
    encoded = arrow(column).dictionary_encode()
    changed = pa.array(
        [change(value) for value in encoded.dictionary.to_pylist()], pa.large_string()
    )
    return text(changed.take(encoded.indices))
