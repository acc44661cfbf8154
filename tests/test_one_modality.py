"""Plans of sound or pictures alone: what is trained, from what, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate

from diccae import registry  # noqa: F401
from diccae.cli.train import wanted_runs
from diccae.datasets.clips import read_meta, write_meta
from diccae.engine.runs import execute
from diccae.errors import UserError
from diccae.functional.contrastive import info_nce
from diccae.planned_job import data_key
from diccae.planning import costs
from diccae.planning.speeds import Calibration, Kind, Speed, Timing
from diccae.planning.work import Work
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run, check, runs_of_a_seed, with_parents
from diccae.validation import checked
from diccae.workflow import Workflow
from tests.conftest import tiny_plan

SECTIONS = (
    "table1",
    "table2",
    "sensitivity",
    "controls",
    "figure2",
    "figure3",
    "mechanism",
    "leakage",
)


def plan_of(modality: str | list[str], base: Plan | None = None, **changes: Any) -> Plan:
    """A plan with Table 2 alone, on the clips of another one."""
    scored = {"variants": ["full", "no_infonce"], "modalities": list(np.atleast_1d(modality))}
    content = (base or load_plan("smoke")).model_dump(by_alias=True) | dict.fromkeys(SECTIONS)
    return checked(Plan, content | {"table2": scored, "name": "mine"} | changes, "here")


def test_pre_training_has_the_modalities_that_are_scored() -> None:
    assert plan_of("A").modality == "A"
    assert plan_of("V").modality == "V"
    assert plan_of(["A", "V"]).modality == plan_of("AV").modality == "AV"
    assert plan_of("A", pretrain_modality="AV").modality == "AV"
    assert [run.modality for run in runs_of_a_seed(plan_of("V"))] == ["V"] * 5


@pytest.mark.parametrize(
    ("modalities", "changes", "words"),
    [
        ("V", {"pretrain_modality": "A"}, "wanted a modality that V is part of, since the plan sc"),
        (["A", "V"], {"pretrain_modality": "V"}, "scores A, got V; set it to AV, or leave it out"),
        ("A", {"table2": None}, "wanted a section that scores something, such as table1 or table2"),
        (
            "A",
            {"table2": None, "leakage": dict(holdout="rank", portion="test_portion", modality="A")},
            r"reference: wanted a variant that the plan scores with all of its seeds \(rank, test_",
        ),
        (
            "A",
            {"sensitivity": {"variants": ["rank"], "modalities": ["V"]}},
            "sensitivity.modalities: drops in V are measured from 'full', which no sect",
        ),
    ],
)
def test_a_plan_that_cannot_be_trained_or_reported(
    modalities: Any, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        plan_of(modalities, **changes)


def test_without_another_modality_two_views_are_contrasted() -> None:
    alone, both = plan_of("A"), plan_of("A", pretrain_modality="AV")
    for stage in ("warmup", "pretrain"):
        model = Run(alone, stage, "full", 0).config().model
        assert (model.modalities, model.video_encoder) == (("audio",), None)
        assert model.info_nce.contrast == "intra_modal"
        assert model.data_preprocessor.two_views
        assert Run(both, stage, "full", 0).config().model.info_nce.contrast == "cross_modal"
    # the fused feature of another modality has another width
    for plan, fusion in ((alone, True), (both, False)):
        model = Run(plan, "finetune", "full", 0, "A").config().model
        assert model.init_cfg.fusion is fusion
        assert model.info_nce is None
    # a run does not depend on what else its plan scores
    same_name = plan_of("A", pretrain_modality="AV", name="smoke")
    runs = [Run(plan, "finetune", "full", 0, "A") for plan in (same_name, load_plan("smoke"))]
    assert runs[0].config_hash == runs[1].config_hash


@pytest.mark.parametrize("contrast", ["both", "one_way"])
def test_a_contrast_that_needs_both_modalities(contrast: str) -> None:
    overrides = load_plan("smoke").overrides | {"method.infonce_contrast": contrast}
    with pytest.raises(UserError, match=f"infonce_contrast {contrast} contrasts audio with video"):
        check(plan_of("V", overrides=overrides))
    check(plan_of("V", overrides=overrides, pretrain_modality="AV"))


@pytest.mark.parametrize("modality", ["A", "V"])
def test_the_loss_of_two_views(workspace: Path, tiny_data: Path, modality: str) -> None:
    config = Run(plan_of(modality, tiny_plan(workspace, tiny_data)), "warmup", "full", 0).config()
    model, dataset = MODELS.build(config.model), DATASETS.build(config.train_dataloader.dataset)
    batch = model.data_preprocessor(pseudo_collate([dataset[index] for index in range(8)]), True)
    name = config.model.modalities[0]
    inputs = batch["inputs"]
    assert set(inputs) == {name, f"second_{name}"}
    assert not torch.equal(inputs[name], inputs[f"second_{name}"])
    # batch normalisation has its own statistics of each view
    wanted = [model.projections[name](model.encode({name: view})[name]) for view in inputs.values()]
    losses = model(**batch, mode="loss")
    assert set(losses) == {"loss_infonce"}
    torch.testing.assert_close(losses["loss_infonce"], info_nce(*wanted, 0.07))


def test_fine_tuning_starts_from_sound_alone(workspace: Path, tiny_data: Path) -> None:
    sound = workspace / "sound"
    shutil.copytree(tiny_data, sound)
    meta = read_meta(sound / "cache")
    meta["settings"]["modality"] = "A"
    write_meta(sound / "cache", meta)
    plan = plan_of("A", tiny_plan(workspace, sound))
    tuned = Run(plan, "finetune", "full", 0, "A")
    for run in with_parents([tuned])[:-1]:
        execute(run)
    before = torch.load(Run(plan, "pretrain", "full", 0).folder / "weights.pth")
    model = MODELS.build(tuned.config().model)
    model.init_weights()
    parts = ("encoders.audio.", "fusion.")
    taken = {name: value for name, value in model.state_dict().items() if name.startswith(parts)}
    assert len({name.split(".")[0] for name in taken}) == 2
    for name, value in taken.items():
        assert torch.equal(value, before[name]), name
    clusters = np.load(Run(plan, "pretrain", "full", 0).folder / "assignments.npz")
    assert clusters["epochs"].tolist() == [0, 1]
    assert len(np.unique(clusters["assign_1"])) == 6


def test_a_command_for_another_modality_than_the_plan_has() -> None:
    plan = plan_of("A")
    _, runs = wanted_runs(plan, "full", stage="pretrain")
    assert {run.modality for run in runs} == {"A"}
    with pytest.raises(
        UserError,
        match="--modality V: the clips and the pre-training of plan mine have A alone; leave",
    ):
        wanted_runs(plan, "full", stage="pretrain", modality="V")


def test_costs_of_sound_alone() -> None:
    plan = plan_of("A")
    first, kind = Run(plan, "warmup", "full", 0), Kind("diccae", False, "A")
    work = Work(steps=1, epoch=10, trained=10, embedded=20, scored=0, clustered=10)
    need = costs.disk(plan, 100, {first: work}, {kind: 1000}, devices=1)
    assert need.cache == 100 * 2 * 64 * 64
    timing = Timing(1.0, 8, 8, 3)
    measured = Calibration("x", False, 1.0, {kind: Speed(timing, timing, None)}, 0.001, None, [])
    # two restarts over the 128 numbers of one modality
    assert costs.run_seconds(first, work, measured) == pytest.approx(30 + 10 * 2 * 128 * 0.001)


def test_clips_of_one_modality_are_other_clips() -> None:
    alone, both = plan_of("A"), load_plan("smoke")
    assert data_key(alone) != data_key(both) == data_key(plan_of("A", pretrain_modality="AV"))
    with pytest.raises(
        SystemExit, match="ask for clips of different modalities, mine for A and smoke for AV; give"
    ):
        Workflow([alone, both]).data_plan(both.data_root)
    # Table 2 alone has a report too
    assert "results/mine/report.html" in Workflow([alone]).targets("results/mine")
