"""Spread of a paired difference between seeds, from repetitions of one variant (A/A pairs)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def stream_spread(accuracy: ArrayLike) -> tuple[float, int]:
    """Standard deviation of the difference of two models that are trained in different random
    streams, and its degrees of freedom.

    It is sqrt(2 v), with v the mean over seeds of the variance between the streams of a seed: what
    two streams of a seed have in common (its labelled clips, its first clusters) does not count.

    Args:
        accuracy: (S, R) of S seeds in R streams each.

    Returns:
        The standard deviation in the unit of `accuracy`, and S (R - 1).

    Raises:
        ValueError: no seed, fewer than two streams, or a value that is not finite.
    """
    values = np.asarray(accuracy, float)
    if values.ndim != 2 or not values.shape[0] or values.shape[1] < 2:
        raise ValueError(f"stream_spread: wanted (S, R) with R >= 2, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("stream_spread: wanted finite accuracies")
    variance = float(values.var(axis=1, ddof=1).mean())
    return (2 * variance) ** 0.5, values.shape[0] * (values.shape[1] - 1)


def deviation_interval(value: float, freedom: int, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a standard deviation of normal values, by the chi-square distribution.

    Args:
        value: the estimate.
        freedom: its degrees of freedom.
        level: confidence level.
    """
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], freedom)
    return value * float(freedom / low) ** 0.5, value * float(freedom / high) ** 0.5
