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
    all modalities and models with this value (of the model alone where the section says `apart`),
    and `best` marks the value whose mean is highest, by whether larger and smaller values were
    tried.
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
    table = _with_best(pd.DataFrame(rows), apart=section.apart)
    # small rates would lose digits
    return table.assign(value=[f"{value:g}" if value == value else "" for value in table["value"]])


def _with_best(table: pd.DataFrame, apart: bool) -> pd.DataFrame:
    """The table with the columns `mean` and `best`; if `apart`, of each model by itself."""
    models = table["variant"].str.partition("@")[0] if apart else ""
    table = table.assign(model=models, mean=float("nan"), best="")
    varied = table[table["parameter"] != ""]
    for (model, parameter), group in varied.groupby(["model", "parameter"]):
        own = (table["model"] == model) & (table["parameter"] == parameter)
        means = group.groupby("value")["validation"].mean()
        table.loc[own, "mean"] = table.loc[own, "value"].map(means)
        best = means.idxmax()
        inside = means.index.min() < best < means.index.max()
        table.loc[own & (table["value"] == best), "best"] = INSIDE if inside else EDGE
    return table.drop(columns="model")


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
