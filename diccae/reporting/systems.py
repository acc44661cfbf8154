"""The systems of Table 1 side by side: differences, paired by seed, and what each cost.

All of these comparisons are exploratory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray

from diccae.plans import DEFAULT_SYSTEM, Plan
from diccae.reporting import collect
from diccae.reporting.costs import costs
from diccae.reporting.figures import BLUE, GREEN, GREY, STYLE, save_svg
from diccae.reporting.intervals import difference_interval
from diccae.reporting.row_words import SHORT
from diccae.reporting.tables import row, section_of
from diccae.scored_sections import AVCL
from diccae.systems._known import origin_of_variant

# the variants that train the encoders of an input family from scratch
SCRATCH = {"pooled": "from_scratch", "tokens": "scratch_tokens"}
# kinds of encoders by the class of that of audio, or else of that of video
ENCODERS = {
    "ConvEncoder": "convolutional",
    "AudioTokens": "tokens",
    "VideoTokens": "tokens",
    "AudioViT": "ViT",
    "VideoViT": "ViT",
    "FeatureAdapter": "stored features",
}
COLOURS = {"tokens": GREEN}
# height of a name beside the plot, as a share of the height of the axes
LINE = 0.07


def title(plan: Plan, variant: str) -> str:
    """A variant as tables and plots name it. At the embedded scale a system is a miniature of the
    published one."""
    origin = origin_of_variant(variant)
    system = origin.system
    notes = ["our interpretation"] if system.fidelity == "interpretation" else []
    notes += ["miniature"] if plan.scale == "embedded" and system.name != DEFAULT_SYSTEM else []
    own, _, value = variant.partition("@")
    name = system.title or system.name
    if own in SCRATCH.values():
        name, notes = "from scratch", []
    elif not origin.own:
        name = f"{name}, {own}"
    if value:
        name = f"{name}, {value}"
    if origin.inputs == "tokens" and system.input_family != "tokens":
        notes = ["on tokens", *notes]
    return f"{name} ({', '.join(notes)})" if notes else name


def rate_of(plan: Plan, variant: str) -> str:
    """Whether a row of Table 1 has the learning rate of all rows, or the one chosen for it."""
    return "chosen" if variant in section_of(plan, "table1").at_chosen_rates else "common"


def facts(plan: Plan, variant: str) -> dict[str, Any]:
    """The columns of Table 1 that say what a row is: `encoders`, with the weights that they start
    from if these are not random, `fidelity` and `label_use`."""
    system = origin_of_variant(variant).system
    scratch = variant.partition("@")[0] in SCRATCH.values()
    modality = dict(section_of(plan, "table1").rows)[variant][0]
    model = collect.record(plan, variant, plan.seeds[0], modality)["settings"]["model"]
    encoder = model["audio_encoder"] or model["video_encoder"]
    kind, init = ENCODERS.get(encoder["type"], encoder["type"]), encoder.get("init", "scratch")
    return {
        "encoders": kind if init == "scratch" else f"{kind} from {init}",
        "fidelity": "" if scratch else system.fidelity,
        "label_use": "none" if scratch else system.label_use,
    }


def systems(plan: Plan) -> pd.DataFrame:
    """One row for each variant of Table 1 and modality: accuracy; difference to training the same
    encoders from scratch and to DICCAE, paired by seed; cost.

    A variant at the rate chosen for it is compared with others at theirs. Differences to what the
    plan does not score are left empty.
    """
    section, records = section_of(plan, "table1"), collect.records_by_folder(plan)
    rows = []
    for variant, modalities in section.rows:
        origin = origin_of_variant(variant)
        for modality in modalities:
            own = row(plan, variant, modality, reference=variant)
            kept = ("variant", "modality", "seeds", "n_test", "top1", "low", "high")
            entry = {"system": title(plan, variant)} | {key: own[key] for key in kept}
            entry |= {"rate": rate_of(plan, variant)} | facts(plan, variant)
            for name, other in (
                ("over_scratch", SCRATCH.get(origin.inputs)),
                ("over_diccae", plan.reference),
            ):
                entry |= _difference(plan, variant, modality, name, other)
            rows.append(entry | costs(plan, variant, modality, records))
    return pd.DataFrame(rows)


def _difference(
    plan: Plan, variant: str, modality: str, name: str, other: str | None
) -> dict[str, float]:
    other = None if other is None else section_of(plan, "table1").peer(variant, other)
    if other is None or other == variant:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    first, second = collect.hits_of(plan, (variant, modality), (other, modality))
    clips = collect.clips(plan, variant, modality)
    interval = difference_interval(plan, clips, first, second)
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def system(plan: Plan, name: str) -> pd.DataFrame:
    """The accuracy and the cost of one variant of Table 1, at each of its rates, computed from its
    own runs alone."""
    records = collect.records_by_folder(plan)
    return pd.DataFrame(
        {"system": title(plan, variant), "rate": rate_of(plan, variant)}
        | row(plan, variant, modality, reference=variant)
        | facts(plan, variant)
        | costs(plan, variant, modality, records)
        for variant, modalities in section_of(plan, "table1").rows
        if variant.partition("@")[0] == name
        for modality in modalities
    )


def avcl(plan: Plan) -> pd.DataFrame:
    """AVCL in our interpretation; a drop is the accuracy of the whole minus that of the row, which
    lacks a module."""
    section = section_of(plan, "avcl")
    return pd.DataFrame(
        {"system": title(plan, variant)} | row(plan, variant, modality, reference=AVCL)
        for modality in section.modalities
        for variant in section.variants
    )


def draw_systems(plan: Plan, table: pd.DataFrame, svg: Path) -> None:
    """Draw accuracy against training compute into an SVG file, one point a system in the modality
    of the reference that holds the others, with its interval over seeds; at the rates chosen for
    the systems, where the plan has them."""
    modality = max(section_of(plan, "table1").modalities, key=len)
    shown = table[table["modality"] == modality]
    if (shown["rate"] == "chosen").any():
        shown = shown[shown["rate"] == "chosen"]
    known = bool(np.isfinite(shown["training_tflop"]).all())
    cost = shown["training_tflop"] if known else shown["cpu_seconds"]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8.4, 4.4))
        for encoders, points in shown.assign(cost=cost).groupby("encoders", sort=False):
            ends = points[["low", "high"]].to_numpy()
            bars = np.abs(np.nan_to_num(ends - points[["top1"]].to_numpy())).T
            axes.errorbar(
                points["cost"],
                points["top1"],
                yerr=bars,
                fmt="o",
                color=COLOURS.get(str(encoders), BLUE),
                capsize=2,
                label=f"encoders: {encoders}",
            )
        axes.set_xscale("log")
        axes.set_xlabel(
            "training compute, TFLOP" if known else "training, CPU seconds (records lack TFLOP)"
        )
        axes.set_ylabel(f"top-1 accuracy, {SHORT[modality]}, %")
        figure.legend(frameon=False, loc="outside upper left", ncols=2)
        _name_points(axes, shown["system"], cost, shown["top1"])
        save_svg(figure, svg)


def _name_points(axes: Axes, names: pd.Series, x: pd.Series, y: pd.Series) -> None:
    """Write names in a column beside the axes, joined to their points by thin lines, so that none
    covers another."""
    low, high = axes.get_ylim()
    order = np.argsort(y.to_numpy(), kind="stable")
    heights = spread_out((y.to_numpy()[order] - low) / (high - low), LINE)
    for place, height in zip(order, heights, strict=True):
        axes.annotate(
            names.iloc[place],
            (x.iloc[place], y.iloc[place]),
            (1.03, height),
            textcoords="axes fraction",
            va="center",
            fontsize="small",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6},
        )


def spread_out(places: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Ascending places of shape (n,) moved apart to at least `gap`, in the same order; none is
    above 1 if there is room."""
    steps = gap * np.arange(len(places))
    # distance from the tightest column of all: it may not fall along the column
    room = np.maximum.accumulate(places - steps)
    return np.asarray(np.minimum(room, 1 - steps[-1:]) + steps)
