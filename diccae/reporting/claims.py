"""A verdict on each claim of the paper, by the rules in configs/claims.yaml, which were fixed
before any result was known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.bootstrap import DIFFERENCE, MIN_SEEDS, Interval, t_interval
from diccae.functional.support import extreme_support, order_support, two_way_support
from diccae.plans import Plan
from diccae.reporting import collect, paper
from diccae.reporting.figures import figure2, figure3
from diccae.reporting.intervals import difference_interval, repetition
from diccae.sections import modalities_of

REPRODUCED, DIRECTION, CONTRADICTED = "reproduced", "direction only", "contradicted"
INCONCLUSIVE, NOT_TESTABLE = "inconclusive", "not testable on this data"
NOT_IN_PLAN = "not part of this plan"
TOO_FEW, SELF_CONTRADICTION = "too few seeds", "the paper contradicts itself"
VERDICTS = (
    REPRODUCED,
    DIRECTION,
    CONTRADICTED,
    INCONCLUSIVE,
    TOO_FEW,
    NOT_TESTABLE,
    NOT_IN_PLAN,
    SELF_CONTRADICTION,
)
NO_DEGREES = "degrees are not computed clip by clip, so they have no interval over groups"


def _without_interval(seeds: int, unit: str = "seed") -> str:
    """Why these seeds (rotations) have no interval, in words."""
    if seeds >= MIN_SEEDS:
        return f"{seeds} {unit}s, all equal: no interval"
    return f"{seeds} {unit}{'s' if seeds > 1 else ''}, {MIN_SEEDS} are needed: no interval"


def judge_difference(
    values: NDArray[np.float64],
    vggsound: bool,
    printed: float | None = None,
    limits: tuple[float, float] = (-math.inf, math.inf),
    interval: Interval | None = None,
    unit: str = "seed",
) -> tuple[str, str]:
    """Judge differences that a claim says are positive by the interval of their mean.

    Args:
        values: (S,) differences, one for each seed. With fewer than four, or if all are equal,
            there is no interval and the verdict is `too few seeds`.
        vggsound: whether they were measured on the paper's dataset.
        printed: the difference in the paper; None if it prints none.
        limits: smallest and largest possible difference.
        interval: that of their mean; None for the t-interval over seeds.
        unit: what a seed is called, see `intervals.repetition`.

    Returns:
        Verdict and evidence, in words.
    """
    _, low, high = interval or t_interval(values, limits=limits)
    if not np.isfinite(low):
        return TOO_FEW, f"{values.mean():+.2f} ({_without_interval(len(values), unit)})"
    evidence = f"{values.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
    if low <= 0 <= high:
        return INCONCLUSIVE, evidence
    if high < 0:
        return CONTRADICTED, evidence
    if vggsound and (printed is None or low <= printed <= high):
        return REPRODUCED, evidence
    return DIRECTION, evidence


def judge_order(support: float, vggsound: bool, unit: str = "seed") -> tuple[str, str]:
    """Judge an order of variants by its support.

    Args:
        support: share of resamplings of the seeds (with folds, of groups and rotations) in which
            the order holds, exact ties counted one half; NaN with too few seeds.
        vggsound: whether it was measured on the paper's dataset.
        unit: what a seed is called, see `intervals.repetition`.

    Returns:
        Verdict and evidence, in words.
    """
    wanted = paper.claims()["tolerance"]["support"]
    if not np.isfinite(support):
        return TOO_FEW, f"{MIN_SEEDS} {unit}s that differ are needed: no resampling"
    evidence = f"holds in {100 * support:.0f} % of the resamplings"
    if support >= wanted:
        return (REPRODUCED if vggsound else DIRECTION), evidence
    return (CONTRADICTED if support <= 1 - wanted else INCONCLUSIVE), evidence


def _judge_hits(
    plan: Plan,
    clips: pd.DataFrame,
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    vggsound: bool,
    printed: float | None = None,
) -> tuple[str, str]:
    """Judge the accuracy of the first minus that of the second, (S, N) whether each seed classified
    each clip correctly; `clips` has their classes and groups."""
    values = 100 * first.mean(axis=1) - 100 * second.mean(axis=1)
    interval = None
    if plan.split_into is not None:
        interval, _ = difference_interval(plan, clips, first, second)
    return judge_difference(values, vggsound, printed, DIFFERENCE, interval, repetition(plan))


def _absolute(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    values = collect.accuracy(plan, claim["variant"], claim["modality"])
    article = "the " if plan.dataset == "embedded" else ""
    evidence = f"measured {values.mean():.1f} % on {article}{plan.dataset_name}"
    if not vggsound:
        return NOT_TESTABLE, evidence
    if len(values) < MIN_SEEDS:
        return TOO_FEW, f"{evidence} ({_without_interval(len(values), repetition(plan))})"
    close = abs(values.mean() - claim["value"]) <= paper.claims()["tolerance"]["absolute"]
    return (REPRODUCED if close else CONTRADICTED), evidence


def _drop(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    variant, modality = claim["variant"], claim["modality"]
    full, own = collect.hits_of(plan, (plan.reference, modality), (variant, modality))
    printed = paper.printed_drop(variant, modality)
    clips = collect.clips(plan, variant, modality)
    return _judge_hits(plan, clips, full, own, vggsound, printed)


def _change(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    wide = figure2(plan).pivot(index="seed", columns="model", values=claim["statistic"])
    fall = (wide["without DICCAE"] - wide["with DICCAE"]).to_numpy()
    if plan.split_into is not None:
        return NOT_TESTABLE, f"fall of {fall.mean():+.2f}; {NO_DEGREES}"
    verdict, evidence = judge_difference(fall, vggsound, -claim["value"])
    return verdict, f"fall of {evidence}"


def _gain(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    if claim["test"] == "av_gain":
        both, audio, video = collect.hits_of(plan, *((plan.reference, m) for m in ("AV", "A", "V")))
        better = audio.mean(axis=1, keepdims=True) >= video.mean(axis=1, keepdims=True)
        clips = collect.clips(plan, plan.reference, "AV")
        return _judge_hits(plan, clips, both, np.where(better, audio, video), vggsound)
    table, sweep = figure3(plan), plan.figure3
    assert sweep is not None
    chosen = str(table.loc[table["chosen"], "variant"].iloc[0])
    largest = sweep.variants[len(sweep.weights) - 1]
    one, other, words = (
        (chosen, largest, f"{chosen} over {largest}")
        if claim["test"] == "threshold"
        else (sweep.dynamic, chosen, f"dynamic over {chosen}")
    )
    first, second = collect.hits_of(plan, (one, sweep.modality), (other, sweep.modality))
    clips = collect.clips(plan, one, sweep.modality)
    verdict, evidence = _judge_hits(plan, clips, first, second, vggsound)
    return verdict, f"{words}: {evidence}"


def _order(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    names, modality = paper.claims()["order"], claim["modality"]
    full, *others = collect.hits_of(plan, *((name, modality) for name in (plan.reference, *names)))
    full_order = claim["test"] == "full_order"
    sign = -1 if claim["test"] == "smallest" else 1
    column = 0 if full_order else names.index(claim["variant"])
    if plan.split_into is not None:
        lost = np.stack([100.0 * full - 100.0 * own for own in others])
        steps = (
            lost[:-1] - lost[1:]
            if full_order
            else sign * (lost[column] - np.delete(lost, column, axis=0))
        )
        clips = collect.clips(plan, plan.reference, modality)
        support = two_way_support(steps, clips["label"], clips["group"])
    else:
        drops = np.stack([100 * full.mean(1) - 100 * own.mean(1) for own in others], axis=1)
        support = (
            order_support(drops, range(len(names)))
            if full_order
            else extreme_support(sign * drops, column)
        )
    return judge_order(support, vggsound, repetition(plan))


RULES = {"absolute": _absolute, "drop": _drop, "change": _change, "gain": _gain, "order": _order}


def _lacking(plan: Plan, claim: dict[str, Any]) -> str:
    """The first of what the claim compares that the plan does not have, in words; empty for
    none."""
    if claim["rule"] == "change":
        return "" if plan.figure2 else "the plan has no section figure2"
    if claim["rule"] == "gain" and claim["test"] != "av_gain":
        return "" if plan.figure3 else "the plan has no section figure3"
    variants = {
        "absolute": [claim.get("variant")],
        "drop": [plan.reference, claim.get("variant")],
        "order": [plan.reference, *paper.claims()["order"]],
        "gain": [plan.reference],
    }[claim["rule"]]
    modalities = [claim["modality"]] if "modality" in claim else ["A", "V", "AV"]
    known = modalities_of(need for need in plan.reported() if need.seeds is None)
    missing = (
        f"{variant} is not scored in {modality}"
        for variant in variants
        for modality in modalities
        if modality not in known.get(variant, [])
    )
    return next(missing, "")


def evaluate(plan: Plan) -> pd.DataFrame:
    """One row for each claim: id, source, statement, rule, verdict, evidence, aliases.

    Raises:
        UserError: a run that the plan lists is missing.
    """
    aliases = paper.claims()["aliases"]
    rows = []
    for claim in paper.claims()["claims"]:
        if "verdict" in claim:
            verdict, evidence = claim["verdict"], claim["evidence"]
        elif lacking := _lacking(plan, claim):
            verdict, evidence = NOT_IN_PLAN, lacking
        else:
            verdict, evidence = RULES[claim["rule"]](plan, claim, plan.dataset == "vggsound")
        rows.append(
            {
                "id": claim["id"],
                "source": claim["source"],
                "statement": claim["statement"],
                "rule": claim.get("rule", "stated"),
                "verdict": verdict,
                "evidence": evidence,
                "aliases": " ".join(
                    sorted(alias for alias, target in aliases.items() if target == claim["id"])
                ),
            }
        )
    return pd.DataFrame(rows)
