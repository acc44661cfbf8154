"""Attn AV: two trained models, and the gate that combines them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmaction.structures import ActionDataSample
from torch import Tensor

from diccae import registry  # noqa: F401
from diccae.engine.runs import execute
from diccae.errors import UserError
from diccae.models.systems.attn_av import AttnAV
from diccae.plans import load_plan
from diccae.run_graph import Run, with_parents
from tests.conftest import tiny_plan

CLASSES, BOTH = 3, ("audio", "video")
ENCODERS = {
    "audio": dict(type="ConvEncoder", in_channels=1, widths=(4, 6)),
    "video": dict(type="ConvEncoder", in_channels=2, widths=(4, 8)),
}


@pytest.fixture
def inputs(workspace: Path) -> dict[str, Tensor]:
    return {"audio": torch.randn(5, 1, 16, 16), "video": torch.randn(5, 2, 2, 16, 16)}


@pytest.fixture
def models(inputs: dict[str, Tensor]) -> dict[str, AttnAV]:
    """The model of each modality, with its weights in `<modality>.pth`."""
    models = {
        name: AttnAV((name,), CLASSES, **{f"{name}_encoder": ENCODERS[name]}) for name in BOTH
    }
    for name, model in models.items():
        # statistics of batch normalisation
        model.encode(inputs)
        torch.save(model.state_dict(), f"{name}.pth")
    return models


def combined(**options: Any) -> AttnAV:
    """Both models with a gate."""
    encoders = {f"{name}_encoder": encoder for name, encoder in ENCODERS.items()}
    checkpoints = {name: f"{name}.pth" for name in BOTH}
    init = dict(type="EncoderWeights", checkpoints=checkpoints)
    model = AttnAV(BOTH, CLASSES, **encoders, **options, init_cfg=init)
    model.init_weights()
    return model


@pytest.mark.parametrize("gate", ["features", "outputs", "constant"])
@pytest.mark.parametrize("per_class", [False, True])
def test_it_starts_as_the_average_of_the_two_models(
    models: dict[str, AttnAV], inputs: dict[str, Tensor], gate: str, per_class: bool
) -> None:
    model = combined(gate=gate, per_class=per_class).eval()
    alone = {name: models[name].eval()(inputs) for name in BOTH}
    fused = model.fuse(model.encode(inputs))
    torch.testing.assert_close(model.head_logits(fused), alone)
    average = (alone["audio"].softmax(1) + alone["video"].softmax(1)) / 2
    torch.testing.assert_close(model(inputs).softmax(1), average)
    assert model.gates(fused).shape == (5, CLASSES if per_class else 1)
    # and the gate learns
    model.train()
    samples = [ActionDataSample().set_gt_label(index % CLASSES) for index in range(5)]
    model.loss(inputs, samples)["loss_cls"].backward()
    trained = {name for name, value in model.named_parameters() if value.grad is not None}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith("gate.")}
    assert all(model.get_parameter(name).grad.abs().sum() > 0 for name in trained)


def test_the_two_models_stay_as_they_are_unless_they_are_trained(
    models: dict[str, AttnAV], inputs: dict[str, Tensor]
) -> None:
    frozen, free = combined().train(), combined(train_models=True).train()
    for model in (frozen, free):
        model.encode(inputs)
    before = models["audio"].state_dict()

    def same(model: AttnAV) -> bool:
        return all(torch.equal(model.state_dict()[key], value) for key, value in before.items())

    assert same(frozen)
    # statistics of batch normalisation
    assert not same(free)
    assert all(value.requires_grad for value in free.parameters())


def test_a_gate_of_one_or_zero_is_one_model(
    models: dict[str, AttnAV], inputs: dict[str, Tensor]
) -> None:
    model = combined(gate="constant").eval()
    for value, name in ((torch.inf, "audio"), (-torch.inf, "video")):
        torch.nn.init.constant_(model.gate.bias, value)
        alone = models[name].eval()(inputs).softmax(1)
        torch.testing.assert_close(model(inputs).softmax(1), alone)


def test_it_is_scored_after_the_models_of_each_modality(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data)
    run = Run(plan, "finetune", "attn_av_average", 0, "AV")
    audio, video, _ = runs = with_parents([run])
    assert [each.modality for each in runs] == ["A", "V", "AV"]
    for each in runs:
        execute(each)
    weights = torch.load(run.folder / "weights.pth", weights_only=True)
    for each in (audio, video):
        own = torch.load(each.folder / "weights.pth", weights_only=True)
        assert all(torch.equal(weights[key], value) for key, value in own.items())
    assert weights["gate.bias"].tolist() == [0.0]
    record = json.loads((run.folder / "record.json").read_text())
    assert record["parents"].keys() == {str(each.folder / "weights.pth") for each in (audio, video)}
    # the models do not depend on the gate
    other = Run(plan, "finetune", "attn_av", 0, "A")
    assert other.config_hash == audio.config_hash


def test_an_average_of_models_that_are_trained_further_is_refused(tmp_path: Path) -> None:
    plan = load_plan("smoke").model_copy(update={"overrides": {"method.train_models": True}})
    with pytest.raises(UserError, match="method.gate half averages the models as they are"):
        Run(plan, "finetune", "attn_av_average", 0, "AV").config()
