"""A verdict on each claim of the paper, by the rules in configs/claims.yaml, which were fixed
before any result was known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.bootstrap import DIFFERENCE, MIN_SEEDS, t_interval
from diccae.functional.support import extreme_support, order_support
from diccae.plans import Plan
from diccae.reporting import collect, paper
from diccae.reporting.figures import figure2, figure3
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


def _without_interval(seeds: int) -> str:
    """Why these seeds have no interval, in words."""
    if seeds >= MIN_SEEDS:
        return f"{seeds} seeds, all equal: no interval"
    return f"{seeds} seed{'s' if seeds > 1 else ''}, {MIN_SEEDS} are needed: no interval"


def judge_difference(
    values: NDArray[np.float64],
    vggsound: bool,
    printed: float | None = None,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[str, str]:
    """Judge differences that a claim says are positive by the t-interval of their mean.

    Args:
        values: (S,) differences, one for each seed. With fewer than four, or if all are equal,
            there is no interval and the verdict is `too few seeds`.
        vggsound: whether they were measured on the paper's dataset.
        printed: the difference in the paper; None if it prints none.
        limits: smallest and largest possible difference.

    Returns:
        Verdict and evidence, in words.
    """
    _, low, high = t_interval(values, limits=limits)
    if not np.isfinite(low):
        return TOO_FEW, f"{values.mean():+.2f} ({_without_interval(len(values))})"
    evidence = f"{values.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
    if low <= 0 <= high:
        return INCONCLUSIVE, evidence
    if high < 0:
        return CONTRADICTED, evidence
    if vggsound and (printed is None or low <= printed <= high):
        return REPRODUCED, evidence
    return DIRECTION, evidence


def judge_order(support: float, vggsound: bool) -> tuple[str, str]:
    """Judge an order of variants by its support.

    Args:
        support: share of seed resamplings in which the order holds, exact ties counted one half;
            NaN with too few seeds.
        vggsound: whether it was measured on the paper's dataset.

    Returns:
        Verdict and evidence, in words.
    """
    wanted = paper.claims()["tolerance"]["support"]
    if not np.isfinite(support):
        return TOO_FEW, f"{MIN_SEEDS} seeds that differ are needed: no resampling"
    evidence = f"holds in {100 * support:.0f} % of the resamplings"
    if support >= wanted:
        return (REPRODUCED if vggsound else DIRECTION), evidence
    return (CONTRADICTED if support <= 1 - wanted else INCONCLUSIVE), evidence


def drops(plan: Plan, variant: str, modality: str) -> NDArray[np.float64]:
    """(S,) accuracy of the reference minus that of a variant in percentage points, paired by
    seed."""
    return collect.accuracy(plan, plan.reference, modality) - collect.accuracy(
        plan, variant, modality
    )


def _absolute(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    values = collect.accuracy(plan, claim["variant"], claim["modality"])
    article = "the " if plan.dataset == "embedded" else ""
    evidence = f"measured {values.mean():.1f} % on {article}{plan.dataset_name}"
    if not vggsound:
        return NOT_TESTABLE, evidence
    if len(values) < MIN_SEEDS:
        return TOO_FEW, f"{evidence} ({_without_interval(len(values))})"
    close = abs(values.mean() - claim["value"]) <= paper.claims()["tolerance"]["absolute"]
    return (REPRODUCED if close else CONTRADICTED), evidence


def _drop(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    return judge_difference(
        drops(plan, claim["variant"], claim["modality"]),
        vggsound,
        paper.printed_drop(claim["variant"], claim["modality"]),
        DIFFERENCE,
    )


def _change(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    wide = figure2(plan).pivot(index="seed", columns="model", values=claim["statistic"])
    fall = (wide["without DICCAE"] - wide["with DICCAE"]).to_numpy()
    verdict, evidence = judge_difference(fall, vggsound, -claim["value"])
    return verdict, f"fall of {evidence}"


def _gain(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    if claim["test"] == "av_gain":
        best = np.maximum(
            collect.accuracy(plan, plan.reference, "A"), collect.accuracy(plan, plan.reference, "V")
        )
        gain = collect.accuracy(plan, plan.reference, "AV") - best
        return judge_difference(gain, vggsound, limits=DIFFERENCE)
    table, sweep = figure3(plan), plan.figure3
    assert sweep is not None
    chosen = str(table.loc[table["chosen"], "variant"].iloc[0])
    best_fixed = collect.accuracy(plan, chosen, sweep.modality)
    if claim["test"] == "threshold":
        largest = sweep.variants[len(sweep.weights) - 1]
        verdict, evidence = judge_difference(
            best_fixed - collect.accuracy(plan, largest, sweep.modality),
            vggsound,
            limits=DIFFERENCE,
        )
        return verdict, f"{chosen} over {largest}: {evidence}"
    verdict, evidence = judge_difference(
        collect.accuracy(plan, sweep.dynamic, sweep.modality) - best_fixed,
        vggsound,
        limits=DIFFERENCE,
    )
    return verdict, f"dynamic over {chosen}: {evidence}"


def _order(plan: Plan, claim: dict[str, Any], vggsound: bool) -> tuple[str, str]:
    names = paper.claims()["order"]
    matrix = np.stack([drops(plan, name, claim["modality"]) for name in names], axis=1)
    if claim["test"] == "full_order":
        return judge_order(order_support(matrix, range(len(names))), vggsound)
    sign = 1 if claim["test"] == "largest" else -1
    return judge_order(extreme_support(sign * matrix, names.index(claim["variant"])), vggsound)


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
