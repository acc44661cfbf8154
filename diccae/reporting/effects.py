"""The effects that the paper claims, one row each: the drops of Table 2 and the gains of Figure 3,
with interval, verdict and smallest visible effect."""

from __future__ import annotations

from typing import Any

import pandas as pd

from diccae.plans import Plan
from diccae.reporting import collect, paper, verdicts
from diccae.reporting.intervals import difference_interval, log_odds
from diccae.reporting.sweep import DYNAMIC, THRESHOLD, SweepPair, sweep_pair
from diccae.reporting.visible import visible_difference

COLUMNS = [
    "claim",
    "modality",
    "seeds",
    "top1",
    "drop",
    "low",
    "high",
    "level",
    "family",
    "verdict",
    "smallest_visible",
    "drop_log_odds",
    "paper_drop",
    "paper_drop_log_odds",
]
OF_TABLE2 = "table2/"
SWEEP = {"fig3/threshold": THRESHOLD, "fig3/dynamic_better": DYNAMIC}


def effects(plan: Plan) -> pd.DataFrame:
    """One row for each effect and modality that the plan has.

    `top1` is the accuracy of the side that the claim says is better, `drop` how much lower the
    other one is, in points and in log-odds. `low` and `high` are the ends of its interval at
    `level` percent, which is simultaneous for primary rows; `smallest_visible` is the smallest true
    drop that a 95 % interval shows with 80 % power.

    Raises:
        UserError: a run is missing, or two runs scored different clips.
    """
    rows = []
    section = plan.table2
    for modality in section.modalities if section else ():
        for variant in section.variants if section else ():
            if variant != plan.reference:
                rows.append(_drop(plan, variant, modality))
    # the best weight of a seed is chosen on the others
    if plan.figure3 is not None and len(plan.seeds) > 1:
        rows += [_gain(plan, claim, sweep_pair(plan, test)) for claim, test in SWEEP.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def printed_effect(claim: str, modality: str) -> tuple[float | None, float | None]:
    """The drop that the paper prints for an effect, in points and in log-odds; None where it prints
    none."""
    variant = claim.removeprefix(OF_TABLE2)
    drop = paper.printed_drop(variant, modality)
    if drop is None:
        return None, None
    names = paper.WHOLE, paper.paper_row(variant)
    whole, less = (log_odds(paper.printed("table2", name, modality)) for name in names)
    return drop, whole - less


def _drop(plan: Plan, variant: str, modality: str) -> dict[str, Any]:
    full, own = collect.hits_of(plan, (plan.reference, modality), (variant, modality))
    clips = collect.clips(plan, variant, modality)
    pair = SweepPair(clips, full.astype(float), own.astype(float), "")
    return _row(plan, f"{OF_TABLE2}{variant}", modality, pair)


def _gain(plan: Plan, claim: str, pair: SweepPair) -> dict[str, Any]:
    assert plan.figure3 is not None
    return _row(plan, claim, plan.figure3.modality, pair)


def _row(plan: Plan, claim: str, modality: str, pair: SweepPair) -> dict[str, Any]:
    primary = verdicts.is_primary(plan, claim.removeprefix(OF_TABLE2), modality)
    printed, printed_odds = printed_effect(claim, modality)
    level = verdicts.primary_level(plan) if primary else 1 - verdicts.error()
    sesoi = verdicts.effect_sizes()[0] if primary else None
    first, second = pair.first, pair.second
    interval = difference_interval(plan, pair.clips, first, second, level)
    accuracies = [100 * side.mean(axis=1) for side in (first, second)]
    better, worse = (log_odds(values, first.shape[1]) for values in accuracies)
    return {
        "claim": claim,
        "modality": modality,
        "seeds": len(plan.seeds),
        "top1": accuracies[0].mean(),
        "drop": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "level": 100 * level,
        "family": "primary" if primary else "exploratory",
        "verdict": verdicts.judge_difference(plan, interval, level, printed, sesoi)[0],
        "smallest_visible": visible_difference(plan, pair.clips, first, second),
        "drop_log_odds": (better - worse).mean(),
        "paper_drop": printed,
        "paper_drop_log_odds": printed_odds,
    }
