"""How many seeds each effect of Table 2 needs, so that the 95 % t-interval of the paired drop
excludes zero with 80 % power."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from diccae.functional.bootstrap import MIN_SEEDS
from diccae.plans import CONFIG_ROOT, Plan
from diccae.reporting import collect, paper
from diccae.sections import Modality
from diccae.stored_file import reading

LEVEL, POWER = 0.95, 0.80
LARGEST = 1_000_000
# SciPy's noncentral t is inaccurate far in its tails. Beyond a shift of FAR the power is 1 in
# double precision, and beyond WRONG_SIDE the probability of an interval on the wrong side of zero,
# below 1e-9, is taken as zero.
FAR, WRONG_SIDE = 1000.0, 6.0
# in points: drops that differ by less are equal but for rounding
EQUAL = 1e-9
REFERENCE = CONFIG_ROOT.parent / "results" / "reference" / "embedded-10" / "table2.csv"


@dataclass(frozen=True)
class Spread:
    """Standard deviation of paired differences between seeds.

    Attributes:
        value: in percentage points.
        seeds: number of seeds that it is estimated from.
        origin: where these runs come from, in words.
    """

    value: float
    seeds: int
    origin: str

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Confidence interval of the standard deviation, for normal differences."""
        freedom = self.seeds - 1
        low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], freedom)
        return self.value * float(freedom / low) ** 0.5, self.value * float(freedom / high) ** 0.5


@dataclass(frozen=True)
class SeedsNeeded:
    """The seeds that one claim needs.

    Attributes:
        claim, variant, modality: the claim and what it compares with the reference.
        effect: the drop that the paper prints, in percentage points.
        spread: the measured spread; None if nothing was measured.
        seeds: seeds needed at the spread; None if more than a million, or without a spread.
        low, high: seeds needed at the ends of the spread's 95 % interval.
    """

    claim: str
    variant: str
    modality: str
    effect: float
    spread: Spread | None
    seeds: int | None
    low: int | None
    high: int | None


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

    The spread comes from the plan's finished runs, or else from the committed reference.
    """
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
        spread = measured_spread(plan, variant, modality) or reference_spread(variant, modality)
        numbers: list[int | None] = [None, None, None]
        if spread is not None:
            numbers = [seeds_needed(effect, value) for value in (spread.value, *spread.interval())]
        rows.append(SeedsNeeded(claim["id"], variant, modality, effect, spread, *numbers))
    return rows


def measured_spread(plan: Plan, variant: str, modality: Modality) -> Spread | None:
    """The spread over the seeds for which both runs are finished; None with fewer than two, and
    for equal drops, from which no spread can be estimated."""

    def finished(name: str, seed: int) -> bool:
        return all(
            (plan.run_folder(name, seed, modality=modality, fold=fold) / file).is_file()
            for fold in plan.folds
            for file in ("predictions.parquet", "metrics.json")
        )

    seeds = [
        seed for seed in plan.seeds if finished(plan.reference, seed) and finished(variant, seed)
    ]
    if len(seeds) < 2:
        return None
    drops = collect.accuracy(plan, plan.reference, modality, seeds=seeds) - collect.accuracy(
        plan, variant, modality, seeds=seeds
    )
    if np.ptp(drops) < EQUAL:
        return None
    return Spread(
        float(drops.std(ddof=1)), len(seeds), f"this plan's finished runs ({plan.dataset_name})"
    )


def reference_spread(variant: str, modality: str, table: Path = REFERENCE) -> Spread | None:
    """The spread that follows from the t-interval in a committed Table 2; None without such a
    row."""
    if not table.is_file():
        return None
    with reading(table, "restore it: git checkout -- results/reference"):
        rows = pd.read_csv(table)
    row = rows[(rows["variant"] == variant) & (rows["modality"] == modality)]
    if row.empty or not np.isfinite(row["drop_low"].iloc[0]):
        return None
    seeds = int(row["seeds"].iloc[0])
    half = float(row["drop_high"].iloc[0] - row["drop_low"].iloc[0]) / 2
    value = half / float(stats.t.ppf((1 + LEVEL) / 2, seeds - 1)) * seeds**0.5
    return Spread(value, seeds, "results/reference/embedded-10/table2.csv (embedded benchmark)")
