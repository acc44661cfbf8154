"""What the claims about the sweep of fixed weights, Figure 3, compare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.verdicts import best_of_others
from diccae.plans import Plan
from diccae.reporting import collect

# tests of claims: the best fixed weight over the largest, dynamic weighting over the best fixed
THRESHOLD, DYNAMIC = "threshold", "dynamic_best"


class SweepPair(NamedTuple):
    """Two sides of a claim about Figure 3, the one that the claim says is better first.

    Attributes:
        clips: the N test clips, with the columns `label` and `group`.
        first, second: (S, N) share of each clip that each seed classified correctly.
        words: what is compared.
    """

    clips: pd.DataFrame
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    words: str


def sweep_pair(plan: Plan, test: str) -> SweepPair:
    """The two sides of a claim about the sweep of a plan that has one, with two seeds or more. The
    best fixed weight of a seed is chosen by the validation accuracy of the other seeds.

    Args:
        plan: the plan.
        test: `THRESHOLD` or `DYNAMIC`.

    Raises:
        UserError: a run is missing, or two runs scored different clips.
    """
    sweep = plan.figure3
    assert sweep is not None
    fixed, largest = sweep.variants[:-1], sweep.variants[len(sweep.weights) - 1]
    other = largest if test == THRESHOLD else sweep.dynamic
    *swept, own = collect.hits_of(plan, *((name, sweep.modality) for name in (*fixed, other)))
    validation = [collect.accuracy(plan, name, sweep.modality, "validation") for name in fixed]
    best = best_of_others(np.stack(validation), np.stack(swept).astype(np.float64))
    clips, scores = collect.clips(plan, other, sweep.modality), own.astype(np.float64)
    if test == THRESHOLD:
        return SweepPair(clips, best, scores, f"best fixed weight over {largest}")
    return SweepPair(clips, scores, best, "dynamic over the best fixed weight")
