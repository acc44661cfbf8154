"""A small plan on clips of one's own, and rows of its manifest."""

from __future__ import annotations

from typing import Any

import pandas as pd

from diccae.clip_counts import Clips, count_table
from diccae.plans import Plan, load_plan

SMALL = {
    "data.num_classes": 3,
    "data.train_per_class": None,
    "data.update_per_class": 2,
    "data.update_unlabelled": 10,
    "method.kmeans_k": 4,
    "schedule.warmup.batch_size": 16,
    "schedule.pretrain.batch_size": 16,
    "schedule.finetune.batch_size": 8,
}
SIZES = {"train": 8, "update": 2, "validation": 1, "test": 4}
CLASSES = ("hail", "rain", "snow")


def plan_of(**overrides: Any) -> Plan:
    """The smoke plan without its own numbers, on three classes."""
    # dots cannot be in names of arguments
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    plan = load_plan("smoke").model_copy(update={"dataset": "my clips", "name": "mine"})
    return plan.model_copy(update={"overrides": SMALL | changes})


def manifest(
    unlabelled: int = 60, changes: dict[tuple[str, str], int] | None = None
) -> pd.DataFrame:
    """Rows of a manifest: SIZES clips of each class, other numbers by (class, split)."""
    rows = [
        (split, "mine", CLASSES.index(name), name)
        for name in CLASSES
        for split, size in SIZES.items()
        for _ in range((changes or {}).get((name, split), size))
    ]
    rows += [("unlabelled", source, -1, "") for source in ("embedded-a", "b") for _ in range(30)][
        :unlabelled
    ]
    table = pd.DataFrame(rows, columns=["split", "source", "label", "label_name"])
    return table.assign(path="clip.mp4")


def clips(*arguments: Any, **options: Any) -> Clips:
    return count_table(manifest(*arguments, **options), "mine.csv")
