"""AudiovisualMAE: pre-training against a slow forward written from the paper, its one decoder, and
what fine-tuning takes from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from torch import Tensor

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.functional.masking import Masks, random_masks
from diccae.models.systems.av_mae import AudiovisualMAE, masked_count
from diccae.plans import Plan, load_plan
from diccae.reporting.ambiguities import ambiguities
from diccae.run_graph import Run
from diccae.settings import settings_of
from diccae.systems.av_mae import SYSTEM, AvMaeChoices
from diccae.validation import checked
from tests.systems.slow_av_mae import MASKED, autoencoders, batch, slow_error


def losses_and_masks(
    model: AudiovisualMAE, inputs: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Masks]]:
    """The losses, and the masks that were drawn for them."""
    torch.manual_seed(3)
    losses = model(inputs, [], mode="loss")
    torch.manual_seed(3)
    counts = {name: model.encoders[name].num_tokens for name in MASKED}
    return losses, {n: random_masks(3, counts[n], counts[n] - MASKED[n]) for n in MASKED}


@pytest.mark.parametrize(
    ("tokens", "ratio", "masked"),
    [(32, 0.9, 28), (196, 0.9, 176), (512, 0.5, 256), (100, 0.29, 29)],
)
def test_the_number_of_masked_tokens_is_rounded_down(
    tokens: int, ratio: float, masked: int
) -> None:
    assert masked_count("video", tokens, ratio) == masked


def test_a_ratio_that_masks_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"audio_masked 0.02 masks none of the 32 .* 1/32 or more"):
        masked_count("audio", 32, 0.02)


def test_a_new_network_predicts_zeros_and_masked_values_alone_count() -> None:
    model, inputs = autoencoders(trained=False), batch()
    losses, masks = losses_and_masks(model, inputs)
    for name, of in masks.items():
        value = inputs["video"].flatten(0, 1) if name == "video" else inputs[name]
        assert of.masked.sum(1).tolist() == [MASKED[name]] * 3
        squares = model.encoders[name].patches(value).square()[of.masked]
        assert len(squares) == 3 * MASKED[name]
        torch.testing.assert_close(losses[f"loss_{name}"], squares.mean() / 2)


@pytest.mark.parametrize(
    "shape",
    [{}, dict(width=768, depth=1, heads=12, decoder=(384, 6))],
    ids=["small", "width of ViT-B"],
)
def test_losses_equal_the_slow_forward_pass(shape: dict[str, Any]) -> None:
    model, inputs = autoencoders(**shape), batch()
    losses, masks = losses_and_masks(model, inputs)
    for name, of in masks.items():
        clips = inputs[name].detach().numpy()
        clips = clips[:, 0] if name == "video" else clips
        errors = [
            slow_error(model, name, clip, kept)
            for clip, kept in zip(clips, of.keep.tolist(), strict=True)
        ]
        # positions are stored in float32
        assert losses[f"loss_{name}"].item() == pytest.approx(np.mean(errors) / 2, rel=1e-6)


def test_the_decoder_is_shared_and_never_mixes_the_modalities() -> None:
    model, inputs = autoencoders(), batch()
    losses, _ = losses_and_masks(model, inputs)
    shared = [*model.decoder.blocks.parameters(), *model.decoder.norm.parameters()]
    own = {
        name: [
            inputs[name],
            *(p for p in model.encoders[name].parameters() if p.requires_grad),
            model.decoder.mask_tokens[name],
            *model.decoder.projections[name].parameters(),
            *model.decoder.outputs[name].parameters(),
        ]
        for name in MASKED
    }
    options: dict[str, Any] = dict(retain_graph=True, allow_unused=True)
    parts = [torch.autograd.grad(losses[f"loss_{name}"], shared, **options) for name in MASKED]
    total = torch.autograd.grad(losses["loss_audio"] + losses["loss_video"], shared, **options)
    for audio, video, both in zip(*parts, total, strict=True):
        assert audio.any()
        assert video.any()
        torch.testing.assert_close(both, audio + video)
    for name, other in (("audio", "video"), ("video", "audio")):
        loss = losses[f"loss_{name}"]
        assert all(g.any() for g in torch.autograd.grad(loss, own[name], **options))
        assert all(g is None for g in torch.autograd.grad(loss, own[other], **options))
    # nothing of the network is left out
    assert len(shared) + sum(len(of) - 1 for of in own.values()) == sum(
        p.requires_grad for p in model.parameters()
    )


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan("embedded")


def build(config: Any) -> Any:
    return MODELS.build({k: v for k, v in config.model.items() if k != "data_preprocessor"})


@pytest.mark.parametrize("modality", ["A", "V", "AV"])
def test_mbt_takes_all_of_the_encoders_but_their_last_norm(
    plan: Plan, modality: str, tmp_path: Path
) -> None:
    pretrained = build(Run(plan, "pretrain", "av_mae", 0).config())
    for weights in pretrained.parameters():
        torch.nn.init.normal_(weights)
    torch.save(pretrained.state_dict(), tmp_path / "weights.pth")
    config = Run(plan, "finetune", "av_mae", 0, modality).config()
    config.model.init_cfg.checkpoint = str(tmp_path / "weights.pth")
    model = build(config)
    model.init_weights()
    state, start = model.state_dict(), pretrained.state_dict()
    taken = {name for name in start if name in state and torch.equal(state[name], start[name])}
    assert set(state) - taken == {"norm.weight", "norm.bias", "head.weight", "head.bias"} | (
        {"bottlenecks"} if modality == "AV" else set()
    )
    names = {"A": ["audio"], "V": ["video"], "AV": ["audio", "video"]}[modality]
    encoders = {k for k in start if k.split(".")[0] == "encoders" and k.split(".")[1] in names}
    assert encoders - taken == {f"encoders.{n}.norm.{k}" for n in names for k in ("weight", "bias")}
    assert (state["norm.weight"] == 1).all()
    assert not state["norm.bias"].any()


def test_the_stages_at_the_scale_of_vit_b() -> None:
    plan = load_plan("vggsound")
    with torch.device("meta"):
        pretrained = build(Run(plan, "pretrain", "av_mae", 0).config())
        tuned = build(Run(plan, "finetune", "av_mae_scratch", 0, "AV").config())
    assert pretrained.masked == {"audio": 256, "video": 176}
    assert sum(p.numel() for p in pretrained.parameters()) == pytest.approx(179e6, rel=0.005)
    assert (tuned.fusion_layer, tuned.depth, tuned.pooling) == (8, 12, "mean")


def test_pre_training_on_audio_alone(plan: Plan) -> None:
    config = Run(plan, "pretrain", "av_mae_audio", 0).config()
    assert config.model.modalities == ("audio",)
    assert config.model.video_encoder is None
    inputs = {"audio": torch.randn(2, 1, 64, 64), "video": torch.randn(2, 1, 8, 32, 32)}
    assert set(build(config)(inputs, [], mode="loss")) == {"loss_audio"}
    for modality in ("V", "AV"):
        with pytest.raises(
            UserError, match=f"models in {modality} start from; score .* in A alone"
        ):
            Run(plan, "finetune", "av_mae_audio", 0, modality).config()


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_encoders_that_are_not_on_tokens_are_refused(plan: Plan, stage: str) -> None:
    run = Run(plan, stage, "av_mae", 0, "AV").context()
    base = run.base | {"audio_encoder": {"type": "ConvEncoder"}}
    with pytest.raises(UserError, match="av_mae: wanted encoders on tokens, got ConvEncoder"):
        SYSTEM.model(replace(run, base=base))


def test_the_heads_of_the_decoder_divide_its_width(plan: Plan) -> None:
    choices = settings_of(plan, "pretrain", "av_mae").choices
    with pytest.raises(UserError, match="here: wanted decoder_heads that divide .*width 32, got 3"):
        checked(AvMaeChoices, choices.model_dump() | {"decoder_heads": 3}, "here")


def test_every_choice_is_in_the_register(plan: Plan) -> None:
    settings = settings_of(plan, "finetune", "av_mae").as_record()
    keys = {entry["key"] for entry in ambiguities(plan, settings)}
    assert {f"method.{name}" for name in settings["method"]} <= keys
