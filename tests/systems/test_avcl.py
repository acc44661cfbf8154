"""AVCL in the harness: what its stages have, start from and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.models.systems import avcl  # noqa: F401
from diccae.plans import load_plan
from diccae.reporting.ambiguities import ambiguities
from diccae.run_graph import Run


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmaction")


def composed(stage: str, variant: str, modality: str = "AV", **overrides: Any) -> Any:
    plan = load_plan("smoke")
    plan = plan.model_copy(update={"overrides": plan.overrides | overrides})
    return Run(plan, stage, variant, 0, modality).config().model


def test_what_the_stages_of_each_variant_have() -> None:
    def parts(stage: str, variant: str, modality: str = "AV") -> tuple[bool, ...]:
        model = composed(stage, variant, modality)
        kinds = model.cgra, model.selfcl, model.cls_head, model.data_preprocessor.two_views
        return tuple(map(bool, kinds))

    assert parts("pretrain", "avcl") == (True, True, False, True)
    assert parts("finetune", "avcl") == (True, False, True, False)
    assert parts("finetune", "avcl", "A") == (False, False, True, False)
    assert parts("pretrain", "avcl_no_cgra") == (False, True, False, True)
    assert parts("finetune", "avcl_no_cgra") == (False, False, True, False)
    assert parts("pretrain", "avcl_no_selfcl") == (True, False, False, False)
    assert composed("finetune", "avcl_no_amfm").amfm == "concatenation"


def test_fine_tuning_starts_from_what_pre_training_trained(tmp_path: Path) -> None:
    for variant, modality, wanted in (
        ("avcl", "AV", {"encoders.audio", "encoders.video", "fusion", "cgra"}),
        ("avcl_no_selfcl", "AV", {"encoders.audio", "encoders.video", "cgra"}),
        ("avcl", "A", {"encoders.audio"}),
    ):
        source = MODELS.build(_without_clips(composed("pretrain", variant)))
        torch.save(source.state_dict(), tmp_path / "weights.pth")
        config = _without_clips(composed("finetune", variant, modality))
        config.init_cfg.checkpoint = str(tmp_path / "weights.pth")
        model = MODELS.build(config)
        model.init_weights()
        trained = source.state_dict()
        same = {
            name
            for name, value in model.state_dict().items()
            if name in trained and torch.equal(value, trained[name])
        }
        learned = {name for name, _ in model.named_parameters()} & same
        assert {p for p in wanted if any(n.startswith(p) for n in learned)} == wanted
        assert all(n.startswith(tuple(wanted)) for n in learned - {"cgra.weight"})


def _without_clips(config: Any) -> Any:
    config.pop("data_preprocessor")
    return config


def test_every_choice_is_in_the_register_and_has_a_value() -> None:
    plan = load_plan("smoke")
    settings = Run(plan, "finetune", "avcl", 0).settings
    entries = {entry["key"]: entry["value"] for entry in ambiguities(plan, settings.as_record())}
    assert {f"method.{name}" for name in settings.choices.model_dump()} <= set(entries)
    assert entries["method.amfm"] == "attention"


def test_no_loss_and_stored_features_are_refused() -> None:
    none = {"method.selfcl_weight": 0.0, "method.cgra_weight": 0.0}
    with pytest.raises(UserError, match="pretrain of avcl: no loss is left to train with; set"):
        composed("pretrain", "avcl", **none)
    frozen = load_plan("vggsound-frozen")
    with pytest.raises(UserError, match="avcl contrasts two views of a clip and aligns features"):
        Run(frozen, "pretrain", "avcl", 0).config()


def test_it_composes_and_is_built_at_the_scale_of_the_paper() -> None:
    run = Run(load_plan("vggsound"), "pretrain", "avcl", 0)
    assert run.settings.schedule.stages["pretrain"].epochs == 40
    config = _without_clips(run.config().model)
    for encoder in (config.audio_encoder, config.video_encoder):
        encoder.init = "scratch"
    with torch.device("meta"):
        model = MODELS.build(config)
        inputs = {"audio": torch.empty(2, 1, 1024, 128), "video": torch.empty(2, 1, 3, 224, 224)}
        found = model.locations(inputs)
        assert model.cgra(found["audio"], found["video"]).shape == ()
        assert model.embed(inputs).shape == (2, 768)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "audio": (2, 8 * 64, 768),
        "video": (2, 14 * 14, 768),
    }
