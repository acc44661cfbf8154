"""Systems without pre-training, whose encoders start from InfoNCE pre-training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from torch import Tensor

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.jobs import jobs
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.validation import checked

# the variant with the same encoders whose warm-up is InfoNCE alone
TWINS = {"gblend": "full", "attn_av": "full", "mbt": "diccae_tokens", "perceiver": "diccae_tokens"}


def plan_of(system: str, pretrain_modality: str = "AV", **overrides: Any) -> Plan:
    content = {
        "name": "twins",
        "scale": "embedded",
        "dataset": "none",
        "data_root": "nowhere",
        "seeds": [0],
        "reference": TWINS[system],
        "pretrain_modality": pretrain_modality,
        "table1": {
            "variants": [TWINS[system], system, f"{system}_infonce"],
            "modalities": ["A", "V", "AV"] if pretrain_modality == "AV" else [pretrain_modality],
        },
        "overrides": overrides,
    }
    return checked(Plan, content, "here")


def network(run: Run) -> Any:
    config = run.config()
    init_default_scope("mmaction")
    import_modules_from_strings(**config.custom_imports)
    config.model.pop("data_preprocessor")
    return MODELS.build(config.model)


@pytest.mark.parametrize("modality", ["A", "AV"])
@pytest.mark.parametrize("system", TWINS)
def test_the_pre_training_is_that_of_diccae_with_infonce_alone(system: str, modality: str) -> None:
    plan = plan_of(system, modality, **{"method.temperature": 0.2})
    own = Run(plan, "pretrain", f"{system}_infonce", 0).config()
    warmup = Run(plan, "warmup", TWINS[system], 0).config()
    for key in ("model", "train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        assert own[key] == warmup[key], key
    assert own.model.info_nce.temperature == 0.2
    assert own.randomness == warmup.randomness
    assert own.update_dataloader is None


@pytest.mark.parametrize("system", TWINS)
def test_a_system_from_scratch_has_no_pre_training(system: str) -> None:
    plan = plan_of(system)
    stages = {name: [run.stage for run in job.runs] for (name, _, _), job in jobs(plan).items()}
    assert "pretrain" not in stages[system]
    assert stages[f"{system}_infonce"][0] == "pretrain"
    assert Run(plan, "pretrain", f"{system}_infonce", 0).owner.variant == f"{system}_infonce"
    with_all = plan_of(system, **{"method.initial_encoders": "infonce"})
    assert Run(with_all, "pretrain", f"{system}_infonce", 0).owner.variant == system


@pytest.mark.parametrize(
    ("system", "stage", "modality"),
    [
        *((system, "finetune", name) for system in TWINS for name in ("A", "V")),
        *((system, "finetune", "AV") for system in TWINS if system != "attn_av"),
        ("gblend", "estimate", "AV"),
    ],
)
def test_it_takes_every_weight_that_has_the_same_name(
    system: str, stage: str, modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_of(system)
    run = Run(plan, stage, f"{system}_infonce", 0, modality)
    state = network(Run(plan, "pretrain", f"{system}_infonce", 0)).state_dict()
    state = {name: torch.full_like(value, 0.5) for name, value in state.items()}
    pretrained = next(
        path for parent, path in run.parent_files.items() if parent.stage == "pretrain"
    )
    pretrained.parent.mkdir(parents=True)
    torch.save(state, pretrained)
    model = network(run)
    model.weights_file = None
    model.init_weights()
    encoders = {name: v for name, v in model.state_dict().items() if "encoders." in name}
    assert encoders
    assert all(_is_half(value) for value in encoders.values())
    if stage == "estimate":
        assert any(name.startswith("alone.audio.encoders.") for name in encoders)


def _is_half(value: Tensor) -> bool:
    return bool((value == torch.full_like(value, 0.5)).all())


def test_attn_av_in_both_modalities_starts_from_its_two_models() -> None:
    run = Run(plan_of("attn_av"), "finetune", "attn_av_infonce", 0)
    found = [(each.stage, each.modality) for each in run.parents.values()]
    assert found == [("finetune", "A"), ("finetune", "V")]


@pytest.mark.parametrize(
    ("choice", "value", "message"),
    [
        ("positions", "fourier", "positions fourier has neither; set positions to learned"),
        ("init", "weights.bin", "init weights.bin both give the weights of the tokens"),
    ],
)
def test_a_perceiver_that_could_not_take_them_is_refused(
    choice: str, value: str, message: str
) -> None:
    plan = plan_of("perceiver", **{f"method.{choice}": value})
    with pytest.raises(UserError, match=message):
        Run(plan, "finetune", "perceiver_infonce", 0).config()


def test_a_variant_without_its_pre_training_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(plan_of("mbt"), "finetune", "mbt_infonce", 0)
    monkeypatch.setattr(Run, "parents", {})
    with pytest.raises(UserError, match="needs the stage pretrain, which the variant leaves out"):
        run.config()
