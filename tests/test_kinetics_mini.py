"""AVCL, DICCAE and from scratch on rendered clips with the files and lists of Kinetics-Sounds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from diccae import registry  # noqa: F401
from diccae.cli import data
from diccae.clips_of_plan import count_each
from diccae.data_check import check_data
from diccae.engine.runs import execute
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.run_graph import Run, with_parents
from tests.kinetics_files import CLASSES, CLIPS, kinetics
from tests.mini_plan import small_overrides

VARIANTS = ["full", "from_scratch", "avcl"]
CLASS_LIST = Path("media/lists/kinetics-sounds100.txt")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """The plan `kinetics-sounds100` on three classes, in a working directory with its files."""
    folder, home = tmp_path_factory.mktemp("kinetics"), Path.cwd()
    os.chdir(folder)
    kinetics(Path("media/lists"), Path("media/kinetics-400"))
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "kinetics-sounds100.yaml").read_text())
    assert set(content["table1"]["variants"]) == set(VARIANTS)
    own = {"name": "mini", "data_root": "data", "seeds": [0]}
    content["lists"]["update_per_class"] = 2
    content["table1"]["modalities"] = ["AV"]
    content |= own | {"overrides": small_overrides() | {"schedule.num_workers": 0}}
    Path("mini.yaml").write_text(yaml.safe_dump(content))
    yield load_plan("mini.yaml")
    os.chdir(home)


@pytest.mark.parametrize(
    ("name", "classes", "update"),
    [("kinetics-sounds31", 31, 40), ("kinetics-sounds32", 32, 20), ("kinetics-sounds100", 100, 20)],
)
def test_the_plans_can_be_priced_without_the_lists(
    name: str, classes: int, update: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = load_plan(name)
    (clips,) = count_each(plan)
    check_data(plan, [clips])
    assert {split: number for (split, _), number in clips.counts.items()} == {
        "train": classes * (616 - update),
        "update": classes * update,
        "validation": classes * 50,
        "test": classes * 100,
    }


def test_the_class_list_is_held_against_the_plan_and_the_lists(plan: Plan) -> None:
    names = CLASS_LIST.read_text()
    wrong = {
        "tap dancing\nblowing nose\n": f"^{CLASS_LIST}: wanted 3 classes, as data.num_classes "
        "says, got 2; add names, or set data.num_classes: 2 in",
        f"{names}abseiling\n": "wanted 3 classes, as data.num_classes says, got 4; remove names",
        names.replace("tap", "tip"): r"'tip dancing' \(near: 'tap dancing'\); .* correct the name",
    }
    for content, words in wrong.items():
        CLASS_LIST.write_text(content)
        with pytest.raises(UserError, match=words):
            data.manifest("mini.yaml")
        with pytest.raises(UserError, match=words):
            count_each(plan)
    CLASS_LIST.unlink()
    with pytest.raises(
        UserError,
        match=f"1 of 4 list files are missing, {CLASS_LIST} of kinetics_sounds first; put them "
        f".*; {CLASS_LIST} is a list of class names, one a line",
    ):
        data.manifest("mini.yaml")
    CLASS_LIST.write_text(names)
    assert not plan.manifest.exists()


def test_the_three_systems_train_and_are_scored_on_the_same_clips(plan: Plan) -> None:
    data.manifest("mini.yaml")
    data.cache("mini.yaml", jobs=1)
    table = pd.read_parquet(plan.manifest)
    assert table["split"].value_counts().to_dict() == {
        "train": 3 * (CLIPS["train"] - 2),
        "update": 3 * 2,
        "validation": 3 * CLIPS["val"],
        "test": 3 * CLIPS["test"],
    }
    assert pd.read_csv("data/classes.csv")["label_name"].tolist() == CLASSES
    runs = [Run(plan, "finetune", variant, 0, "AV") for variant in VARIANTS]
    for run in with_parents(runs):
        execute(run)
    scored = []
    for run in runs:
        metrics = json.loads((run.folder / "metrics.json").read_text())
        assert metrics["accuracy"]["validation"]["n"] == 3 * CLIPS["val"]
        assert metrics["accuracy"]["test"]["n"] == 3 * CLIPS["test"]
        scored.append(set(pd.read_parquet(run.folder / "predictions.parquet")["id"]))
    assert scored[0] == scored[1] == scored[2]
    # the clips that DICCAE withholds in pre-training are withheld from AVCL too
    pools = [
        Run(plan, "pretrain", variant, 0).config().train_dataloader.dataset
        for variant in ("full", "avcl")
    ]
    assert pools[0] == pools[1]
    history = pd.read_csv(Run(plan, "pretrain", "avcl", 0).folder / "history.csv")
    assert history[["loss_selfcl", "loss_cgra"]].notna().all(axis=None)
