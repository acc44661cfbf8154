"""Controls and opponents of the method, and what follows from them in words.

The rules are in configs/claims.yaml, key `controls`; all of them are exploratory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.bootstrap import Interval
from diccae.functional.verdicts import (
    ALARM,
    AS_EXPECTED,
    NO_EFFECT,
    OPPOSITE,
    SAME,
    judge_interval,
    judge_null,
)
from diccae.plans import Plan
from diccae.reporting import collect, paper, verdicts
from diccae.reporting.intervals import difference_interval
from diccae.reporting.tables import row, section_of

# in place of a second variant: the accuracy of predictions that do not depend on the clip
CHANCE = "chance"
COLUMNS = [
    "id",
    "statement",
    "compared",
    "modality",
    "seeds",
    "difference",
    "difference_low",
    "difference_high",
    "verdict",
    "conclusion",
]


def controls(plan: Plan) -> pd.DataFrame:
    """Accuracy of the full method and of each control; a drop is the accuracy of the full method
    minus that of the control, paired by seed."""
    section = section_of(plan, "controls")
    return pd.DataFrame(
        row(plan, variant, modality)
        for modality in section.modalities
        for variant in section.variants
    )


def control_verdicts(plan: Plan) -> pd.DataFrame:
    """One row for each rule whose variants the section `controls` has: the difference of two
    accuracies, its interval, the verdict and what follows from it.

    The rules are about A-V, or, in a section without it, about its first modality.
    """
    section = section_of(plan, "controls")
    modality = max(section.modalities, key=len)
    known = {*section.variants, CHANCE}
    rows = []
    for rule in paper.claims()["controls"]:
        first, second = rule["first"], rule["second"]
        if {first, second} <= known:
            interval = _difference(plan, first, second, modality)
            verdict, conclusion = judge(plan, rule, interval)
            found = [*interval, verdict, conclusion]
            compared = f"{first} - {second}"
            entry = [rule["id"], rule["statement"], compared, modality, len(plan.seeds), *found]
            rows.append(dict(zip(COLUMNS, entry, strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def judge(plan: Plan, rule: dict[str, Any], interval: Interval) -> tuple[str, str]:
    """Verdict and conclusion, in words.

    Args:
        plan: says how many seeds there are and whether the clips are rendered.
        rule: of configs/claims.yaml: with `contains` and `excludes`, a difference that must be 0;
            with `above`, `below` and `inside`, one that the statement says is positive.
        interval: of the difference; its ends are NaN where there is none.
    """
    rendered = plan.dataset == "embedded"
    if not np.isfinite(interval.low):
        found = judge_null(interval.low, interval.high)
        return verdicts.in_words(found, rendered), f"undecided: {verdicts.without_interval(plan)}"
    if "contains" in rule:
        found = judge_null(interval.low, interval.high)
        texts = {AS_EXPECTED: rule["contains"], ALARM: rule["excludes"]}
        conclusion = next(text for word, text in texts.items() if found[word])
        return verdicts.in_words(found, rendered=False), conclusion
    sesoi = verdicts.effect_sizes()[0]
    found = judge_interval(interval.low, interval.high, sesoi)
    # inside of the smallest effect of interest, a direction may hold too
    texts = {SAME: rule["above"], OPPOSITE: rule["below"], NO_EFFECT: rule["inside"]}
    conclusion = next((text for word, text in texts.items() if found[word]), "undecided")
    if found[NO_EFFECT]:
        conclusion += f" (the difference is less than {sesoi:.1f} points)"
    return verdicts.in_words(found, rendered), conclusion


def _difference(plan: Plan, first: str, second: str, modality: str) -> Interval:
    """The accuracy of the first minus that of the second, in percentage points, with its
    interval."""
    clips, level = collect.clips(plan, first, modality), 1 - verdicts.error()
    if second == CHANCE:
        (own,) = collect.hits_of(plan, (first, modality))
        return difference_interval(plan, clips, own, _chance(plan, first, modality), level)
    own, other = collect.hits_of(plan, (first, modality), (second, modality))
    return difference_interval(plan, clips, own, other, level)


def _chance(plan: Plan, variant: str, modality: str) -> NDArray[np.float64]:
    """(S, N) share of the test clips that are of the class that a clip is predicted to have.

    The mean over the clips is the accuracy of predictions that do not depend on the clip: 1/C if
    each of C classes has as many test clips.
    """
    rows = []
    for seed in plan.seeds:
        table = collect.predictions(plan, variant, seed, modality)
        # each fold has its own models and its own clips
        shares = table.groupby("fold")["label"].value_counts(normalize=True)
        predicted = pd.MultiIndex.from_frame(table[["fold", "top1"]])
        rows.append(shares.reindex(predicted, fill_value=0.0).to_numpy())
    return np.stack(rows)
