"""Accuracy as a function of a number: the table and the figure of the section `dose_response`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.figures import BLUE, GREEN, GREY, STYLE, save_svg
from diccae.reporting.intervals import accuracy_interval, difference_interval, kind_of
from diccae.reporting.repetitions import repetition
from diccae.reporting.tables import section_of

COLOURS = (BLUE, GREEN, GREY, "black")
# inches of one panel
PANEL = (4.6, 3.6)


def dose_response(plan: Plan) -> pd.DataFrame:
    """Accuracy of each curve at each of its values in percent, and the difference to the same curve
    at its default value, paired by seed, both with a t-interval over seeds; `lowest` and `highest`
    are those of the seeds.

    Raises:
        UserError: the plan has no section `dose_response`, or a run is missing.
    """
    section = section_of(plan, "dose_response")
    rows = []
    for curve in section.curves:
        for value in curve.values:
            runs = [(curve.at(number), section.modality) for number in (value, curve.default)]
            own, default = collect.hits_of(plan, *runs)
            clips = collect.clips(plan, *runs[0])
            accuracy = 100 * own.mean(axis=1)
            _, low, high = accuracy_interval(plan, clips, own)
            difference = difference_interval(plan, clips, own, default)
            row = {
                "variant": curve.variant,
                "modality": section.modality,
                "parameter": key_of(plan, curve.parameter),
                "value": value,
                "seeds": len(plan.seeds),
                "n_test": len(clips),
                **kind_of(plan, clips),
                "top1": accuracy.mean(),
                "low": low,
                "high": high,
                "lowest": accuracy.min(),
                "highest": accuracy.max(),
                "seed_std": accuracy.std(ddof=1) if len(accuracy) > 1 else float("nan"),
            }
            if value != curve.default:
                names = ("difference", "difference_low", "difference_high")
                row |= dict(zip(names, difference, strict=True))
            rows.append(row)
    return pd.DataFrame(rows)


def key_of(plan: Plan, parameter: str) -> str:
    """The dotted key that a short name of a plan stands for; several joined by `and`."""
    keys = plan.parameters[parameter]
    return keys if isinstance(keys, str) else " and ".join(keys)


def draw_dose_response(plan: Plan, table: pd.DataFrame, svg: Path) -> None:
    """Draw the curves into an SVG file, one panel for each parameter, with values at equal
    distances; with too few seeds for an interval, a line from the lowest to the highest seed."""
    parameters = list(dict.fromkeys(table["parameter"]))
    variants = list(dict.fromkeys(table["variant"]))
    banded = bool(np.isfinite(table["low"]).any())
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(
            1,
            len(parameters),
            sharey=True,
            squeeze=False,
            figsize=(PANEL[0] * len(parameters), PANEL[1]),
        )
        for axes, parameter in zip(panels[0], parameters, strict=True):
            shown = table[table["parameter"] == parameter]
            values = sorted(set(shown["value"]))
            for variant, curve in shown.groupby("variant", sort=False):
                colour = COLOURS[variants.index(variant) % len(COLOURS)]
                place = [values.index(value) for value in curve["value"]]
                axes.plot(place, curve["top1"], marker="o", color=colour, label=variant)
                if banded:
                    axes.fill_between(
                        place, curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
                    )
                else:
                    axes.vlines(place, curve["lowest"], curve["highest"], color=colour, alpha=0.5)
            axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
            axes.set_xlabel(parameter)
        if not banded:
            words = f"lines: lowest to highest {repetition(plan)}"
            panels[0, 0].plot([], [], linestyle="none", label=words)
        panels[0, 0].set_ylabel("top-1 accuracy, % (test)")
        panels[0, 0].legend(frameon=False)
        save_svg(figure, svg)
