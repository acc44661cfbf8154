"""Whether pairs of classes with larger weights in the confusion loss have smaller errors.

A pair's change since the start of training says nothing about it: pairs whose error is high at the
start by chance have a high degree, and so a large weight, and come back to their mean afterwards
(regression to the mean). So the error is compared with that of the same pair in a model that was
trained with the same seed and flat weights. What both models share cancels; chance in the weighted
model itself does not: an error that is high by chance comes with a larger weight, which pushes the
slope up, against the method.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from diccae.functional.arguments import ArgumentError

# weights within this share of the largest are equal but for rounding
ROUNDING = 1e-6


def pair_errors(confusion: Int[NDArray[np.int64], "c c"]) -> Float[NDArray[np.float64], "c c"]:
    """Share in percent of the clips of either class of a pair that are classified as the other one.

    Args:
        confusion: (C, C) number of clips by true (rows) and predicted class (columns).

    Returns:
        (C, C), symmetric, with a diagonal of 0; NaN for two classes without clips.
    """
    clips = confusion.sum(1)
    both = clips[:, None] + clips[None]
    wrong = (confusion + confusion.T).astype(float)
    np.fill_diagonal(wrong, 0)
    return 100 * np.divide(wrong, both, out=np.full(wrong.shape, np.nan), where=both > 0)


def pair_slope(
    weights: Float[NDArray[np.float64], "c c"], change: Float[NDArray[np.float64], "c c"]
) -> float:
    """Slope of the least squares line of the change of a pair's error on its weight, over all pairs
    of different classes; NaN where all weights are equal.

    Args:
        weights: (C, C) weights of pairs, symmetric; the diagonal is not read.
        change: (C, C) error with these weights minus error with flat weights, symmetric.

    Raises:
        ArgumentError: shapes differ, or a value off the diagonal is not finite.
    """
    (slope,) = _Pairs(weights[None], change[None]).slopes()
    return float(slope)


def mantel_pvalue(
    weights: Float[NDArray[np.float64], "s c c"],
    change: Float[NDArray[np.float64], "s c c"],
    permutations: int,
    rng: np.random.Generator,
) -> float:
    """Two-sided p-value of the mean slope of S seeds, by permutation of the classes (Mantel, 1967).

    Pairs that share a class are not independent, so the classes of the weights are renamed at
    random, all pairs of a class together, and in all seeds alike. The p-value is the share of the
    renamings, the given one included, whose mean slope is as far from 0 or farther.

    Args:
        weights, change: as in `pair_slope`, for each seed.
        permutations: how many random renamings.
        rng: draws them.

    Returns:
        At least 1 / (permutations + 1); NaN where the weights of a seed are all equal.

    Raises:
        ArgumentError: shapes differ, or a value off the diagonal is not finite.
    """
    pairs = _Pairs(weights, change)
    found = abs(pairs.slopes().mean())
    if np.isnan(found):
        return float("nan")
    classes = weights.shape[-1]
    drawn = (pairs.slopes(rng.permutation(classes)).mean() for _ in range(permutations))
    # a renaming that changes nothing gives the same slope but for rounding
    as_far = sum(abs(slope) >= found * (1 - 1e-9) for slope in drawn)
    return (1 + as_far) / (1 + permutations)


class _Pairs:
    """Weights and changes of all pairs, (S, C, C), each centred over the pairs of a seed."""

    def __init__(self, weights: NDArray[np.float64], change: NDArray[np.float64]) -> None:
        if weights.shape != change.shape or weights.shape[1:2] != weights.shape[2:]:
            raise ArgumentError(
                "change", f"wanted the shape of the weights, {weights.shape}, got {change.shape}"
            )
        off = ~np.eye(weights.shape[-1], dtype=bool)
        for name, values in (("weights", weights), ("change", change)):
            bad = int((~np.isfinite(values[:, off])).sum())
            if bad:
                raise ArgumentError(name, f"{bad} pairs of classes are not finite")
        self.weights, self.change = (_centred(each, off) for each in (weights, change))
        self.spread = (self.weights**2).sum((1, 2))
        largest = np.abs(np.where(off, weights, 0)).max((1, 2), initial=0)
        flat = np.abs(self.weights).max((1, 2), initial=0) <= ROUNDING * largest
        self.spread[flat] = np.nan

    def slopes(self, order: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """(S,) slopes, with the classes of the weights in another order."""
        weights = self.weights if order is None else self.weights[:, order][:, :, order]
        return (weights * self.change).sum((1, 2)) / self.spread


def _centred(values: NDArray[np.float64], off: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = values.astype(float)
    mean = values[:, off].mean(1) if off.any() else np.zeros(len(values))
    return np.where(off, values - mean[:, None, None], 0.0)
