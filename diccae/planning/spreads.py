"""Spread of a paired drop between seeds, measured as far as runs are finished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.functional.spread import deviation_interval, stream_spread
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.reporting import collect, sources
from diccae.sections import Modality
from diccae.stored_file import reading

LEVEL = 0.95
# in points: drops that differ by less are equal but for rounding
EQUAL = 1e-9
REFERENCE = CONFIG_ROOT.parent / "results" / "reference" / "spread" / "spread.csv"


@dataclass(frozen=True)
class Spread:
    """Standard deviation of paired differences between seeds.

    Attributes:
        value: in percentage points.
        seeds: number of seeds that it is estimated from.
        origin: where these runs come from, in words.
        freedom: degrees of freedom of the estimate.
    """

    value: float
    seeds: int
    origin: str
    freedom: int

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Confidence interval of the standard deviation, for normal differences."""
        return deviation_interval(self.value, self.freedom, level)


def spread_of(plan: Plan, variant: str, modality: Modality) -> Spread | None:
    """From the finished runs of the plan, or else from one variant in several random streams: those
    of the finished runs of plan `spread`, or of its committed table."""
    return (
        measured_spread(plan, variant, modality)
        or spread_of_streams(load_plan("spread"), modality)
        or reference_spread(modality)
    )


def spread_of_streams(plan: Plan, modality: Modality) -> Spread | None:
    """The spread of a drop as the finished runs of a plan with the section `spread` give it; None
    without a seed whose runs are all finished, and for equal accuracies."""
    section = plan.spread
    if section is None or modality not in section.modalities:
        return None
    seeds = [
        seed
        for seed in plan.seeds
        if all(sources.is_finished(plan, name, seed, modality) for name in section.variants)
    ]
    if not seeds:
        return None
    streams = [collect.accuracy(plan, name, modality, seeds=seeds) for name in section.variants]
    value, freedom = stream_spread(np.stack(streams, axis=1))
    if value < EQUAL:
        return None
    origin = f"one variant in {len(streams)} random streams (plan {plan.name})"
    return Spread(value, len(seeds), origin, freedom)


def measured_spread(plan: Plan, variant: str, modality: Modality) -> Spread | None:
    """The spread over the seeds for which both runs are finished; None with fewer than two, and
    for equal drops, from which no spread can be estimated."""

    seeds = [
        seed
        for seed in plan.seeds
        if all(
            sources.is_finished(plan, name, seed, modality) for name in (plan.reference, variant)
        )
    ]
    if len(seeds) < 2:
        return None
    drops = collect.accuracy(plan, plan.reference, modality, seeds=seeds) - collect.accuracy(
        plan, variant, modality, seeds=seeds
    )
    if np.ptp(drops) < EQUAL:
        return None
    origin = f"this plan's finished runs ({plan.dataset_name})"
    return Spread(float(drops.std(ddof=1)), len(seeds), origin, len(seeds) - 1)


def reference_spread(modality: str, table: Path = REFERENCE) -> Spread | None:
    """The spread in a committed spread.csv; None without such a row."""
    if not table.is_file():
        return None
    with reading(table, "restore it: git checkout -- results/reference"):
        rows = pd.read_csv(table).set_index("modality")
    if modality not in rows.index:
        return None
    row = rows.loc[modality].to_dict()
    origin = (
        f"one variant in {int(row['streams'])} random streams (results/reference/spread/spread.csv)"
    )
    return Spread(row["spread"], int(row["seeds"]), origin, int(row["degrees_of_freedom"]))
