"""What the weights of pairs do in training, epoch by epoch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from diccae.functional.bootstrap import t_interval
from diccae.plans import Plan
from diccae.reporting.clusters import cluster_quality
from diccae.reporting.figures import BLUE, STYLE, save_svg
from diccae.reporting.histories import History, histories
from diccae.reporting.tables import section_of

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

WEIGHTS = ("weight_mean", "weight_sd", "weight_p05", "weight_p50", "weight_p95")
SHARES = ("share_", "grad_share_")
PURITY = "purity"
# rows of the figure: title, and the quantities of the table that it shows
PANELS = (
    ("weights of pairs", "weight_"),
    ("share of the loss", "share_"),
    ("share of the gradient", "grad_share_"),
    ("cluster purity", PURITY),
)


def mechanism(plan: Plan) -> pd.DataFrame:
    """One row for each stage whose losses weigh pairs, epoch and quantity: the mean over seeds, of
    the mean over folds, with its 95 % t-interval.

    Quantities are those of history.csv: mean, standard deviation and quantiles of the weights that
    the epoch used, the share of each loss and of its gradient; and `purity` of the clusters after
    the epoch, where the true classes are known (epoch 0: the first clusters).

    Raises:
        UserError: the plan has no section `mechanism`, or a run is missing.
    """
    section = section_of(plan, "mechanism")
    # (stage, epoch, quantity) -> seed -> one value a fold
    values: dict[tuple[str, int, str], dict[int, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    clustered: dict[str, str] = {}
    for seed in plan.seeds:
        for fold in plan.folds:
            for history in histories(plan, section.variant, seed, section.modality, fold):
                if "weight_mean" not in history.table:
                    continue
                clustered |= {history.stage: history.folder.split("/")[0]}
                for key, value in _of_history(history):
                    values[key][seed].append(value)
    for stage, variant in clustered.items():
        found = cluster_quality(plan, [variant]) if stage == "pretrain" else pd.DataFrame()
        for row in found.to_dict("records"):
            values[stage, row["epoch"], PURITY][row["seed"]].append(row["purity"])
    order = {stage: place for place, stage in enumerate(clustered)}
    rows = []
    for key in sorted(values, key=lambda key: (order[key[0]], key[1])):
        means = [sum(of_folds) / len(of_folds) for of_folds in values[key].values()]
        top = math.inf if key[2].startswith("weight_") else 1.0
        mean, low, high = t_interval(means, limits=(0.0, top))
        names = dict(zip(("stage", "epoch", "quantity"), key, strict=True))
        rows.append({**names, "seeds": len(means), "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def _of_history(history: History) -> Iterator[tuple[tuple[str, int, str], float]]:
    for row in history.table.to_dict("records"):
        for name, value in row.items():
            if (name in WEIGHTS or str(name).startswith(SHARES)) and math.isfinite(value):
                yield (history.stage, int(row["epoch"]), str(name)), float(value)


def draw_mechanism(plan: Plan, table: pd.DataFrame, svg: Path) -> None:
    """Draw the table into an SVG file: a column for each stage, a row for weights, shares of loss
    and gradient, and purity."""
    stages = list(dict.fromkeys(table["stage"]))
    panels = [
        (title, prefix)
        for title, prefix in PANELS
        if table["quantity"].str.startswith(prefix).any()
    ]
    # a loss has one colour in all panels
    names = [str(name).split("share_", 1)[-1] for name in table["quantity"] if "share_" in name]
    colours = {name: f"C{place}" for place, name in enumerate(dict.fromkeys(names))}
    with mpl.rc_context({**STYLE, "figure.figsize": (7.2, 1.9 * len(panels) + 0.4)}):
        figure, grid = plt.subplots(len(panels), len(stages), squeeze=False, sharey="row")
        for column, stage in enumerate(stages):
            of_stage = table[table["stage"] == stage]
            for axes, (title, prefix) in zip(grid[:, column], panels, strict=True):
                rows = of_stage[of_stage["quantity"].str.startswith(prefix)]
                if rows.empty:
                    axes.set_axis_off()
                    continue
                if prefix == "weight_":
                    _draw_weights(axes, rows)
                else:
                    _draw_lines(axes, rows, prefix, colours)
                axes.set_ylim(bottom=0)
                axes.xaxis.get_major_locator().set_params(integer=True)
                axes.set_ylabel(title if column == 0 else "")
            grid[0, column].set_title(stage)
            drawn = [axes for axes in grid[:, column] if axes.axison]
            drawn[-1].set_xlabel("epoch")
        save_svg(figure, svg)


def _draw_weights(axes: Axes, rows: pd.DataFrame) -> None:
    lines = {name: part.set_index("epoch")["mean"] for name, part in rows.groupby("quantity")}
    low, middle, high = (lines[f"weight_{name}"] for name in ("p05", "p50", "p95"))
    axes.fill_between(
        low.index, low, high, color=BLUE, alpha=0.15, linewidth=0, label="5 to 95 % of the pairs"
    )
    axes.plot(middle.index, middle, color=BLUE, linestyle="--", linewidth=1, label="median")
    mean = lines["weight_mean"]
    axes.plot(mean.index, mean, color=BLUE, marker="o", markersize=3, label="mean")
    axes.legend(frameon=False, fontsize=7)


def _draw_lines(axes: Axes, rows: pd.DataFrame, prefix: str, colours: dict[str, str]) -> None:
    for quantity, part in rows.groupby("quantity", sort=False):
        name = str(quantity).removeprefix(prefix)
        colour, epochs = colours.get(name, BLUE), part["epoch"]
        axes.plot(epochs, part["mean"], color=colour, marker="o", markersize=3, label=name)
        axes.fill_between(epochs, part["low"], part["high"], color=colour, alpha=0.15, linewidth=0)
    if prefix != PURITY:
        axes.legend(frameon=False, fontsize=7)
