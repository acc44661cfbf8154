"""Tables that the paper does not have: learning rates, leakage and feature quality.

All cells are computed from per-clip predictions and the degrees of confusion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from diccae.functional.bootstrap import ACCURACY, DIFFERENCE, paired_t_interval, t_interval
from diccae.functional.two_way import two_way_interval
from diccae.plans import Plan
from diccae.reporting import collect, degrees
from diccae.reporting.intervals import kind_of
from diccae.reporting.tables import section_of

MODALITIES = ("A", "V", "AV")


def learning_rates(plan: Plan) -> pd.DataFrame:
    """Accuracy of variants with other learning rates in fine-tuning, on validation and test;
    nothing is selected from this table."""
    rates = section_of(plan, "learning_rates")
    rows = []
    for variant in rates.variants:
        for name in [variant, *rates.at_rates(variant)]:
            settings = collect.record(plan, name, rates.seeds[0], rates.modality)["settings"]
            rows.append(
                {
                    "variant": variant,
                    "modality": rates.modality,
                    "lr": f"{settings['schedule']['finetune']['lr']:g}",
                    "seeds": len(rates.seeds),
                    "validation": collect.accuracy(
                        plan, name, rates.modality, "validation", seeds=rates.seeds
                    ).mean(),
                    "test": collect.accuracy(plan, name, rates.modality, seeds=rates.seeds).mean(),
                }
            )
    return pd.DataFrame(rows).sort_values(["variant", "lr"], kind="stable")


def leakage(plan: Plan) -> pd.DataFrame:
    """Accuracy when the update set comes from the test split, against a held-out part of training.

    `train_holdout` and `test_portion` are scored on test clips that neither used as update set, and
    `test_overlap` on its own update clips. `gain` is the difference from `train_holdout` on the
    same clips, paired by seed. With folds the intervals are over groups and rotations, and `n_test`
    is that of the last rotation.
    """
    twin = section_of(plan, "leakage")
    arms = (
        "train_holdout",
        "test_portion",
        "test_overlap, its update clips",
        "train_holdout, the same clips",
    )
    scores: dict[str, list[float]] = {name: [] for name in arms}
    # of every clip, NaN where it was not scored in this arm
    by_clip: dict[str, list[NDArray[np.float64]]] = {name: [] for name in arms}
    tested = collect.clips(plan, twin.portion, twin.modality)
    pair = ((twin.holdout, twin.modality), (twin.portion, twin.modality))
    sizes = (0, 0)
    for seed, holdout, portion in zip(plan.seeds, *collect.hits_of(plan, *pair), strict=True):
        table = collect.predictions(plan, twin.portion, seed, twin.modality)
        used = table["in_update"].to_numpy()
        sizes = (int((~used).sum()), int(used.sum()))
        for name, correct, clips in (
            ("train_holdout", holdout, ~used),
            ("test_portion", portion, ~used),
            ("test_overlap, its update clips", portion, used),
            ("train_holdout, the same clips", holdout, used),
        ):
            scores[name].append(100 * float(correct[clips].mean()))
            by_clip[name].append(np.where(clips, 100.0 * correct, np.nan))
    rows = []
    for name, partner, n in (
        ("train_holdout", None, sizes[0]),
        ("test_portion", "train_holdout", sizes[0]),
        ("train_holdout, the same clips", None, sizes[1]),
        ("test_overlap, its update clips", "train_holdout, the same clips", sizes[1]),
    ):
        values = np.array(by_clip[name])
        mean, low, high = (
            t_interval(scores[name], limits=ACCURACY)
            if plan.split_into is None
            else two_way_interval(values, tested["label"], tested["group"], limits=ACCURACY)
        )
        entry: dict[str, Any] = {
            "arm": name,
            "modality": twin.modality,
            "n_test": n,
            **kind_of(plan, tested),
            "top1": mean,
            "low": low,
            "high": high,
        }
        if partner:
            gain = values - np.array(by_clip[partner])
            entry["gain"], entry["gain_low"], entry["gain_high"] = (
                paired_t_interval(scores[name], scores[partner], limits=DIFFERENCE)
                if plan.split_into is None
                else two_way_interval(gain, tested["label"], tested["group"], limits=DIFFERENCE)
            )
        rows.append(entry)
    return pd.DataFrame(rows)


def feature_quality(plan: Plan) -> pd.DataFrame:
    """Statistics of the degrees of confusion of every run on the test split; with folds, of the
    degrees of all folds of a seed together.

    `spearman_truth` is the rank correlation of the degrees with the confusability of the pairs of
    classes in the embedded benchmark, NaN for other data, and `spearman_truth_largest` the largest
    one that the ties on both sides leave possible; `spearman_degree_top1` is that of mean
    degree and accuracy over the runs of a modality. A correlation is NaN where one side is
    constant, or where there are fewer than three values.
    """
    known = collect.truth(plan)
    scored = [run for run in plan.scored(plan.reported()) if "@" not in run.variant]
    places = {variant: place for place, variant in enumerate(plan.variants())}
    rows = []
    for run in sorted(
        scored, key=lambda run: (places[run.variant], MODALITIES.index(run.modality))
    ):
        values = degrees.upper(degrees.degree(plan, run.variant, run.seed, run.modality))
        agreement = largest = ceiling = float("nan")
        if known:
            truth = degrees.upper(np.array(known["confusability"][run.modality]))
            truth = np.tile(truth, len(plan.folds))
            agreement = rank_correlation(values, truth)
            largest = largest_rank_correlation(values, truth)
            ceiling = known["bayes_ceiling"][run.modality]
        top1 = collect.accuracy(plan, run.variant, run.modality, seeds=[run.seed])[0]
        rows.append(
            {
                "variant": run.variant,
                "modality": run.modality,
                "seed": run.seed,
                "degree_mean": values.mean(),
                "degree_variance": values.var(),
                "zero_share": (values == 0).mean(),
                "spearman_truth": agreement,
                "spearman_truth_largest": largest,
                "top1": top1,
                "bayes_ceiling": ceiling,
            }
        )
    table = pd.DataFrame(rows)
    correlations = {
        modality: rank_correlation(group["degree_mean"], group["top1"])
        for modality, group in table.groupby("modality")
    }
    table["spearman_degree_top1"] = table["modality"].map(correlations)
    return table


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's; NaN where one side is constant, or where there are fewer than three values."""
    pair = np.asarray(first), np.asarray(second)
    if len(pair[0]) < 3 or any((values == values[0]).all() for values in pair):
        return float("nan")
    return float(spearmanr(*pair).statistic)


def largest_rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's correlation of the same values in the best order: below 1 where values tie on one
    side and not on the other. NaN as in `rank_correlation`."""
    return rank_correlation(np.sort(first), np.sort(second))
