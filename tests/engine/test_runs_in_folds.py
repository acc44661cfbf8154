"""A plan with folds, from a list of clips to the pooled predictions of a rotation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from diccae.cli.data import cache, manifest
from diccae.cli.train import train
from diccae.datasets.folds import fold_splits
from diccae.errors import UserError
from diccae.jobs import jobs
from diccae.plans import load_plan
from diccae.reporting import collect
from diccae.run_graph import Run
from tests.conftest import tiny_plan

RECORDINGS = 6


def write_plan(folder: Path, data: Path) -> str:
    """The tiny plan in two folds, on six recordings of two clips for each class; returns its
    path."""
    clips = pd.read_parquet(data / "manifest.parquet")
    clips["path"] = str(data) + "/" + clips["path"]
    labelled = clips[clips["label"] >= 0].groupby("label").head(2 * RECORDINGS).copy()
    number = labelled.groupby("label").cumcount() // 2
    labelled["video"] = labelled["label_name"] + number.astype(str)
    pool = clips[clips["label"] < 0].assign(video="", label_name="")
    # flat names, so that no folder says another split
    for row, path in pd.concat([labelled, pool])["path"].items():
        (folder / f"{row}.mp4").symlink_to(path)
    listed = pd.concat([labelled, pool]).assign(split="")
    listed["path"] = listed.index.astype(str) + ".mp4"
    listed[["path", "label_name", "split", "video"]].to_csv(folder / "clips.csv", index=False)
    tiny_plan(folder, data)
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    source = {"reader": "plain_csv", "lists": ["clips.csv"], "media": "."}
    content |= {
        "dataset": "own clips",
        "data_root": "data",
        "lists": {
            "labelled": "plain_csv",
            "update_per_class": 2,
            "validation_per_class": 2,
            "sources": [source],
        },
    }
    content["overrides"] = {
        key: value for key, value in content["overrides"].items() if not key.startswith("benchmark")
    } | {
        "data.folds": {"kind": "grouped", "count": 2},
        "data.train_per_class": None,
        "data.update_per_class": 2,
        "data.samples_per_class": 2,
        "schedule.finetune.epochs": 1,
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "tiny.yaml")


def test_every_labelled_clip_is_tested_once_in_a_rotation(workspace: Path, tiny_data: Path) -> None:
    name = write_plan(workspace, tiny_data)
    manifest(name)
    cache(name, jobs=1)
    plan = load_plan(name)
    train("from_scratch", name, modality="A")
    index = pd.read_parquet(plan.cache_dir / "index.parquet")
    labelled = index[index["label"] >= 0].sort_values("id", ignore_index=True)
    scored = collect.predictions(plan, "from_scratch", 0, "A")
    assert list(scored["id"]) == list(labelled["id"])
    assert list(scored["group"]) == list(labelled["group"])
    for fold in plan.folds:
        split = fold_splits(index, plan.fold_settings(fold) or {}, 0)
        tested = set(scored.loc[scored["fold"] == fold, "id"])
        assert tested == set(index["id"][split == "test"])


def test_a_run_names_its_fold(workspace: Path, tiny_data: Path) -> None:
    name = write_plan(workspace, tiny_data)
    plan = load_plan(name)
    first = Run(plan, "finetune", "full", 0, "A", 1)
    second = replace(first, fold=2)
    assert first.folder == Path("results/tiny/runs/full/seed0/fold1/finetune/A")
    assert first.config_hash != second.config_hash
    (parent,) = second.parents.values()
    assert parent.fold == 2
    of_plan = jobs(plan)
    assert {key[2] for key in of_plan} == {1, 2}
    assert of_plan["fixed_weight@w", 0, 2].owners == [("full", 0, 2)]
    with pytest.raises(UserError, match="--fold 3: plan tiny has the folds 1 to 2; leave --fold"):
        train("full", name, fold=3)


def test_a_class_without_enough_recordings_is_refused_before_training(
    workspace: Path, tiny_data: Path
) -> None:
    name = write_plan(workspace, tiny_data)
    content = Path(name).read_text().replace("count: 2", "count: 7")
    Path(name).write_text(content)
    with pytest.raises(UserError, match="has 6 groups for 7 folds; lower data.folds.count"):
        manifest(name)
    assert not Path("data/manifest.parquet").exists()
