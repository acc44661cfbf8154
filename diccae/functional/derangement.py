"""Random permutations that leave no element in its place."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def derangement(n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """A permutation p of 0 to n - 1 with p[i] != i for every i, all of them equally likely.

    Permutations are drawn until one has no fixed point, about e = 2.7 times.

    Args:
        n: number of elements.
        rng: source of the draws.

    Raises:
        ValueError: n is less than 2, for which there is none.
    """
    if n < 2:
        raise ValueError(f"n: wanted at least 2, got {n}: a single element has no other place")
    places = np.arange(n)
    while True:
        drawn = rng.permutation(n)
        if (drawn != places).all():
            return drawn
