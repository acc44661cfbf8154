"""Pictures of the report as data URIs, and what they show."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diccae.plans import Plan
from diccae.reporting import collect, sources
from diccae.reporting.clusters import cluster_quality
from diccae.reporting.scored_clips import read_folder
from diccae.stored_file import CACHE_AGAIN, MAKE_AGAIN, read_json, reading

mpl.use("Agg")


def data_uri(content: bytes, kind: str) -> str:
    """Bytes of a file and its media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(image: NDArray[np.uint8]) -> str:
    """RGB image, uint8 (H, W, 3), as a PNG data URI."""
    import cv2

    return data_uri(cv2.imencode(".png", image[..., ::-1])[1].tobytes(), "image/png")


def jpeg(image: NDArray[np.uint8]) -> str:
    """RGB image, uint8 (H, W, 3), as a JPEG data URI."""
    import cv2

    return data_uri(
        cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes(),
        "image/jpeg",
    )


def svg_file(path: Path) -> str:
    """An SVG file as a data URI."""
    return data_uri(path.read_bytes(), "image/svg+xml")


def matrix(values: NDArray[np.float64], names: list[str], label: str) -> str:
    """Heat map of values (C, C), as an SVG data URI.

    Args:
        values: matrix of numbers.
        names: names of the C classes; shown on both axes if there are at most 40.
        label: label of the colour bar.
    """
    with mpl.rc_context({"font.size": 8, "svg.hashsalt": "diccae", "svg.fonttype": "path"}):
        figure = Figure(figsize=(5.2, 4.6), constrained_layout=True)
        axes = figure.subplots()
        shown = axes.imshow(values, cmap="viridis")
        ticks = range(len(names)) if len(names) <= 40 else []
        axes.set_xticks(ticks, [names[i] for i in ticks], rotation=60, ha="right")
        axes.set_yticks(ticks, [names[i] for i in ticks])
        figure.colorbar(shown, ax=axes, label=label, shrink=0.85)
        return svg(figure)


def purity(plan: Plan) -> str | None:
    """Cluster purity in percent by epoch of pre-training, as an SVG data URI.

    There is one line for each variant, the mean over seeds. None where the true classes are
    unknown.
    """
    table = cluster_quality(plan)
    if table.empty:
        return None
    means = table.groupby(["variant", "epoch"], sort=False)["purity"].mean()
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "diccae", "svg.fonttype": "path"}):
        figure = Figure(figsize=(6.4, 3.8), constrained_layout=True)
        axes = figure.subplots()
        for name in dict.fromkeys(table["variant"]):
            points = means[name].sort_index()
            axes.plot(
                points.index,
                100 * points,
                marker="o",
                markersize=3,
                linewidth=2 if name == plan.reference else 1,
                label=name,
            )
        axes.set_xlabel("epoch of pre-training (0 = initial clusters)")
        axes.set_ylabel("cluster purity, %")
        axes.legend(frameon=False, fontsize=7, ncols=2)
        return svg(figure)


def svg(figure: Figure) -> str:
    """A figure as an SVG data URI; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return data_uri(buffer.getvalue(), "image/svg+xml")


def class_names(plan: Plan) -> list[str]:
    """Names of the classes in the order of their labels."""
    known = collect.truth(plan)
    if known:
        return list(known["classes"])
    if sources.data_file(plan, plan.manifest) is None and (shared := sources.shared_data(plan)):
        return list(shared["classes"])
    with reading(plan.manifest, MAKE_AGAIN):
        table = pd.read_parquet(plan.manifest, columns=["label", "label_name"])
    return [
        str(name)
        for name in table[table["label"] >= 0]
        .drop_duplicates("label")
        .sort_values("label")["label_name"]
    ]


def cache_counts(plan: Plan) -> dict[str, Any]:
    """`clips`, `counts` and `manifest_sha256` of the clip cache or the stored features that runs
    read; empty if there is neither."""
    path = sources.data_file(plan, read_folder(plan) / "meta.json")
    if path is None:
        return sources.shared_data(plan).get("cache", {})
    meta = read_json(path, CACHE_AGAIN)
    return {name: meta[name] for name in ("clips", "counts", "manifest_sha256")}
