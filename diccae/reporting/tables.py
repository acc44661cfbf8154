"""Tables, every cell computed from per-clip predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from diccae.errors import UserError
from diccae.functional.bootstrap import (
    clip_bootstrap,
    holm,
    paired_clip_bootstrap,
    paired_t_interval,
    paired_t_pvalue,
    t_interval,
)
from diccae.plans import Plan
from diccae.reporting import collect, paper

# The five A-V drops of Table 2 that are tested together; all other comparisons are exploratory. w/o
# K-means is the paper's own row (one source).
PRIMARY = (
    "no_confusion_loss",
    "no_dynamic_weighting",
    "no_infonce",
    "no_refinement",
    "no_kmeans_audioset",
)
BOOTSTRAP_SEED = 0
MODALITIES = ("A", "V", "AV")


def row(plan: Plan, variant: str, modality: str, reference: str | None = None) -> dict[str, Any]:
    """Accuracy of one variant and its drop against a reference (the plan's when None), each with an
    interval over seeds and one over clips."""
    seeds, reference = plan.seeds, reference or plan.reference
    own = collect.hits(plan, variant, modality)
    classes = collect.labels(plan, variant, modality)
    values = 100 * own.mean(axis=1)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    _, low, high = t_interval(values)
    _, clip_low, clip_high = clip_bootstrap(100.0 * own, classes, rng=rng)
    result = {
        "variant": variant,
        "modality": modality,
        "seeds": len(seeds),
        "n_test": own.shape[1],
        "top1": values.mean(),
        "low": low,
        "high": high,
        "clip_low": clip_low,
        "clip_high": clip_high,
        "top1_single_view": collect.accuracy(plan, variant, modality, view="single").mean(),
        "seed_std": values.std(ddof=1) if len(values) > 1 else float("nan"),
    }
    if variant != reference:
        other = collect.hits(plan, reference, modality)
        drop, clips = (
            paired_t_interval(100 * other.mean(axis=1), values),
            paired_clip_bootstrap(100.0 * other, 100.0 * own, classes, rng=rng),
        )
        result |= {
            "drop": drop.estimate,
            "drop_low": drop.low,
            "drop_high": drop.high,
            "drop_clip_low": clips.low,
            "drop_clip_high": clips.high,
            "p": paired_t_pvalue(100 * other.mean(axis=1), values),
        }
    return result


def table1(plan: Plan) -> pd.DataFrame:
    """Table 1: the printed rows on VGGSound, our rows on our data; the dataset column keeps them
    apart."""
    section = section_of(plan, "table1")
    rows: list[dict[str, Any]] = [
        {
            "system": system,
            "dataset": "VGGSound",
            "source": "printed in the paper",
            **{m: values.get(m) for m in ("A", "V", "AV")},
        }
        for system, values in paper.claims()["table1"].items()
    ]
    names = {
        plan.reference: "DICCAE (measured)",
        "from_scratch": "same encoders from scratch (measured)",
    }
    for variant in section.variants:
        entry: dict[str, Any] = {
            "system": names.get(variant, variant),
            "dataset": plan.dataset_name,
            "source": f"measured, plan {plan.name}, seeds {len(plan.seeds)}",
        }
        for modality in section.modalities:
            values = collect.accuracy(plan, variant, modality)
            mean, low, high = t_interval(values)
            entry |= {
                modality: mean,
                f"{modality}_low": low,
                f"{modality}_high": high,
                f"{modality}_single_view": collect.accuracy(
                    plan, variant, modality, view="single"
                ).mean(),
                "n_test": len(collect.labels(plan, variant, modality)),
            }
        rows.append(entry)
    return pd.DataFrame(rows)


def row_beside_paper(plan: Plan, variant: str, modality: str) -> dict[str, Any]:
    """A row of Table 2 with the paper's number and drop."""
    printed = paper.printed("table2", paper.paper_row(variant), modality)
    return row(plan, variant, modality) | {
        "paper": printed,
        "paper_drop": paper.printed_drop(variant, modality),
    }


def table2(plan: Plan) -> pd.DataFrame:
    """Rows of Table 2; `p_holm` for the primary family, `family` says what the rest is."""
    section = section_of(plan, "table2")
    rows = [
        row_beside_paper(plan, variant, modality)
        for modality in section.modalities
        for variant in section.variants
    ]
    table = pd.DataFrame(rows)
    primary = table["variant"].isin(PRIMARY) & (table["modality"] == "AV")
    table["family"] = np.where(
        table["variant"] == plan.reference, "", np.where(primary, "primary", "exploratory")
    )
    if "p" in table:
        table["p_holm"] = np.nan
        table.loc[primary, "p_holm"] = holm(table.loc[primary, "p"])
    return table


def section_of(plan: Plan, name: str) -> Any:
    section = getattr(plan, name)
    if section is None:
        raise UserError(f"plan {plan.name} has no section {name!r}; add it to the plan")
    return section


def ablation(plan: Plan, name: str) -> pd.DataFrame:
    """One ablation and the reference."""
    rows = [
        row_beside_paper(plan, variant, modality)
        for modality in section_of(plan, "table2").modalities
        for variant in (plan.reference, name)
    ]
    return pd.DataFrame(rows)


def sensitivity(plan: Plan) -> pd.DataFrame:
    """The full method under other readings of its open choices; a drop is the default's accuracy
    minus the row's."""
    section = section_of(plan, "sensitivity")
    rows = [
        row(plan, variant, modality)
        for modality in section.modalities
        for variant in section.variants
    ]
    return pd.DataFrame(rows)


def cluster_ce(plan: Plan) -> pd.DataFrame:
    """Headline rows without and with cross entropy on cluster ids; each drop is against the full
    method of its own reading."""
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


def learning_rates(plan: Plan) -> pd.DataFrame:
    """Every variant under other learning rates of fine-tuning, on validation and test; nothing is
    chosen from it."""
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


def tuning(plan: Plan) -> pd.DataFrame:
    """Validation accuracy of every setting that hyper-parameters are chosen from; the test split
    stays out of it."""
    section = section_of(plan, "tuning")
    rows = []
    for modality in section.modalities:
        for variant in section.variants:
            values = collect.accuracy(plan, variant, modality, "validation")
            rows.append(
                {
                    "variant": variant,
                    "modality": modality,
                    "seeds": len(values),
                    "validation": values.mean(),
                    "lowest": values.min(),
                    "highest": values.max(),
                }
            )
    return pd.DataFrame(rows)


def leakage(plan: Plan) -> pd.DataFrame:
    """Three arms on the clips that no arm used as its update set; `gain` is paired by seed against
    train_holdout."""
    twin = section_of(plan, "leakage")
    scores: dict[str, list[float]] = {
        "train_holdout": [],
        "test_portion": [],
        "test_overlap, its update clips": [],
        "train_holdout, the same clips": [],
    }
    sizes = (0, 0)
    for seed in plan.seeds:
        holdout, portion = (
            collect.predictions(plan, variant, seed, twin.modality)
            for variant in (twin.holdout, twin.portion)
        )
        used = portion["in_update"].to_numpy()
        sizes = (int((~used).sum()), int(used.sum()))
        for name, table, clips in (
            ("train_holdout", holdout, ~used),
            ("test_portion", portion, ~used),
            ("test_overlap, its update clips", portion, used),
            ("train_holdout, the same clips", holdout, used),
        ):
            scores[name].append(100 * float(table["correct"].to_numpy()[clips].mean()))
    rows = []
    for name, partner, n in (
        ("train_holdout", None, sizes[0]),
        ("test_portion", "train_holdout", sizes[0]),
        ("train_holdout, the same clips", None, sizes[1]),
        ("test_overlap, its update clips", "train_holdout, the same clips", sizes[1]),
    ):
        mean, low, high = t_interval(scores[name])
        entry: dict[str, Any] = {
            "arm": name,
            "modality": twin.modality,
            "n_test": n,
            "top1": mean,
            "low": low,
            "high": high,
        }
        if partner:
            entry["gain"], entry["gain_low"], entry["gain_high"] = paired_t_interval(
                scores[name], scores[partner]
            )
        rows.append(entry)
    return pd.DataFrame(rows)


def feature_quality(plan: Plan) -> pd.DataFrame:
    """Degrees of confusion of every run on test; rank correlation with the generator's
    confusability of the pairs, and over runs with accuracy."""
    known = collect.truth(plan)
    scored = [run for run in plan.scored(plan.needs()) if "@" not in run.variant]
    places = {variant: place for place, variant in enumerate(plan.variants())}
    rows = []
    for run in sorted(
        scored, key=lambda run: (places[run.variant], MODALITIES.index(run.modality))
    ):
        values = collect.upper(collect.degree(plan, run.variant, run.seed, run.modality))
        agreement = ceiling = float("nan")
        if known:
            truth = collect.upper(np.array(known["confusability"][run.modality]))
            agreement = spearmanr(values, truth).statistic
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
                "top1": top1,
                "bayes_ceiling": ceiling,
            }
        )
    table = pd.DataFrame(rows)
    correlations = {
        modality: spearmanr(group["degree_mean"], group["top1"]).statistic
        if len(group) > 2
        else float("nan")
        for modality, group in table.groupby("modality")
    }
    table["spearman_degree_top1"] = table["modality"].map(correlations)
    return table
