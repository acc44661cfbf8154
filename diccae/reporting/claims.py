"""A verdict on each claim of the paper, by the rules in configs/claims.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.bootstrap import MIN_SEEDS, t_interval
from diccae.functional.support import extreme_support, order_support, two_way_support
from diccae.functional.verdicts import (
    CONTRADICTED,
    TOO_FEW,
    simultaneous_level,
)
from diccae.plans import Plan
from diccae.reporting import collect, paper, verdicts
from diccae.reporting.figures import figure2
from diccae.reporting.intervals import difference_interval
from diccae.reporting.row_words import SHORT
from diccae.reporting.sweep import sweep_pair
from diccae.sections import modalities_of

REPRODUCED = "reproduced"
NOT_TESTABLE, NOT_IN_PLAN = "not testable on this data", "not part of this plan"
SELF_CONTRADICTION = "the paper contradicts itself"
NO_DEGREES = "degrees are not computed clip by clip, so they have no interval over groups"
Scores = NDArray[np.float64] | NDArray[np.bool_]


def _judge_hits(
    plan: Plan, clips: pd.DataFrame, first: Scores, second: Scores, printed: float | None = None
) -> tuple[str, str]:
    """Judge the accuracy of the first minus that of the second as exploratory: (S, N) shares of
    each clip that each seed classified correctly; `clips` has their classes and groups."""
    level = 1 - verdicts.error()
    interval = difference_interval(plan, clips, first, second, level)
    return verdicts.judge_difference(plan, interval, level, printed)


def _absolute(plan: Plan, claim: dict[str, Any]) -> tuple[str, str]:
    values = collect.accuracy(plan, claim["variant"], claim["modality"])
    article = "the " if plan.dataset == "embedded" else ""
    evidence = f"measured {values.mean():.1f} % on {article}{plan.dataset_name}"
    if plan.dataset != "vggsound":
        return NOT_TESTABLE, evidence
    if len(values) < MIN_SEEDS:
        return TOO_FEW, f"{evidence} ({verdicts.without_interval(plan)})"
    close = abs(values.mean() - claim["value"]) <= paper.claims()["tolerance"]["absolute"]
    return (REPRODUCED if close else CONTRADICTED), evidence


def _drop(plan: Plan, claim: dict[str, Any]) -> tuple[str, str]:
    variant, modality = claim["variant"], claim["modality"]
    printed = paper.printed_drop(variant, modality)
    if verdicts.is_primary(plan, variant, modality):
        interval, level = verdicts.primary_interval(plan, variant), verdicts.primary_level(plan)
        sesoi = verdicts.effect_sizes()[0]
        return verdicts.judge_difference(plan, interval, level, printed, sesoi)
    full, own = collect.hits_of(plan, (plan.reference, modality), (variant, modality))
    return _judge_hits(plan, collect.clips(plan, variant, modality), full, own, printed)


def _change(plan: Plan, claim: dict[str, Any]) -> tuple[str, str]:
    wide = figure2(plan).pivot(index="seed", columns="model", values=claim["statistic"])
    without, with_ = (wide[f"{name} DICCAE"].to_numpy() for name in ("without", "with"))
    level, printed = 1 - verdicts.error(), -claim["value"]
    fall, unit = without - with_, "fall of"
    if claim["statistic"] == "variance":
        if not (np.minimum(without, with_) > 0).all():
            return TOO_FEW, "a variance is 0, which has no logarithm"
        fall, unit, printed = np.log(without / with_), "fall of the logarithm of", None
    if plan.split_into is not None:
        return NOT_TESTABLE, f"{unit} {fall.mean():+.2f}; {NO_DEGREES}"
    verdict, evidence = verdicts.judge_difference(plan, t_interval(fall, level), level, printed)
    return verdict, f"{unit} {evidence}"


def _gain(plan: Plan, claim: dict[str, Any]) -> tuple[str, str]:
    if len(plan.seeds) < 2:
        return TOO_FEW, verdicts.without_interval(plan)
    pair = sweep_pair(plan, claim["test"])
    verdict, evidence = _judge_hits(plan, pair.clips, pair.first, pair.second)
    return verdict, f"{pair.words}: {evidence}"


def _order(plan: Plan, claim: dict[str, Any]) -> tuple[str, str]:
    """Judge the gaps of an order: between neighbours, or between one variant and each other one."""
    if claim["test"] == "av_gain":
        names, column = ["A-V", "A", "V"], 0
        runs = [(plan.reference, modality) for modality in ("AV", "A", "V")]
        values = [own.astype(np.float64) for own in collect.hits_of(plan, *runs)]
    else:
        names = list(paper.claims()["order"])
        column = names.index(claim["variant"]) if "variant" in claim else 0
        # the largest drop is the lowest accuracy
        runs = [(name, claim["modality"]) for name in names]
        values = [-own.astype(np.float64) for own in collect.hits_of(plan, *runs)]
    places = range(len(names))
    sign = -1 if claim["test"] == "smallest" else 1
    rest = [place for place in places if place != column]
    pairs = [(column, place) if sign > 0 else (place, column) for place in rest]
    if claim["test"] == "full_order":
        pairs = list(zip(places, places[1:], strict=False))
    words = [f"{names[a]} over {names[b]}" for a, b in pairs]
    steps = [(values[a], values[b]) for a, b in pairs]
    verdict, evidence = _judge_steps(plan, collect.clips(plan, *runs[0]), steps, words)
    if plan.split_into is not None:
        clips = collect.clips(plan, *runs[0])
        gaps = np.stack([first - second for first, second in steps])
        support = two_way_support(gaps, clips["label"], clips["group"])
    else:
        means = np.stack([own.mean(axis=1) for own in values], axis=1)
        support = (
            order_support(means, places)
            if claim["test"] == "full_order"
            else extreme_support(sign * means, column)
        )
    if np.isfinite(support):
        evidence += f"; holds in {100 * support:.0f} % of the resamplings"
    return verdict, evidence


def _judge_steps(
    plan: Plan, clips: pd.DataFrame, steps: Sequence[tuple[Scores, Scores]], words: list[str]
) -> tuple[str, str]:
    """Judge an order by its steps: (S, N) scores of the better and of the worse of each."""
    error = verdicts.error()
    one_sided, simultaneous = (
        [difference_interval(plan, clips, first, second, level) for first, second in steps]
        for level in (1 - 2 * error, simultaneous_level(len(steps), error))
    )
    return verdicts.judge_order(plan, one_sided, simultaneous, words)


def _gaps(plan: Plan, claim: dict[str, Any]) -> tuple[str, str]:
    """Judge what another system's paper claims."""
    if "untestable" in claim and plan.dataset == "embedded":
        return NOT_TESTABLE, claim["untestable"]
    steps, words = [], []
    for better, first, worse, second in claim["gaps"]:
        one, other = collect.hits_of(plan, (better, first), (worse, second))
        steps.append((one.astype(np.float64), other.astype(np.float64)))
        words.append(f"{better} {SHORT[first]} over {worse} {SHORT[second]}")
    better, first = claim["gaps"][0][:2]
    return _judge_steps(plan, collect.clips(plan, better, first), steps, words)


RULES = {
    "absolute": _absolute,
    "drop": _drop,
    "change": _change,
    "gain": _gain,
    "order": _order,
    "gaps": _gaps,
}


def _lacking(plan: Plan, claim: dict[str, Any]) -> str:
    """The first of what the claim compares that the plan does not have, in words; empty for
    none."""
    if claim["rule"] == "change":
        return "" if plan.figure2 else "the plan has no section figure2"
    if claim["rule"] == "gain":
        return "" if plan.figure3 else "the plan has no section figure3"
    variants = {
        "absolute": [claim.get("variant")],
        "drop": [plan.reference, claim.get("variant")],
        "order": [plan.reference, *(paper.claims()["order"] if "modality" in claim else [])],
    }[claim["rule"]]
    modalities = [claim["modality"]] if "modality" in claim else ["A", "V", "AV"]
    known = modalities_of(need for need in plan.reported() if need.seeds is None)
    missing = (
        f"{variant} is not scored in {SHORT[modality]}"
        for variant in variants
        for modality in modalities
        if modality not in known.get(variant, [])
    )
    return next(missing, "")


def _system_claims(plan: Plan) -> list[dict[str, Any]]:
    """The claims of other systems' papers whose variants the plan scores with all of its seeds."""
    known = modalities_of(need for need in plan.reported() if need.seeds is None)
    return [
        claim | {"rule": "gaps"}
        for claim in paper.claims()["system_claims"]
        if all(
            modality in known.get(variant, [])
            for gap in claim["gaps"]
            for variant, modality in (gap[:2], gap[2:])
        )
    ]


def _family(plan: Plan, claim: dict[str, Any]) -> str:
    if "verdict" in claim:
        return ""
    drop = claim["rule"] == "drop" and verdicts.is_primary(
        plan, claim["variant"], claim["modality"]
    )
    return "primary" if drop else "exploratory"


def evaluate(plan: Plan) -> pd.DataFrame:
    """One row for each claim: id, source, statement, rule, family (`primary` or `exploratory`),
    verdict, evidence, aliases.

    Raises:
        UserError: a run that the plan lists is missing.
    """
    aliases = paper.claims()["aliases"]
    rows = []
    for claim in (*paper.claims()["claims"], *_system_claims(plan)):
        if "verdict" in claim:
            verdict, evidence = claim["verdict"], claim["evidence"]
        elif claim["rule"] != "gaps" and (lacking := _lacking(plan, claim)):
            verdict, evidence = NOT_IN_PLAN, lacking
        else:
            verdict, evidence = RULES[claim["rule"]](plan, claim)
        rows.append(
            {
                "id": claim["id"],
                "source": claim["source"],
                "statement": claim["statement"],
                "rule": claim.get("rule", "stated"),
                "family": _family(plan, claim),
                "verdict": verdict,
                "evidence": evidence,
                "aliases": " ".join(
                    sorted(alias for alias, target in aliases.items() if target == claim["id"])
                ),
            }
        )
    return pd.DataFrame(rows)
