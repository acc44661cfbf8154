"""Table 1: the rows that the paper prints, those that the systems' own papers publish, and the rows
that were measured in this harness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from diccae.functional.bootstrap import clip_bootstrap
from diccae.plans import Plan
from diccae.reporting import collect, paper, withheld
from diccae.reporting.confusable import errors_on_pairs
from diccae.reporting.intervals import accuracy_interval, kind_of
from diccae.reporting.repetitions import repetition
from diccae.reporting.systems import facts, rate_of, title
from diccae.reporting.tables import BOOTSTRAP_SEED, clip_ends, section_of
from diccae.reporting.visible import visible_between

PRINTED, PUBLISHED, MEASURED = "printed in the paper", "published", "measured"


def table1(plan: Plan) -> pd.DataFrame:
    """Printed and published rows, on VGGSound, and measured rows, on the dataset of the plan.

    `A`, `V` and `AV` are models that were fine-tuned on these modalities. `AV_without_video_zeros`
    and the like are the A-V models again, with the video withheld and zeros in its place: they are
    not the A models. See `diccae.evaluation.withheld`. `smallest_visible` is the smallest true
    difference to the reference, in points, that the seeds show with 80 % power, in A-V accuracy or,
    where the table has none, in that of its first modality; for a row at a `chosen` rate, to the
    reference at the rate chosen for it.
    """
    claims = paper.claims()
    rows: list[dict[str, Any]] = [
        {"system": system, "dataset": "VGGSound", "source": PRINTED, **_accuracies(values)}
        for system, values in claims["table1"].items()
    ]
    rows += [
        {
            "system": entry["system"],
            "dataset": "VGGSound",
            "source": f"{PUBLISHED}: {entry['source']}",
            **_accuracies(entry),
        }
        for entry in claims["published"]
    ]
    return pd.DataFrame([*rows, *_measured(plan)])


def _accuracies(values: dict[str, Any]) -> dict[str, float | None]:
    return {modality: values.get(modality) for modality in ("A", "V", "AV")}


def _measured(plan: Plan) -> list[dict[str, Any]]:
    section, rows = section_of(plan, "table1"), []
    for variant, modalities in section.rows:
        entry: dict[str, Any] = {
            "system": title(plan, variant),
            "dataset": plan.dataset_name,
            "source": f"{MEASURED}, plan {plan.name}, {repetition(plan)}s {len(plan.seeds)}",
            "variant": variant,
            "rate": rate_of(plan, variant),
        }
        for modality in modalities:
            correct = collect.hits(plan, variant, modality)
            clips = collect.clips(plan, variant, modality)
            mean, low, high = accuracy_interval(plan, clips, correct)
            rng = np.random.default_rng(BOOTSTRAP_SEED)
            over_clips = clip_bootstrap(100.0 * correct, clips["label"], rng=rng)
            entry |= {
                modality: mean,
                f"{modality}_low": low,
                f"{modality}_high": high,
                **clip_ends(plan, f"{modality}_", over_clips),
                f"{modality}_single_view": collect.accuracy(
                    plan, variant, modality, view="single"
                ).mean(),
                f"{modality}_errors_on_pairs": errors_on_pairs(plan, variant, modality),
                "n_test": len(clips),
                **kind_of(plan, clips),
            }
        if "AV" in modalities:
            entry |= withheld.columns(plan, variant)
        widest = max(modalities, key=len)
        entry["smallest_visible"] = visible_between(
            plan, variant, section.peer(variant, plan.reference), widest
        )
        rows.append(entry | facts(plan, variant))
    return rows
