"""The plan `vggsound-frozen` on rendered clips, with tiny encoders and short schedules: what
tests/cluster/run.sh runs on Slurm.

    python -m tests.frozen_mini FOLDER    # writes the plan, clips, lists and weights below FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml

from diccae.plans import CONFIG_ROOT
from tests.engine.feature_plans import ADAPTER, sources, write_weights
from tests.vggsound_files import audioset, epic_kitchens, ucf101, vggsound

NAME = "vggsound-mini"
SIZES = {
    "cache": {"frame_size": 36, "num_frames": 2, "n_mels": 64, "fbank_frames": 64},
    "data": {"num_classes": 3, "frame_size": 32, "update_per_class": 2, "update_unlabelled": 6},
    "method": {"kmeans_k": 3, "kmeans_restarts": 2, "refine_every": 1},
    "schedule.warmup": {"batch_size": 4, "epochs": 2},
    "schedule.pretrain": {"batch_size": 4, "epochs": 2},
    "schedule.finetune": {"batch_size": 4, "epochs": 2},
}


def write_plan(path: Path) -> None:
    """Write the plan."""
    plan = yaml.safe_load((CONFIG_ROOT / "plans" / "vggsound-frozen.yaml").read_text())
    plan["lists"] |= {"update_per_class": 2, "validation_per_class": 1}
    content = {key: plan[key] for key in ("scale", "dataset", "lists")} | {
        "name": NAME,
        "data_root": f"results/data/{NAME}",
        "seeds": [0],
        "table2": {"variants": ["full", "no_refinement"], "modalities": ["AV"]},
        "overrides": {
            "features": sources(Path("media/weights")),
            "audio_encoder": ADAPTER,
            "video_encoder": ADAPTER,
            "embedding_dim": 16,
            "data.samples_per_class": 2,
            "schedule.views": 2,
            **{f"{part}.{key}": n for part, values in SIZES.items() for key, n in values.items()},
        },
    }
    path.write_text(yaml.safe_dump(content))


def write_media(folder: Path) -> None:
    """Write clips and lists of all sources, and weights of the encoders."""
    lists = folder / "lists"
    lists.mkdir(parents=True)
    (folder / "weights").mkdir()
    test = vggsound(lists, folder / "vggsound")
    audioset(lists, folder / "audioset", test)
    epic_kitchens(lists, folder / "epic-kitchens-100")
    ucf101(lists, folder / "ucf101")
    write_weights(folder / "weights")


def main(folder: Path) -> None:
    """Write the plan and all that it reads; other plans but those of the benchmark are removed,
    because every job composes them."""
    write_plan(folder / "configs" / "plans" / f"{NAME}.yaml")
    for plan in (folder / "configs" / "plans").glob("*.yaml"):
        if plan.stem not in ("embedded", "smoke", NAME):
            plan.unlink()
    shutil.rmtree(folder / "media", ignore_errors=True)
    write_media(folder / "media")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
