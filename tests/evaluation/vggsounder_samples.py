"""Made-up labels of VGGSounder and predictions of a few clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = ["bark", "bird chirping, tweeting", "bell", "rain", "horn", "wind"]
LABELS = """video_id,label,modality,background_music,static_image,voice_over
-k1_000010,bark,AV,False,False,False
-k1_000010,"bird chirping, tweeting",A,False,False,False
k2_000000,bell,AV,True,False,False
k3_000000,bark,V,False,True,False
k4_000000,rain,A,False,False,False
k5_000000,horn,AV,False,False,False
"""
# best class of k1 to k4 and of k6, which carries no label; k5 is labelled and not predicted
BEST = {"A": (0, 0, 0, 3, 0), "V": (5, 2, 0, 0, 0), "AV": (1, 2, 5, 2, 0)}
IDS = ("-k1_000010", "k2_000000", "k3_000000", "k4_000000", "k6_000000")


def write_labels(folder: Path, text: str = LABELS) -> Path:
    path = folder / "vggsounder.csv"
    path.write_text(text)
    return path


def write_run(folder: Path, modality: str, ids: tuple[str, ...] = IDS, suffix: str = "") -> Path:
    """The best class and the four after it, cyclically: the one before the best is never there."""
    folder = folder / modality
    folder.mkdir(parents=True)
    tables = []
    for split, view, shift in (
        ("test", "multi", 0),
        ("test", "single", 1),
        ("validation", "multi", 1),
    ):
        table = pd.DataFrame({"id": [name + suffix for name in ids], "split": split, "view": view})
        for rank in range(5):
            table[f"top{rank + 1}"] = (np.array(BEST[modality]) + rank + shift) % len(CLASSES)
        tables.append(table)
    pd.concat(tables).to_parquet(folder / "predictions.parquet")
    (folder / "record.json").write_text(json.dumps({"plan": "clips", "modality": modality}))
    return folder / "predictions.parquet"
