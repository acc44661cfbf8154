"""Frames of a clip that are decoded when they are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class ClipFrames:
    """Stands for an array (T, H, W, 3) of frames, of which only those are decoded that are taken.

    `frames[numbers]` is uint8, for a slice or an array of numbers as with NumPy; `np.asarray`
    takes all.

    Args:
        count: T, the number of frames.
        decode: takes increasing numbers of frames and returns the frames, uint8 (n, H, W, 3).
    """

    def __init__(self, count: int, decode: Callable[[Sequence[int]], np.ndarray]) -> None:
        self.count, self.decode = count, decode

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, numbers: Any) -> np.ndarray:
        chosen = np.arange(self.count)[numbers]
        wanted = np.unique(chosen)
        return self.decode(wanted.tolist())[np.searchsorted(wanted, chosen)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.uint8, copy=False)
