"""The interval of an accuracy and of a difference: over seeds, or, where the clips are tested in
folds, over groups and rotations; accuracies in log-odds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.bootstrap import (
    ACCURACY,
    DIFFERENCE,
    MIN_SEEDS,
    Interval,
    paired_t_interval,
    t_interval,
)
from diccae.functional.two_way import two_way_interval
from diccae.plans import Plan
from diccae.reporting.repetitions import repetition


def too_few(plan: Plan) -> str:
    """Why nothing of the plan has an interval, in words; empty where it has seeds enough."""
    seeds, unit = len(plan.seeds), repetition(plan)
    if seeds >= MIN_SEEDS:
        return ""
    return (
        f"{seeds} {unit}{'s give' if seeds != 1 else ' gives'} no interval; {MIN_SEEDS} are needed"
    )


def sources(plan: Plan) -> str:
    """What the intervals of the plan are over, in words."""
    return f"{'groups and ' if plan.split_into else ''}{repetition(plan)}s"


def kind_of(plan: Plan, clips: pd.DataFrame) -> dict[str, Any]:
    """The cells of a row that name the kind of interval and count what it is over; none without
    folds.

    Args:
        clips: the test clips, with the column `group`.
    """
    if plan.split_into is None:
        return {}
    return {
        "seeds": len(plan.seeds),
        "groups": clips["group"].nunique(),
        "interval": f"two-way, {sources(plan)}",
    }


def accuracy_interval(plan: Plan, clips: pd.DataFrame, correct: NDArray[np.bool_]) -> Interval:
    """The interval of an accuracy in percent.

    Args:
        plan: decides which kind.
        clips: the N test clips, with the columns `label` and `group`.
        correct: (S, N) whether each seed classified each clip correctly.
    """
    if plan.split_into is None:
        return t_interval(100 * correct.mean(axis=1), limits=ACCURACY)
    return two_way_interval(100.0 * correct, clips["label"], clips["group"], limits=ACCURACY)


def difference_interval(
    plan: Plan,
    clips: pd.DataFrame,
    first: NDArray[np.bool_] | NDArray[np.float64],
    second: NDArray[np.bool_] | NDArray[np.float64],
    level: float = 0.95,
) -> Interval:
    """The interval of first - second in percentage points, paired by seed and clip.

    Arguments as in `accuracy_interval`; `first` and `second` are (S, N), shares if not booleans.
    """
    if plan.split_into is None:
        pair = 100 * first.mean(axis=1), 100 * second.mean(axis=1)
        return paired_t_interval(*pair, level, limits=DIFFERENCE)
    values = 100.0 * first - 100.0 * second
    return two_way_interval(values, clips["label"], clips["group"], level, limits=DIFFERENCE)


def over_seeds_and_clips(
    plan: Plan,
    clips: pd.DataFrame,
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    level: float = 0.95,
) -> Interval:
    """The two-way interval of first - second in percentage points for other seeds and other test
    clips at once, each clip independent; arguments as in `accuracy_interval`.

    The interval over seeds holds for the test clips that all seeds share. Both ends are NaN where
    that has none.

    Raises:
        ValueError: a plan with folds, whose intervals are two-way over groups already.
    """
    if plan.split_into is not None:
        raise ValueError("over_seeds_and_clips: wanted a plan without folds")
    interval = difference_interval(plan, clips, first, second, level)
    if not np.isfinite(interval.low):
        return interval
    values = 100.0 * first - 100.0 * second
    return two_way_interval(values, clips["label"], np.arange(len(clips)), level, limits=DIFFERENCE)


def log_odds(percent: Any, clips: float = math.inf) -> Any:
    """Log-odds of accuracies in percent; of so many clips, half a clip is added to those that are
    right and to those that are wrong, so that they are finite."""
    half = 50 / clips
    return np.log((percent + half) / (100 - percent + half))
