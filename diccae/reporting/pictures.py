"""Pictures of the report as data URIs: sample clips, spectrograms, matrices."""

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
from diccae.reporting import collect
from diccae.reporting.clusters import cluster_quality
from diccae.reporting.scored_clips import tested
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


def sample_clips(
    plan: Plan, classes: int = 12, frames: int = 6, height: int = 96
) -> list[dict[str, Any]]:
    """The first usable test clip of each class, for the first `classes` classes.

    Args:
        plan: the plan, whose manifest and cache index name the clips.
        classes: largest number of clips.
        frames: number of evenly spaced frames of a clip, joined into one picture.
        height: largest height of a frame in pixels.

    Returns:
        Dicts with `name` (of the class), `id`, `strip` (JPEG data URI of the frames) and
        `spectrogram` (PNG data URI, None if the cache stores no spectrograms). Clips whose files do
        not exist are left out.
    """
    import av

    if not plan.manifest.is_file() or not (plan.cache_dir / "index.parquet").is_file():
        return []
    path = plan.cache_dir / "index.parquet"
    with reading(path, CACHE_AGAIN):
        index = pd.read_parquet(path)
    usable = index[tested(plan, index) & (index["status"] == "ok")]
    stored = plan.cache_dir / "fbank.npy"
    with reading(stored, CACHE_AGAIN):
        fbank = np.load(stored, mmap_mode="r") if stored.is_file() else None
    clips = []
    for row, clip in usable.groupby("label").head(1).sort_values("label").head(classes).iterrows():
        path = plan.manifest.parent / clip["path"]
        if not path.is_file():
            continue
        with av.open(str(path)) as container:
            images = [_frame(frame, height) for frame in container.decode(video=0)]
        chosen = np.linspace(0, len(images) - 1, frames).round().astype(int)
        clips.append(
            {
                "name": clip["label_name"],
                "id": clip["id"],
                "strip": jpeg(np.concatenate([images[i] for i in chosen], axis=1)),
                "spectrogram": None if fbank is None else spectrogram(fbank[row]),
            }
        )
    return clips


def _frame(frame: Any, height: int) -> NDArray[np.uint8]:
    if frame.height <= height:
        return frame.to_ndarray(format="rgb24")
    return frame.reformat(
        width=round(frame.width * height / frame.height), height=height
    ).to_ndarray(format="rgb24")


def spectrogram(fbank: NDArray[np.float16]) -> str:
    """Log-mel spectrogram (frames, n_mels) as a PNG data URI, low frequencies at the bottom."""
    image = fbank.astype(np.float32).T[::-1]
    scaled = (image - image.min()) / max(1e-6, float(np.ptp(image)))
    return png(
        (mpl.colormaps["magma"](scaled)[..., :3] * 255).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    )


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
        return _svg(figure)


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
        return _svg(figure)


def _svg(figure: Figure) -> str:
    """A figure as an SVG data URI; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return data_uri(buffer.getvalue(), "image/svg+xml")


def class_names(plan: Plan) -> list[str]:
    """Names of the classes in the order of their labels."""
    known = collect.truth(plan)
    if known:
        return list(known["classes"])
    with reading(plan.manifest, MAKE_AGAIN):
        table = pd.read_parquet(plan.manifest, columns=["label", "label_name"])
    return [
        str(name)
        for name in table[table["label"] >= 0]
        .drop_duplicates("label")
        .sort_values("label")["label_name"]
    ]


def cache_counts(plan: Plan) -> dict[str, Any]:
    """Content of the cache's meta.json; empty if there is no cache."""
    path = plan.cache_dir / "meta.json"
    return read_json(path, CACHE_AGAIN) if path.is_file() else {}
