"""Tables on the tuning seeds: learning rates, and the spread of a drop between seeds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from diccae.functional.spread import deviation_interval, stream_spread
from diccae.plans import VARIANT, Plan
from diccae.reporting import collect
from diccae.reporting.tables import section_of

INSIDE, EDGE = "yes, inside the grid", "yes, at the edge of the grid"


def tuning(plan: Plan) -> pd.DataFrame:
    """Validation accuracy of every setting that hyper-parameters are selected from; the test split
    is not read.

    A variant such as `full@lr=0.001` has `parameter` lr and `value` 0.001. `mean` is the mean over
    all modalities and models with this value, and `best` marks the value whose mean is highest, by
    whether larger and smaller values were tried.
    """
    section = section_of(plan, "tuning")
    rows: list[dict[str, Any]] = []
    for modality in section.modalities:
        for variant in section.variants:
            values = collect.accuracy(plan, variant, modality, "validation")
            match = VARIANT.fullmatch(variant)
            parameter = match["short"] if match else None
            rows.append(
                {
                    "variant": variant,
                    "modality": modality,
                    "seeds": len(values),
                    "validation": values.mean(),
                    "lowest": values.min(),
                    "highest": values.max(),
                    "parameter": parameter or "",
                    "value": float(match["value"]) if match and parameter else float("nan"),
                }
            )
    table = pd.DataFrame(rows)
    varied = table[table["parameter"] != ""]
    means = varied.groupby(["parameter", "value"])["validation"].mean()
    keys = pd.MultiIndex.from_frame(table[["parameter", "value"]])
    table["mean"] = means.reindex(keys).to_numpy()
    table["best"] = ""
    for parameter, group in varied.groupby("parameter"):
        best = means[parameter].idxmax()
        inside = group["value"].min() < best < group["value"].max()
        of_best = (table["parameter"] == parameter) & (table["value"] == best)
        table.loc[of_best, "best"] = INSIDE if inside else EDGE
    return table


def spread(plan: Plan) -> pd.DataFrame:
    """Standard deviation between seeds of the difference of two models of one variant that differ
    in their random stream alone, in points, with its 95 % interval (`stream_spread`). Test clips
    of tuning seeds, which no table uses; no two variants are compared."""
    section = section_of(plan, "spread")
    rows = []
    for modality in section.modalities:
        streams = [collect.accuracy(plan, variant, modality) for variant in section.variants]
        accuracy = pd.DataFrame(streams).T.to_numpy()
        value, freedom = stream_spread(accuracy)
        low, high = deviation_interval(value, freedom)
        rows.append(
            {
                "modality": modality,
                "seeds": accuracy.shape[0],
                "streams": accuracy.shape[1],
                "spread": value,
                "low": low,
                "high": high,
                "degrees_of_freedom": freedom,
            }
        )
    return pd.DataFrame(rows)
