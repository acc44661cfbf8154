"""The forest plot of Table 2: each drop with its intervals, the drop that the paper prints, and the
bounds within which an effect is too small to matter. Only the page has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from diccae.reporting.data_sets import label
from diccae.reporting.effects import OF_TABLE2
from diccae.reporting.figures import BLUE, GREY, STYLE
from diccae.reporting.page_values import counted
from diccae.reporting.pictures import svg
from diccae.reporting.row_words import MODALITIES, Row, no_verdict, widest
from diccae.reporting.verdicts import effect_sizes

MEAN: Any = {"marker": "o", "markersize": 5, "color": "black", "linestyle": "none"}
PRINTED: Any = {
    "marker": "|",
    "markersize": 15,
    "markeredgewidth": 2,
    "color": "#b3372f",
    "linestyle": "none",
}
LIGHT = "#a9c6e6"
SINGLE, TOGETHER = "95 % interval", "interval that decides"
NONE = (float("nan"), float("nan"))


class Drop(NamedTuple):
    """A row of the forest plot, in points.

    Attributes:
        words: what the method has instead.
        drop: mean over seeds.
        simultaneous: ends of the interval of a primary row; NaN for other rows and without one.
        single: ends of the 95 % interval; NaN without one.
        paper: the drop that the paper prints; NaN where it prints none.
    """

    words: str
    drop: float
    simultaneous: tuple[float, float]
    single: tuple[float, float]
    paper: float


class Forest(NamedTuple):
    """The forest plot of a plan.

    Attributes:
        modality: of its rows, in words.
        rows: the drops, in the order of Table 2.
        primary: whether the rows are the primary ones, which alone have a smallest effect of
            interest.
        few: why there are no intervals, in words; empty where there are.
    """

    modality: str
    rows: list[Drop]
    primary: bool
    few: str

    @property
    def printed(self) -> bool:
        """Whether the paper prints one of the drops."""
        return any(np.isfinite(row.paper) for row in self.rows)


def forest(table2: Sequence[Row] | None, unit: str = "seed") -> Forest | None:
    """The drops of Table 2 in the modality that holds the others; None without drops.

    Args:
        table2: its rows; None for a plan without it.
        unit: what a seed is, in words.
    """
    drops = widest([row for row in table2 or () if np.isfinite(row.get("drop", np.nan))])
    if not drops:
        return None
    rows = [
        Drop(
            label(f"{OF_TABLE2}{row['variant']}"),
            row["drop"] + 0.0,
            (row["simultaneous_low"], row["simultaneous_high"])
            if row["family"] == "primary"
            else NONE,
            (row["drop_low"], row["drop_high"]),
            row["paper_drop"],
        )
        for row in drops
    ]
    primary = any(row["family"] == "primary" for row in drops)
    few = no_verdict(drops, ("drop", "drop_low", "drop_high"), unit)
    return Forest(MODALITIES[drops[0]["modality"]], rows, primary, few)


def describe(shown: Forest) -> str:
    """What a forest plot shows, for those who do not see it: how many drops lie where, and the
    largest and the smallest of them."""
    most, least = (pick(shown.rows, key=lambda row: row.drop) for pick in (max, min))
    ends = [row.single if np.isnan(row.simultaneous[0]) else row.simultaneous for row in shown.rows]
    above, below = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
    without = sum(bool(np.isnan(low)) for low, _ in ends)
    rest = len(ends) - above - below - without
    where = f"intervals above zero: {above}, below: {below}, with zero inside: {rest}"
    where = shown.few or where + (f", without an interval: {without}" if without else "")
    return (
        f"Forest plot of Table 2 in {shown.modality}, {counted(len(ends), 'row')}; {where}. The "
        f"largest drop is {most.drop:.1f} points ({most.words}), the smallest {least.drop:.1f} "
        f"points ({least.words})."
    ).replace(" -", " −")


def draw(shown: Forest) -> str:
    """A forest plot as an SVG data URI; beneath primary rows with the band of effects below the
    smallest one of interest."""
    sesoi = effect_sizes()[0]
    band = f"within ±{sesoi:g} point{'s' if sesoi != 1 else ''}"
    style = STYLE | {"figure.figsize": (6.4, 1.6 + 0.34 * len(shown.rows)), "axes.grid": False}
    with mpl.rc_context(style):
        figure = Figure()
        axes = figure.subplots()
        if shown.primary:
            axes.axvspan(-sesoi, sesoi, color=GREY, alpha=0.2, linewidth=0, label=band)
        axes.axvline(0, color="black", linewidth=0.8)
        for place, row in enumerate(shown.rows):
            both = [place, place]
            axes.plot(row.single, both, color=BLUE, linewidth=1.5, label=SINGLE)
            axes.plot(row.simultaneous, both, color=LIGHT, linewidth=6, zorder=1.5, label=TOGETHER)
            axes.plot(row.drop, place, label="mean", **MEAN)
            if np.isfinite(row.paper):
                axes.plot(row.paper, place, label="printed in the paper", **PRINTED)
        axes.set_yticks(range(len(shown.rows)), [row.words for row in shown.rows])
        axes.set_ylim(len(shown.rows) - 0.4, -0.6)
        axes.set_xlabel(f"drop in {shown.modality} accuracy, points")
        drawn = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        absent = {SINGLE, TOGETHER} if shown.few else set() if shown.primary else {TOGETHER}
        kept = {words: handle for words, handle in drawn.items() if words not in absent}
        figure.legend(
            kept.values(), kept.keys(), loc="outside lower center", ncols=3, frameon=False
        )
        return svg(figure)
