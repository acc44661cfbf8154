"""Files of weights that configs name by their path."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from diccae.engine.runs import origin_of
from diccae.errors import UserError
from diccae.hashes import file_hash, run_key, weight_files
from diccae.plans import Plan
from diccae.run_graph import Run, check
from tests.conftest import tiny_plan

FILE = Path("perceiver.bin")


def plan_of(workspace: Path, tiny_data: Path, init: str) -> Plan:
    section = {"variants": ["full", "perceiver"], "modalities": ["A"]}
    plan = tiny_plan(workspace, tiny_data, **{"method.init": init})
    return Plan(**(plan.model_dump() | {"table1": section}))


def test_another_file_under_the_same_path_is_another_run(workspace: Path, tiny_data: Path) -> None:
    plan = plan_of(workspace, tiny_data, str(FILE))
    run = Run(plan, "finetune", "perceiver", 0, "A")
    torch.save({"a": torch.zeros(1)}, FILE)
    check(plan)
    origin = origin_of(run)
    assert origin.parts["weights"] == {str(FILE): file_hash(FILE)}
    torch.save({"a": torch.ones(1)}, FILE)
    other = origin_of(run)
    assert other.key != origin.key
    assert other.parts | {"weights": origin.parts["weights"]} == origin.parts


def test_a_run_that_reads_no_such_file_has_no_such_part(workspace: Path, tiny_data: Path) -> None:
    run = Run(plan_of(workspace, tiny_data, "scratch"), "finetune", "perceiver", 0, "A")
    assert "weights" not in origin_of(run).parts


def test_a_missing_file_is_named_before_any_training(workspace: Path, tiny_data: Path) -> None:
    plan = plan_of(workspace, tiny_data, str(FILE))
    run = Run(plan, "finetune", "perceiver", 0, "A")
    for asked in (lambda: check(plan), lambda: origin_of(run)):
        with pytest.raises(UserError, match=f"{FILE} does not exist, and model.init of the compos"):
            asked()


def test_they_are_found_at_any_depth_of_the_network() -> None:
    model = dict(
        type="CavMae",
        released_weights="cav.pth",
        audio_encoder=dict(type="AudioViT", init="imagenet", pretrained_file="vit.bin"),
        video_encoder=dict(type="VideoViT", init="cav.pth", pretrained_file=None),
        copies=[dict(init="scratch"), dict(init="a.pth")],
        init_cfg=dict(type="EncoderWeights", checkpoint="results/weights.pth"),
    )
    # of K-means
    hooks = [dict(type="FirstClustersHook", init="random")]
    found = weight_files(Config(dict(model=model, custom_hooks=hooks)))
    assert set(found) == {"cav.pth", "vit.bin", "a.pth"}
    assert found["vit.bin"] == "model.audio_encoder.pretrained_file"
    assert run_key({"weights": {"a": "1"}}) != run_key({"weights": {"a": "2"}})
