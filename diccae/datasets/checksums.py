"""Checksums of the rows of a stored cache, by which a damaged clip is found.

CRC-32 runs at several gigabytes a second, so every process that trains can afford to check all
rows. It finds accidents; a deliberate edit is found by the SHA-256 of the arrays in meta.json.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd


def checksum(row: np.ndarray) -> int:
    """CRC-32 of the bytes of an array."""
    return zlib.crc32(np.ascontiguousarray(row).data)


def column(array: str) -> str:
    """The column of the index that holds the checksums of an array (`frames`, `fbank`)."""
    return f"{array}_crc32"


def checksums(frames: Any = None, fbank: Any = None) -> pd.DataFrame:
    """The checksum of every row of the arrays that a cache has, one column each."""
    arrays = {"frames": frames, "fbank": fbank}
    return pd.DataFrame(
        {
            column(name): np.fromiter((checksum(row) for row in array), np.int64, len(array))
            for name, array in arrays.items()
            if array is not None
        }
    )


def damaged_rows(array: Any, stated: np.ndarray, rows: Iterable[int]) -> list[int]:
    """The rows whose bytes do not have their checksum.

    Args:
        array: (N, ...), an array of a stored cache.
        stated: (N,) checksums.
        rows: the rows to check.
    """
    return [row for row in map(int, rows) if checksum(array[row]) != stated[row]]
