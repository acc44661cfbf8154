"""Verdicts in words, with their evidence; the rules are in configs/claims.yaml and, as functions,
in `diccae.functional.verdicts`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diccae.functional.bootstrap import MIN_SEEDS, Interval
from diccae.functional.verdicts import (
    CONTRADICTED,
    TOO_FEW,
    judge_gaps,
    judge_interval,
    simultaneous_level,
)
from diccae.plans import Plan
from diccae.reporting import collect, paper
from diccae.reporting.intervals import difference_interval
from diccae.reporting.repetitions import repetition


def primary_rows(plan: Plan) -> list[str]:
    """Variants of the primary rows that Table 2 of the plan has; none if it does not score them in
    the modality of the family."""
    family = paper.claims()["primary"]
    if plan.table2 is None or family["modality"] not in plan.table2.modalities:
        return []
    return [name for name in plan.table2.variants if name in family["variants"]]


def is_primary(plan: Plan, variant: str, modality: str) -> bool:
    """Whether a row of Table 2 is one of the primary rows."""
    return modality == paper.claims()["primary"]["modality"] and variant in primary_rows(plan)


def primary_level(plan: Plan) -> float:
    """Confidence level of the interval of each primary row: 1 - 0.05/m for m rows."""
    return simultaneous_level(len(primary_rows(plan)), error())


def primary_interval(plan: Plan, variant: str) -> Interval:
    """The simultaneous interval of a primary row, in percentage points; both ends are NaN with
    fewer than four seeds, or if all drops are equal.

    Raises:
        UserError: a run is missing, or two runs scored different clips.
    """
    modality = paper.claims()["primary"]["modality"]
    full, own = collect.hits_of(plan, (plan.reference, modality), (variant, modality))
    clips = collect.clips(plan, variant, modality)
    return difference_interval(plan, clips, full, own, primary_level(plan))


def error() -> float:
    """Probability of an error that the rules allow."""
    return float(paper.claims()["tolerance"]["error"])


def effect_sizes() -> list[float]:
    """Smallest effect sizes of interest of the primary rows in percentage points; the verdict of a
    row is that of the first."""
    return [float(size) for size in paper.claims()["tolerance"]["sesoi"]]


def in_words(found: dict[str, NDArray[np.bool_]], rendered: bool) -> str:
    """The words that hold; on rendered clips they are about these clips alone."""
    words = ", ".join(word for word, holds in found.items() if holds)
    return f"{words} here" if rendered and words != TOO_FEW else words


def interval_words(interval: Interval, level: float) -> str:
    """An estimate with its interval and level, in words."""
    mean, low, high = interval
    return f"{signed(mean)} [{signed(low)}, {signed(high)}] ({level_words(level)} %)"


def signed(value: float) -> str:
    """A difference with its sign; one that is 0 but for rounding errors is not below 0."""
    return f"{round(value, 9) + 0.0:+.2f}"


def level_words(level: float) -> str:
    """A level, or another share, in percent."""
    return f"{100 * level:.1f}".removesuffix(".0")


def without_interval(plan: Plan) -> str:
    """Why the seeds (rotations) of a plan have no interval, in words."""
    seeds, unit = len(plan.seeds), repetition(plan)
    if seeds >= MIN_SEEDS:
        return f"{seeds} {unit}s, all equal: no interval"
    return f"{seeds} {unit}{'s' if seeds > 1 else ''}, {MIN_SEEDS} are needed: no interval"


def judge_difference(
    plan: Plan,
    interval: Interval,
    level: float,
    printed: float | None = None,
    sesoi: float | None = None,
) -> tuple[str, str]:
    """Judge a difference that a claim says is positive by the place of its interval.

    Args:
        plan: says how many seeds there are and whether the clips are rendered.
        interval: of the difference; its ends are NaN where there is none.
        level: of the interval.
        printed, sesoi: as in `judge_interval`.

    Returns:
        Verdict and evidence, in words.
    """
    verdict = in_words(
        judge_interval(interval.low, interval.high, sesoi, printed), plan.dataset == "embedded"
    )
    if not np.isfinite(interval.low):
        return verdict, f"{signed(interval.estimate)} ({without_interval(plan)})"
    return verdict, interval_words(interval, level)


def judge_order(
    plan: Plan, one_sided: list[Interval], simultaneous: list[Interval], names: list[str]
) -> tuple[str, str]:
    """Judge an order by the gaps that it says are positive.

    Args:
        plan: as in `judge_difference`.
        one_sided: two-sided intervals of the gaps whose lower ends are one-sided at the error that
            the rules allow.
        simultaneous: intervals that cover together.
        names: of the gaps, in words.

    Returns:
        Verdict and evidence, in words: the gap that contradicts the order most clearly, or comes
        nearest to that, where one lies below 0 in its two-sided interval; or else the one that
        confirms it least.
    """
    low, high = (
        np.array([getattr(gap, end) for gap in gaps])
        for gaps, end in ((one_sided, "low"), (simultaneous, "high"))
    )
    found = judge_gaps(low, high)
    # a gap without an interval comes first, since it leaves the order open
    place, gaps, level = int(np.argmin(low)), one_sided, 1 - 2 * error()
    # beside an interval below 0, only the one that contradicts, or fails to, explains the verdict
    if found[CONTRADICTED] or any(gap.high < 0 for gap in one_sided):
        place, gaps = int(np.nanargmin(high)), simultaneous
        level = simultaneous_level(len(names), error())
    gap = gaps[place]
    words = (
        interval_words(gap, level)
        if np.isfinite(gap.low)
        else f"{signed(gap.estimate)} ({without_interval(plan)})"
    )
    return in_words(found, plan.dataset == "embedded"), f"{names[place]}: {words}"
