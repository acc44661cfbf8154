"""A system of one file and one config: planned, trained, scored and in Table 1, with the harness as
it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from diccae.evaluation.withheld import COLUMNS
from tests.conftest import tiny_plan
from tests.workflow_copy import copy_workflow, snakemake

SYSTEM = """
from mmaction.registry import MODELS
from torch import cat, nn
from torch.nn import functional as F

from diccae.models.recogniser import Recogniser
from diccae.schedule import Strict
from diccae.systems.spec import System


@MODELS.register_module()
class Concatenation(Recogniser):
    def __init__(self, dropout, **recogniser):
        super().__init__(**recogniser)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sum(self.widths.values()), self.num_classes)

    def fuse(self, features):
        return cat([features[name] for name in self.modalities], dim=1)

    def logits(self, fused):
        return self.head(self.dropout(fused))

    def loss(self, inputs, data_samples):
        scores = self.logits(self.fuse(self.encode(inputs)))
        labels = cat([sample.gt_label for sample in data_samples]).to(scores.device)
        return {"loss_cls": F.cross_entropy(scores, labels)}


class Choices(Strict):
    dropout: float


class Toy(System[Choices]):
    name = "toy"
    choices = Choices
    imports = ("diccae.systems.toy",)

    def model(self, run):
        return dict(
            type="Concatenation",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            dropout=run.choices.dropout,
            data_preprocessor=run.preprocessor(),
            **run.encoders(),
        )


SYSTEM = Toy()
"""
CONFIG = """
method = dict(dropout=0.1)
scales = dict(embedded=dict(schedule=dict(finetune=dict(
    epochs=4,
    optimizer=dict(type="AdamW", betas=(0.9, 0.95)),
    paramwise=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
    warmup_epochs=1,
    average_from=2,
))))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Path:
    """A copy of the workflow with the system, and a plan that trains nothing else."""
    root = copy_workflow(tmp_path_factory.mktemp("checkout"))
    (root / "diccae" / "systems" / "toy.py").write_text(SYSTEM)
    (root / "configs" / "systems" / "toy.py").write_text(CONFIG)
    shutil.copytree(tiny_data, root / "results" / "data" / "tiny")
    plan = tiny_plan(root, Path("results/data/tiny")).model_dump(by_alias=True, exclude_none=True)
    section = {"variants": ["toy"], "modalities": ["A", "AV"]}
    kept = {key: plan[key] for key in ("scale", "data_root", "parameters")}
    own = {"name": "toy", "dataset": "tiny clips", "seeds": [0], "reference": "toy"}
    overrides = {k: v for k, v in plan["overrides"].items() if k != "schedule.finetune.epochs"}
    content = kept | own | {"table1": section, "table2": section, "overrides": overrides}
    (root / "tiny.yaml").unlink()
    (root / "configs" / "plans" / "toy.yaml").write_text(yaml.safe_dump(content))
    result = snakemake(root, "results/toy/table1.csv")
    assert result.returncode == 0, result.stdout[-2000:] + _logs(root)
    return root


def _logs(root: Path) -> str:
    return "".join(path.read_text()[-2000:] for path in (root / "results").rglob("*.log"))


def test_it_is_in_table_1(checkout: Path) -> None:
    table = pd.read_csv(checkout / "results" / "toy" / "table1.csv")
    measured = table[table["dataset"] == "tiny clips"]
    assert measured[["A", "AV"]].notna().all(axis=None)
    assert len(measured) == 1


def test_it_is_scored_with_a_modality_withheld_without_own_code(checkout: Path) -> None:
    table = pd.read_csv(checkout / "results" / "toy" / "table1.csv").set_index("dataset")
    assert table.loc["tiny clips", list(COLUMNS)].notna().all()


def test_its_record_names_it_and_its_choices(checkout: Path) -> None:
    path = (
        checkout / "results" / "toy" / "runs" / "toy" / "seed0" / "finetune" / "A" / "record.json"
    )
    record = json.loads(path.read_text())
    assert record["system"] == "toy"
    assert record["settings"]["method"] == {"dropout": 0.1}
    assert record["parents"] == {}


def test_its_weights_are_the_average_of_the_last_epochs(checkout: Path) -> None:
    folder = checkout / "results" / "toy" / "runs" / "toy" / "seed0" / "finetune" / "AV"
    weights = torch.load(folder / "weights.pth", weights_only=True)
    assert "head.weight" in weights
    assert not any(key.startswith("module.") for key in weights)
    history = pd.read_csv(folder / "history.csv")
    # the rate rises in the first of four epochs, and falls by a cosine afterwards
    assert history["lr"].is_monotonic_decreasing
    assert history["lr"].iloc[-1] < 0.1 * history["lr"].iloc[0]
