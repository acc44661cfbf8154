"""What is rendered, and the tables of its clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diccae.datasets.benchmark.activities import Design
from diccae.datasets.benchmark.designs import PAIRS, RING
from diccae.datasets.benchmark.figure import FPS, SIZE
from diccae.datasets.benchmark.scene import SECONDS, SOURCES, SPLITS, activity_of, draw_scene
from diccae.datasets.benchmark.sound import RATE
from diccae.errors import UserError


@dataclass(frozen=True)
class BenchmarkSpec:
    """What to render.

    Attributes:
        counts: number of clips of each split.
        seed: seed of the benchmark.
        design: its classes.

    Raises:
        UserError: a split is unknown or a count negative.
    """

    counts: dict[str, int]
    seed: int = 20261126
    design: Design = PAIRS

    def __post_init__(self) -> None:
        unknown = set(self.counts) - set(SPLITS)
        if unknown or any(count < 0 for count in self.counts.values()):
            raise UserError(
                f"benchmark.counts: wanted numbers >= 0 for {', '.join(SPLITS)}, got {self.counts}"
            )

    def described(self) -> dict[str, Any]:
        """The content of `clips/spec.json`: what all clips of a folder have in common."""
        return {
            "design": self.design.name,
            "seed": self.seed,
            "size": SIZE,
            "fps": FPS,
            "rate": RATE,
        }


def as_described(stated: Any) -> dict[str, Any]:
    """The content of `clips/spec.json`; where it names no design, it is from the time when the ring
    was the only one."""
    return {"design": RING.name} | stated if isinstance(stated, dict) else {}


def clip_id(split: str, index: int) -> str:
    """The id of clip `index` of a split."""
    return f"{split}-{index:06d}"


def class_of(design: Design, clip: str) -> int:
    """The true class of a clip by its id, also where the manifest gives it no label.

    Raises:
        ValueError: the id is not one of `clip_id`.
    """
    split, _, index = clip.rpartition("-")
    if split not in SPLITS or not index.isdigit():
        raise ValueError(f"wanted an id such as {clip_id('unlabelled', 0)}, got {clip!r}")
    return activity_of(design, int(index)).label


def tables(
    spec: BenchmarkSpec, digests: dict[str, dict[str, dict[str, object]]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The manifest of a benchmark, and the truth of each clip.

    Args:
        spec: what is rendered.
        digests: by split and clip, a dictionary with the `sha256` of its file.
    """
    rows, hidden = [], []
    for split in SPLITS:
        for index in range(spec.counts.get(split, 0)):
            scene, name = draw_scene(spec.design, spec.seed, split, index), clip_id(split, index)
            labelled = split != "unlabelled"
            rows.append(
                {
                    "id": name,
                    "path": f"clips/{split}/{name}.mp4",
                    "label": scene.activity.label if labelled else -1,
                    "label_name": scene.activity.name if labelled else "",
                    "split": split,
                    "source": SOURCES[scene.source],
                    "start": 0.0,
                    "end": SECONDS,
                    # every clip is a recording of its own
                    "group": name,
                    "fold": -1,
                    "sha256": digests[split][name]["sha256"],
                }
            )
            hidden.append(
                {
                    "id": name,
                    "label": scene.activity.label,
                    "label_name": scene.activity.name,
                    "motion_u": scene.motion_u,
                    "sound_u": scene.sound_u,
                    "blind": scene.blind,
                    "deaf": scene.deaf,
                }
            )
    made = (pd.DataFrame(rows), pd.DataFrame(hidden))
    for table in made:
        table["label"] = table["label"].astype(np.int32)
    made[0]["fold"] = made[0]["fold"].astype(np.int32)
    return made
