"""Time and peak memory of training on stored features: 180,000 clips, one vector of 768 values for
sound and one for pictures, 309 classes. A run computes on one core, as in the workflow.

The features are random around a centre for each class. Each step is one run of one epoch, with the
start of the run, with features for clusters and weights, and with K-means, which is also timed
alone. The peak is that of resident memory, pages of memory maps included; the last column excludes
these, because the kernel can reclaim them, and is read after the step.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from diccae import kernels

kernels.fix()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scale import step  # noqa: E402

from diccae import registry  # noqa: E402, F401
from diccae.clips_folder import clips_folder  # noqa: E402
from diccae.datasets.clip_cache import load_cache  # noqa: E402
from diccae.datasets.features.parts import CLIPS, write_part  # noqa: E402
from diccae.datasets.features.store import combine  # noqa: E402
from diccae.engine.hooks import pseudo_labels  # noqa: E402
from diccae.engine.runs import execute  # noqa: E402
from diccae.plans import Plan, load_plan  # noqa: E402
from diccae.run_graph import Run  # noqa: E402

CLASSES, WIDTH = 309, 768
# clips of each class beside those of the training split
HELD_OUT = {"update": 20, "validation": 10, "test": 50}


def make_features(folder: Path, clips: int) -> None:
    """Write a manifest and features of random clips."""
    rng = np.random.default_rng(0)
    labels = np.arange(clips) % CLASSES
    place = np.arange(clips) // CLASSES
    limits = np.cumsum([*HELD_OUT.values()])
    split = np.array([*HELD_OUT, "train"])[np.searchsorted(limits, place, side="right")]
    ids = [f"clip{number:06d}" for number in range(clips)]
    names = [f"class {label:03d}" for label in labels]
    table = pd.DataFrame({"id": ids, "path": ids, "start": 0.0, "end": 10.0, "label_name": names})
    table = table.assign(label=labels.astype(np.int32), split=split, source="made up", video=ids)
    table = table.assign(group=ids, fold=np.int32(-1))
    root = folder.parent.parent
    table.to_parquet(root / "manifest.parquet", index=False)
    for name in ("audio", "video"):
        (folder / name).mkdir(parents=True)
        centres = rng.normal(size=(CLASSES, WIDTH))
        for start in range(0, clips, CLIPS):
            rows = slice(start, start + CLIPS)
            values = centres[labels[rows]] + 3 * rng.normal(size=(len(labels[rows]), WIDTH))
            features = values.astype(np.float16)[:, None, None]
            write_part(folder / name, features, ids[rows], {"made": "up"})
    made: dict[str, dict[str, Any]] = {name: {"made": "up"} for name in ("audio", "video")}
    listed = table.assign(status="ok", message="")
    combine(folder, root / "manifest.parquet", listed, dict.fromkeys(made, ids), made, 0.0)


def plan_of(root: Path, restarts: int) -> Plan:
    """The plan `vggsound-frozen` on these features, with one epoch a stage."""
    plan = load_plan("vggsound-frozen")
    source = {"file": "made up"}
    overrides = {
        "features": {"name": "made-up", "audio": source, "video": source, "dropout": 0.1},
        "data.update_unlabelled": 15000,
        "method.kmeans_restarts": restarts,
        **{f"schedule.{stage}.epochs": 1 for stage in ("warmup", "pretrain", "finetune")},
    }
    changed = {"data_root": str(root), "overrides": overrides}
    return plan.model_copy(update=changed)


def main() -> None:
    """Make the features in a temporary folder and train on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=180_000)
    parser.add_argument("--restarts", type=int, default=1)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp())
    here = Path.cwd()
    os.chdir(root)
    try:
        plan = plan_of(root, options.restarts)
        print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}")
        print(f"{'step':64s} {'wall s':>8s} {'CPU s':>8s} {'peak GB':>8s} {'after':>8s}")
        with step(f"{options.clips} clips x 2 x {WIDTH} written, listed, described"):
            make_features(clips_folder(plan), options.clips)
        with step("features opened and compared with their SHA-256"):
            load_cache(clips_folder(plan), ["fbank", "frames"])
        clustering = pseudo_labels.cluster

        def timed(*arguments: Any) -> Any:
            started = time.process_time()
            found = clustering(*arguments)
            clips, width = arguments[0].shape
            print(
                f"  K-means, {clips} clips x {width}, K = 300, {options.restarts} restart(s): "
                f"{time.process_time() - started:.1f} CPU s"
            )
            return found

        pseudo_labels.cluster = timed
        for stage, words in (
            ("warmup", "warm-up: an epoch, then features and K-means"),
            ("pretrain", "pre-training: an epoch, then weights of the clusters"),
            ("finetune", "fine-tuning A-V: an epoch, then weights and scores"),
        ):
            with step(words):
                execute(Run(plan, stage, "full", 0))
        print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}")
    finally:
        os.chdir(here)
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
