"""Draws docs/clips.jpg: the first 24 test clips of the embedded benchmark, two of each class.

    python docs/draw_clips.py

Each clip is rendered in memory, as `diccae data render` does before it writes the file: four
frames, and the sound below as a spectrogram. A row holds two classes; the first four rows are the
twins.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diccae.datasets.benchmark.designs import DESIGNS
from diccae.datasets.benchmark.figure import render_frames
from diccae.datasets.benchmark.scene import Scene, draw_scene
from diccae.datasets.benchmark.sound import render_audio
from diccae.plans import load_plan
from diccae.reporting.sample_clips import log_bands
from diccae.settings import plan_settings

mpl.use("Agg")
PICTURE = Path(__file__).resolve().parent / "clips.jpg"
CLASSES, OF_EACH, FRAMES, ROWS = 12, 2, 4, 6
INCHES, DPI = (12.0, 7.9), 100


def scenes() -> list[Scene]:
    """The clips of the default plan, the two of a class side by side."""
    benchmark = plan_settings(load_plan("embedded"))["benchmark"]
    design = DESIGNS[benchmark["design"]]
    # the class of a clip follows from its number
    numbers = [label + CLASSES * k for label in range(CLASSES) for k in range(OF_EACH)]
    return [draw_scene(design, benchmark["seed"], "test", number) for number in numbers]


def strip(scene: Scene) -> NDArray[np.uint8]:
    """Evenly spaced frames of a clip, joined into one picture (H, W, 3)."""
    images = list(render_frames(scene))
    chosen = np.linspace(0, len(images) - 1, FRAMES + 2).round().astype(int)[1:-1]
    return np.concatenate([images[place] for place in chosen], axis=1)


def draw(clips: list[Scene]) -> Figure:
    """The contact sheet."""
    figure = Figure(INCHES, dpi=DPI)
    columns = len(clips) // ROWS
    edges = {"left": 0.01, "right": 0.99, "top": 0.97, "bottom": 0.01}
    grid = figure.add_gridspec(ROWS, columns, hspace=0.22, wspace=0.04, **edges)
    for place, scene in enumerate(clips):
        cell = grid[divmod(place, columns)].subgridspec(2, 1, height_ratios=[1.6, 1], hspace=0.03)
        above, below = cell.subplots()
        above.imshow(strip(scene), aspect="auto")
        above.set_title(scene.activity.name, fontsize=9, pad=3)
        bands = log_bands(render_audio(scene)).astype(np.float32)
        below.imshow(bands.T[::-1], aspect="auto", cmap="magma")
        for axes in (above, below):
            axes.set_axis_off()
    return figure


if __name__ == "__main__":
    draw(scenes()).savefig(PICTURE, pil_kwargs={"quality": 82, "optimize": True})
