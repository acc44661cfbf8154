"""Table 2 and variations of it; every cell is computed from per-clip predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from diccae.errors import UserError
from diccae.functional.bootstrap import (
    MIN_SEEDS,
    Interval,
    clip_bootstrap,
    paired_clip_bootstrap,
)
from diccae.plans import Plan
from diccae.reporting import collect, paper, verdicts
from diccae.reporting.confusable import errors_on_pairs
from diccae.reporting.intervals import (
    accuracy_interval,
    difference_interval,
    kind_of,
    log_odds,
    over_seeds_and_clips,
)
from diccae.reporting.visible import visible_difference

BOOTSTRAP_SEED = 0


def row(plan: Plan, variant: str, modality: str, reference: str | None = None) -> dict[str, Any]:
    """Accuracy of a variant and its drop from a reference, each with a t-interval over seeds and a
    bootstrap interval over clips; with folds, with the two-way interval over groups and rotations.

    With fewer than four seeds there are no intervals. Intervals of an accuracy are
    clipped to 0 and 100 percent. `errors_on_pairs` is that of `diccae.reporting.confusable`,
    `smallest_visible` the smallest true drop that its interval shows with 80 % power.

    Args:
        plan: gives seeds and runs.
        variant, modality: the row.
        reference: the variant that the drop is measured from; None for that of the plan.

    Raises:
        UserError: a run is missing, or two runs scored different clips.
    """
    seeds, reference = plan.seeds, reference or plan.reference
    other, own = collect.hits_of(plan, (reference, modality), (variant, modality))
    clips = collect.clips(plan, variant, modality)
    values = 100 * own.mean(axis=1)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    _, low, high = accuracy_interval(plan, clips, own)
    result = {
        "variant": variant,
        "modality": modality,
        "seeds": len(seeds),
        "n_test": own.shape[1],
        **kind_of(plan, clips),
        "top1": values.mean(),
        "low": low,
        "high": high,
        **clip_ends(plan, "", clip_bootstrap(100.0 * own, clips["label"], rng=rng)),
        "top1_single_view": collect.accuracy(plan, variant, modality, view="single").mean(),
        "seed_std": values.std(ddof=1) if len(values) > 1 else float("nan"),
        "errors_on_pairs": errors_on_pairs(plan, variant, modality),
    }
    if variant != reference:
        drop = difference_interval(plan, clips, other, own)
        over_clips = paired_clip_bootstrap(100.0 * other, 100.0 * own, clips["label"], rng=rng)
        result |= {
            "drop": drop.estimate,
            "drop_low": drop.low,
            "drop_high": drop.high,
            **clip_ends(plan, "drop_", over_clips),
            "smallest_visible": visible_difference(plan, clips, other, own),
        }
    return result


def clip_ends(plan: Plan, name: str, interval: Interval) -> dict[str, float]:
    """The ends of an interval over clips as the cells `clip_low` and `clip_high` after `name`; NaN
    where there are too few seeds.

    It keeps the trained models as they are: beside a mean of few seeds it would pass for the whole
    uncertainty. With folds there is none: it would take the clips of a group for independent.
    """
    if plan.split_into is not None:
        return {}
    ends = interval if len(plan.seeds) >= MIN_SEEDS else Interval(*[float("nan")] * 3)
    return {f"{name}clip_low": ends.low, f"{name}clip_high": ends.high}


def row_beside_paper(plan: Plan, variant: str, modality: str) -> dict[str, Any]:
    """A row of Table 2 with the accuracy and the drop that the paper prints, and with both drops in
    log-odds: a point at 60 % is less than a point at 90 %."""
    name = paper.paper_row(variant)
    printed, whole = (paper.printed("table2", row, modality) for row in (name, paper.WHOLE))
    measured = row(plan, variant, modality)
    result = measured | {"paper": printed, "paper_drop": paper.printed_drop(variant, modality)}
    if variant == plan.reference:
        return result
    full, own = (
        log_odds(collect.accuracy(plan, each, modality), measured["n_test"])
        for each in (plan.reference, variant)
    )
    known = printed is not None and whole is not None
    return result | {
        "drop_log_odds": (full - own).mean(),
        "paper_drop_log_odds": log_odds(whole) - log_odds(printed) if known else None,
    }


def table2(plan: Plan) -> pd.DataFrame:
    """Table 2; `family` is `primary` or `exploratory`.

    The `family_size` primary rows have a simultaneous interval, a verdict for each of the smallest
    effect sizes of interest in configs/claims.yaml, and, without folds, the two-way interval over
    seeds and clips at the same level, which decides nothing.
    """
    section = section_of(plan, "table2")
    rows = [
        row_beside_paper(plan, variant, modality)
        | {"family": "" if variant == plan.reference else "exploratory"}
        | (_primary(plan, variant) if verdicts.is_primary(plan, variant, modality) else {})
        for modality in section.modalities
        for variant in section.variants
    ]
    table = pd.DataFrame(rows)
    if "family_size" in table:
        table["family_size"] = table["family_size"].astype("Int64")
    return table


def _primary(plan: Plan, variant: str) -> dict[str, Any]:
    """The cells that a primary row of Table 2 has in addition."""
    interval, level = verdicts.primary_interval(plan, variant), verdicts.primary_level(plan)
    printed = paper.printed_drop(variant, paper.claims()["primary"]["modality"])
    first, *others = verdicts.effect_sizes()
    judged = {
        size: verdicts.judge_difference(plan, interval, level, printed, size)[0]
        for size in (first, *others)
    }
    return {
        "family": "primary",
        "family_size": len(verdicts.primary_rows(plan)),
        "simultaneous_low": interval.low,
        "simultaneous_high": interval.high,
        **_for_other_clips(plan, variant, level),
        "verdict": judged[first],
        **{f"verdict_at_{size:g}": judged[size] for size in others},
    }


def _for_other_clips(plan: Plan, variant: str, level: float) -> dict[str, float]:
    """The ends of the two-way interval of a primary row, which stands beside the one that decides;
    none with folds, where that one is two-way."""
    if plan.split_into is not None:
        return {}
    modality = paper.claims()["primary"]["modality"]
    full, without = collect.hits_of(plan, (plan.reference, modality), (variant, modality))
    clips = collect.clips(plan, variant, modality)
    interval = over_seeds_and_clips(plan, clips, full, without, level)
    return {"two_way_low": interval.low, "two_way_high": interval.high}


def section_of(plan: Plan, name: str) -> Any:
    """A section of a plan.

    Raises:
        UserError: the plan does not have it.
    """
    section = getattr(plan, name)
    if section is None:
        raise UserError(f"plan {plan.name} has no section {name!r}; add it to the plan")
    return section


def ablation(plan: Plan, name: str) -> pd.DataFrame:
    """The rows of Table 2 for one ablation and the reference."""
    rows = [
        row_beside_paper(plan, variant, modality)
        for modality in section_of(plan, "table2").modalities
        for variant in (plan.reference, name)
    ]
    return pd.DataFrame(rows)


def sensitivity(plan: Plan) -> pd.DataFrame:
    """The full method under other readings of the paper; a drop is the accuracy of the default
    reading minus that of the row."""
    section = section_of(plan, "sensitivity")
    rows = [
        row(plan, variant, modality)
        for modality in section.modalities
        for variant in section.variants
    ]
    return pd.DataFrame(rows)


def cluster_ce(plan: Plan) -> pd.DataFrame:
    """The main rows of Table 2 without and with cross entropy on cluster ids; each drop is from the
    full method under the same reading."""
    section = section_of(plan, "cluster_ce")
    rows = []
    for modality in section.modalities:
        for reading, reference, variants in (
            ("no", plan.reference, (plan.reference, "no_confusion_loss", "no_kmeans")),
            ("yes", "full_ce", ("full_ce", "no_confusion_loss_ce", "no_kmeans")),
        ):
            rows += [
                {"cluster_cross_entropy": reading} | row(plan, variant, modality, reference)
                for variant in variants
                if variant in section.variants
            ]
    return pd.DataFrame(rows)
