"""Writes the plan `tiny` of `on_a_gpu.sh --tiny` into a copy of the workflow: two variants of plan
`smoke` with fewer clips."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

COUNTS = {"unlabelled": 144, "train": 48, "update": 48, "validation": 24, "test": 48}


def main() -> None:
    """Read and write in `configs/plans` of the folder in the first argument."""
    plans = Path(sys.argv[1]) / "configs" / "plans"
    smoke = yaml.safe_load((plans / "smoke.yaml").read_text())
    kept = ("scale", "dataset", "seeds", "parameters", "overrides")
    tiny = {"name": "tiny", "data_root": "results/data/tiny"} | {key: smoke[key] for key in kept}
    tiny["table2"] = {"variants": ["full", "no_confusion_loss"], "modalities": ["AV"]}
    tiny["overrides"] |= {
        "benchmark.counts": COUNTS,
        "data.train_per_class": 4,
        "data.update_per_class": 3,
        "data.update_unlabelled": 48,
        "method.kmeans_k": 6,
        "schedule.pretrain.batch_size": 16,
        "schedule.warmup.batch_size": 16,
        "schedule.finetune.batch_size": 16,
    }
    (plans / "tiny.yaml").write_text(yaml.safe_dump(tiny))


if __name__ == "__main__":
    main()
