"""Intervals and tests. The unit is the seed: it redraws the labelled subset, the initialisation and the order of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Interval = tuple[float, float]
NO_INTERVAL: Interval = (float("nan"), float("nan"))


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student's interval of the mean of (S,) values, one a seed; (nan, nan) for fewer than two."""
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return NO_INTERVAL
    half = stats.t.ppf((1 + level) / 2, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample))
    return float(sample.mean() - half), float(sample.mean() + half)


def paired_p_value(differences: ArrayLike) -> float:
    """Two-sided p of a t test that (S,) paired differences have mean 0; nan for fewer than two, 0 or 1 where they do not vary."""
    sample = np.asarray(differences, dtype=float)
    if len(sample) < 2:
        return float("nan")
    spread = sample.std(ddof=1)
    if spread == 0:
        return float(sample.mean() == 0)
    return float(2 * stats.t.sf(abs(sample.mean()) / (spread / np.sqrt(len(sample))), len(sample) - 1))


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Holm's step-down adjustment of a family of p-values, in their order; nan stays nan and does not count."""
    raw = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(raw), np.nan)
    order = [index for index in np.argsort(raw) if not np.isnan(raw[index])]
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, (len(order) - rank) * raw[index])
        adjusted[index] = min(1.0, running)
    return adjusted


def clip_bootstrap(values: NDArray[np.float64], classes: NDArray[np.int64], rng: np.random.Generator, draws: int = 1000, level: float = 0.95) -> Interval:
    """Percentile interval of the mean over clips, drawn anew within each class.

    Args:
        values: (N,) one value a clip: its share of seeds that got it right, or the difference of two such shares.
        classes: (N,) the class of each clip.
    """
    totals = np.zeros(draws)
    for label in np.unique(classes):
        members = values[classes == label]
        totals += members[rng.integers(len(members), size=(draws, len(members)))].sum(axis=1)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(totals / len(values), [tail, 100 - tail])
    return float(low), float(high)


def order_support(drops: NDArray[np.float64], rng: np.random.Generator, draws: int = 5000) -> float:
    """Share of seed resamplings in which the means of (variants, S) drops stand in strictly falling order, in [0, 1]; nan for one seed."""
    seeds = drops.shape[1]
    if seeds < 2:
        return float("nan")
    means = drops[:, rng.integers(seeds, size=(draws, seeds))].mean(axis=2)
    return float((np.diff(means, axis=0) < 0).all(axis=0).mean())
