"""Random permutations that leave no element, or no pair of elements, in its place."""

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


def derangement_of_pairs(n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """A permutation p of 0 to n - 1 that maps no element and no pair {i, j} to itself, all of them
    equally likely.

    These are the permutations without cycles of one or two elements. They exist for every n of at
    least 3; permutations are drawn until one has no such cycle, about e^1.5 = 4.5 times.

    Args:
        n: number of elements.
        rng: source of the draws.

    Raises:
        ValueError: n is less than 3. The only pair of two elements has no other place.
    """
    if n < 3:
        raise ValueError(f"n: wanted at least 3, got {n}: two elements make only one pair")
    places = np.arange(n)
    while True:
        drawn = rng.permutation(n)
        # twice in a row leads back from a cycle of one element and from one of two
        if (drawn[drawn] != places).all():
            return drawn
