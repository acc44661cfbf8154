"""How many seeds each effect of Table 2 needs, so that the t-interval that decides its verdict
excludes zero with 80 % power, and the power of other numbers of seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from diccae.functional.bootstrap import MIN_SEEDS
from diccae.planning.spreads import LEVEL, Spread, spread_of
from diccae.plans import Plan
from diccae.reporting import paper, verdicts
from diccae.sections import Modality

POWER = 0.80
# seeds whose power is stated beside that of the plan's own number
NUMBERS = (4, 6, 8, 12, 16, 24)
LARGEST = 1_000_000
# SciPy's noncentral t is inaccurate far in its tails. Beyond a shift of FAR the power is 1 in
# double precision, and beyond WRONG_SIDE the probability of an interval on the wrong side of zero,
# below 1e-9, is taken as zero.
FAR, WRONG_SIDE = 1000.0, 6.0


@dataclass(frozen=True)
class SeedsNeeded:
    """The seeds that one claim needs.

    Attributes:
        claim, variant, modality: the claim and what it compares with the reference.
        effect: the drop that the paper prints, in percentage points.
        level: confidence level of the interval that decides the verdict, which is simultaneous for
            primary rows.
        spread: the measured spread; None if nothing was measured.
        seeds: seeds needed at the spread; None if more than a million, or without a spread.
        low, high: seeds needed at the ends of the spread's 95 % interval.
    """

    claim: str
    variant: str
    modality: str
    effect: float
    level: float
    spread: Spread | None
    seeds: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True)
class PrimaryPower:
    """The power that numbers of seeds give a primary row.

    Attributes:
        variant: the row of Table 2.
        effect: a drop in percentage points.
        origin: of the effect: `smallest effect of interest` or `paper`.
        level: confidence level of the simultaneous interval.
        spread: of the drop between seeds, in points; None if nothing was measured.
        seeds: numbers of seeds.
        power: probability that the simultaneous interval excludes zero, for each of them; empty
            without a spread.
    """

    variant: str
    effect: float
    origin: str
    level: float
    spread: float | None
    seeds: list[int]
    power: list[float]


def power(effect: float, spread: float, seeds: int, level: float = LEVEL) -> float:
    """Probability that the two-sided t-interval of a mean of normal differences excludes zero.

    NaN with one seed. The tables give no interval with fewer than `MIN_SEEDS` seeds.

    Args:
        effect: mean of the differences.
        spread: their standard deviation, in the unit of `effect`.
        seeds: number of differences.
        level: confidence level of the interval.
    """
    if seeds < 2:
        return float("nan")
    if spread == 0:
        return float(effect != 0)
    freedom = seeds - 1
    edge = stats.t.ppf((1 + level) / 2, freedom)
    shift = min(abs(effect) / spread * seeds**0.5, FAR)
    wrong = stats.nct.cdf(-edge, freedom, shift) if shift < WRONG_SIDE else 0.0
    return float(stats.nct.sf(edge, freedom, shift) + wrong)


def seeds_needed(
    effect: float, spread: float, level: float = LEVEL, wanted: float = POWER
) -> int | None:
    """The smallest number of seeds, `MIN_SEEDS` or more, with at least the `wanted` power.

    Returns None if a million seeds are not enough.

    Raises:
        ValueError: the spread is negative or not finite.
    """
    if not (np.isfinite(spread) and spread >= 0):
        raise ValueError(f"seeds_needed: wanted a spread >= 0, got {spread}")
    high = MIN_SEEDS
    while not power(effect, spread, high, level) >= wanted:
        high *= 2
        if high > LARGEST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if middle >= MIN_SEEDS and power(effect, spread, middle, level) >= wanted:
            high = middle
        else:
            low = middle
    return high


def claims_of_table2(plan: Plan) -> list[SeedsNeeded]:
    """One entry for every drop of Table 2 that the plan measures.

    The spread comes from the plan's finished runs, or else from those of the plan `spread`, or
    else from the committed reference. A plan with folds has none: no number of rotations makes up
    for the groups that it does not have.
    """
    if plan.split_into is not None:
        return []
    variants, rows = plan.variants(), []
    for claim in paper.claims()["claims"]:
        if claim.get("rule") != "drop":
            continue
        variant, modality = claim["variant"], claim["modality"]
        effect = paper.printed_drop(variant, modality)
        if effect is None or not all(
            modality in variants.get(name, []) for name in (plan.reference, variant)
        ):
            continue
        spread = spread_of(plan, variant, modality)
        level = (
            verdicts.primary_level(plan) if verdicts.is_primary(plan, variant, modality) else LEVEL
        )
        numbers: list[int | None] = [None, None, None]
        if spread is not None:
            ends = (spread.value, *spread.interval())
            numbers = [seeds_needed(effect, value, level) for value in ends]
        row = SeedsNeeded(claim["id"], variant, modality, effect, level, spread, *numbers)
        rows.append(row)
    return rows


def power_of_primary(plan: Plan) -> list[PrimaryPower]:
    """Two entries for every primary row of the plan: for the smallest effect of interest and for
    the paper's effect, where it prints one. None with folds, see `claims_of_table2`."""
    if plan.split_into is not None:
        return []
    modality: Modality = paper.claims()["primary"]["modality"]
    numbers = sorted({*NUMBERS, *([len(plan.seeds)] if len(plan.seeds) >= MIN_SEEDS else [])})
    rows = []
    for variant in verdicts.primary_rows(plan):
        spread, level = spread_of(plan, variant, modality), verdicts.primary_level(plan)
        for effect, origin in (
            (verdicts.effect_sizes()[0], "smallest effect of interest"),
            (paper.printed_drop(variant, modality), "paper"),
        ):
            if effect is not None:
                powers = [power(effect, spread.value, n, level) for n in numbers] if spread else []
                value = spread.value if spread else None
                rows.append(PrimaryPower(variant, effect, origin, level, value, numbers, powers))
    return rows
