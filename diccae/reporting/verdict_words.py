"""The verdicts on claims: how many claims have each, and what its words say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from diccae.functional.verdicts import (
    CONFIRMED,
    CONTRADICTED,
    NO_EFFECT,
    OPPOSITE,
    SAME,
    SMALLER,
    TOO_FEW,
)
from diccae.plans import Plan
from diccae.reporting import paper, verdicts
from diccae.reporting.claims import NOT_IN_PLAN, NOT_TESTABLE, REPRODUCED, SELF_CONTRADICTION
from diccae.reporting.data_sets import HERE
from diccae.reporting.intervals import too_few
from diccae.reporting.repetitions import repetition


class Count(NamedTuple):
    """A verdict, the number of claims that have it, and what its words say."""

    verdict: str
    claims: int
    meaning: str


def counts(plan: Plan, claims: Iterable[dict[str, Any]]) -> list[Count]:
    """How many claims have each verdict: decided ones first, those that the plan cannot judge last.

    Args:
        plan: says how many seeds there are and whether the clips are rendered.
        claims: rows of claims.csv.
    """
    known = meanings(plan)
    places = {word: place for place, word in enumerate(known)}
    found = Counter(row["verdict"] for row in claims)

    def words(verdict: str) -> list[str]:
        return verdict.removesuffix(HERE).split(", ")

    ordered = sorted(found, key=lambda verdict: places[words(verdict)[0]])
    return [
        Count(verdict, found[verdict], "; ".join(known[word] for word in words(verdict)))
        for verdict in ordered
    ]


def meanings(plan: Plan) -> dict[str, str]:
    """What each word of a verdict says, for a reader who knows no rule."""
    seeds, unit = len(plan.seeds), repetition(plan)
    undecided = f"{seeds} {unit}s do not decide it: the interval includes both answers"
    size, close = verdicts.effect_sizes()[0], paper.claims()["tolerance"]["absolute"]
    return {
        REPRODUCED: f"within {close:g} points of the printed accuracy",
        CONFIRMED: "the order that the paper states is there",
        SAME: "the effect has the sign that the paper claims",
        SMALLER: "the effect is smaller than the paper prints",
        NO_EFFECT: f"any effect is smaller than {size:g} point{'s' if size != 1 else ''}",
        OPPOSITE: "the effect has the opposite sign",
        CONTRADICTED: "the order is another one, or the accuracy is not the printed one",
        TOO_FEW: too_few(plan) or undecided,
        NOT_TESTABLE: "these clips cannot decide it, whatever the results",
        NOT_IN_PLAN: "this plan does not train what the claim compares",
        SELF_CONTRADICTION: "two places of the paper disagree; nothing is measured",
    }
