"""Figures 2 and 3, each a table with the plotted numbers and an SVG file.

The same numbers give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from diccae.plans import Plan
from diccae.reporting import collect, degrees
from diccae.reporting.intervals import accuracy_interval, kind_of
from diccae.reporting.repetitions import repetition
from diccae.reporting.tables import section_of
from diccae.whole_file import whole_file

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

BLUE, GREEN, GREY = "#2f6fb3", "#2e8b57", "#8a8f98"
STYLE: Any = {
    "svg.hashsalt": "diccae",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.figsize": (6.4, 3.6),
    "figure.constrained_layout.use": True,
}


def save_svg(figure: Figure, out: Path) -> None:
    """Write a figure as an SVG file, whose bytes depend on its numbers alone, and close it."""
    with whole_file(out) as temporary:
        figure.savefig(
            temporary, format="svg", metadata={"Date": None}, transparent=False, facecolor="white"
        )
    plt.close(figure)


def figure2(plan: Plan) -> pd.DataFrame:
    """Statistics of the degrees of confusion on the test split (upper triangle, after the last
    epoch), one row for each model and seed; with folds, of the degrees of all folds together.

    Raises:
        UserError: the plan has no section `figure2`, or a run is missing.
    """
    section = section_of(plan, "figure2")
    rows = []
    for name, variant in (("with DICCAE", section.with_), ("without DICCAE", section.without)):
        for seed in plan.seeds:
            values = degrees.upper(degrees.degree(plan, variant, seed, section.modality))
            rows.append(
                {
                    "model": name,
                    "variant": variant,
                    "modality": section.modality,
                    "seed": seed,
                    "pairs": len(values),
                    "mean": values.mean(),
                    "variance": values.var(),
                    "zero_share": (values == 0).mean(),
                    **{
                        f"q{int(100 * q)}": np.quantile(values, q)
                        for q in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
                    },
                }
            )
    return pd.DataFrame(rows)


def draw_figure2(plan: Plan, table: pd.DataFrame, svg: Path) -> None:
    """Draw Fig. 2 into an SVG file: distribution of inter-class confusion with and without
    DICCAE."""
    assert plan.figure2 is not None
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots()
        pooled = {
            name: np.concatenate(
                [
                    degrees.upper(degrees.degree(plan, variant, seed, plan.figure2.modality))
                    for seed in plan.seeds
                ]
            )
            for name, variant in (
                ("without DICCAE", plan.figure2.without),
                ("with DICCAE", plan.figure2.with_),
            )
        }
        # one seed can have a variance a hundred times as large as the others
        variances = table.groupby("model")["variance"].median()
        top = max(np.quantile(values, 0.98) for values in pooled.values())
        bins = np.linspace(0, top if top > 0 else 1, 31)
        for (name, values), colour in zip(pooled.items(), (GREY, BLUE), strict=True):
            axes.hist(
                np.minimum(values, bins[-1]),
                bins.tolist(),
                alpha=0.6,
                color=colour,
                density=True,
                label=f"{name}: mean {values.mean():.2f}, variance {variances[name]:.2f}",
            )
            axes.axvline(values.mean(), color=colour, linestyle="--", linewidth=1.2)
        axes.set_xlabel("inter-class confusion degree (Eq. 2); the last bin holds what lies beyond")
        axes.set_ylabel("density over class pairs")
        axes.legend(frameon=False)
        save_svg(figure, svg)


def figure3(plan: Plan) -> pd.DataFrame:
    """Accuracy for each fixed weight and for dynamic weighting; `chosen` marks the fixed weight
    with the highest validation accuracy.

    Raises:
        UserError: the plan has no section `figure3`, or a run is missing.
    """
    sweep = section_of(plan, "figure3")
    rows = []
    for weight, variant in [
        *zip(sweep.weights, sweep.variants, strict=False),
        (None, sweep.dynamic),
    ]:
        tuned = collect.accuracy(plan, variant, sweep.modality, "validation")
        clips = collect.clips(plan, variant, sweep.modality)
        correct = collect.hits(plan, variant, sweep.modality)
        values = 100 * correct.mean(axis=1)
        _, low, high = accuracy_interval(plan, clips, correct)
        counted = kind_of(plan, clips)
        rows.append(
            {
                "weighting": "dynamic" if weight is None else "fixed",
                "weight": weight,
                "variant": variant,
                "modality": sweep.modality,
                "seeds": len(plan.seeds),
                **({"n_test": len(clips)} | counted if counted else {}),
                "top1": values.mean(),
                "low": low,
                "high": high,
                "seed_std": values.std(ddof=1) if len(values) > 1 else float("nan"),
                "validation": tuned.mean(),
            }
        )
    table = pd.DataFrame(rows)
    fixed = table[table["weighting"] == "fixed"]
    table["chosen"] = table.index == fixed["validation"].idxmax()
    return table


def draw_figure3(plan: Plan, table: pd.DataFrame, svg: Path) -> None:
    """Draw Fig. 3 into an SVG file: audio accuracy against fixed confusion-loss weights, and
    dynamic weighting as a dashed line."""
    fixed, dynamic = (
        table[table["weighting"] == "fixed"],
        table[table["weighting"] == "dynamic"].iloc[0],
    )
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots()
        place = np.arange(len(fixed))
        axes.plot(place, fixed["top1"], marker="o", color=BLUE, label="fixed weight")
        if np.isfinite(fixed["low"]).any():
            axes.fill_between(
                place, fixed["low"], fixed["high"], color=BLUE, alpha=0.15, linewidth=0
            )
        else:
            axes.plot([], [], linestyle="none", label=f"no band: too few {repetition(plan)}s")
        axes.axhline(dynamic["top1"], color=GREEN, linestyle="--", label="dynamic weighting")
        if np.isfinite(dynamic["low"]):
            axes.axhspan(dynamic["low"], dynamic["high"], color=GREEN, alpha=0.12, linewidth=0)
        best = int(np.flatnonzero(fixed["chosen"])[0])
        axes.plot(
            best,
            fixed["top1"].iloc[best],
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor="black",
            linestyle="none",
            label="best on validation",
        )
        axes.set_xticks(place, [f"{weight:g}" for weight in fixed["weight"]])
        axes.set_xlabel("confusion-loss weight in fine-tuning")
        axes.set_ylabel("top-1 accuracy, % (test)")
        # above the axes, where it covers no band
        figure.legend(frameon=False, loc="outside upper left", ncols=2)
        save_svg(figure, svg)
