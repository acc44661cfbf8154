"""CAV-MAE: its passes, losses and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.nn import functional as F

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.functional.masking import Masks
from diccae.models.systems.cav_mae import CavMae, CavMaePretraining
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.settings import settings_of
from diccae.validation import checked

ENCODERS = {
    "audio": dict(type="AudioTokens", size=(16, 8), patch=(4, 4)),
    "video": dict(type="VideoTokens", size=(2, 8, 8), patch=(1, 4, 4), channels=1),
}
CLIPS = 5


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope("mmaction")


def network_options(*modalities: str) -> dict[str, Any]:
    size = dict(width=12, depth=1, heads=2, eps=1e-5)
    return dict(
        modalities=modalities,
        num_classes=3,
        joint_depth=1,
        **{f"{name}_encoder": ENCODERS[name] | size for name in modalities},
    )


def pretraining(reconstruction: float = 1.0, contrast: float = 1.0) -> CavMaePretraining:
    loss = dict(type="InfoNCELoss", temperature=0.05, contrast="one_way", loss_weight=contrast)
    return CavMaePretraining(
        **network_options("audio", "video"),
        mask_ratio=0.75,
        norm_pixels=False,
        reconstruction_weight=reconstruction,
        decoder=dict(width=12, depth=1, heads=2),
        contrast=loss if contrast else None,
    )


def clips(views: int = 1) -> dict[str, Tensor]:
    return {"audio": torch.randn(CLIPS, 1, 16, 8), "video": torch.randn(CLIPS, views, 2, 8, 8)}


def with_new_values(inputs: dict[str, Tensor], masks: dict[str, Masks]) -> dict[str, Tensor]:
    """The inputs with other values in all masked patches; patches are 4 x 4."""
    # tokens of the spectrogram: mel bands are the rows
    audio = masks["audio"].masked.view(CLIPS, 2, 4).transpose(1, 2)
    video = masks["video"].masked.view(CLIPS, 2, 2, 2)
    audio, video = (
        mask.repeat_interleave(4, -1).repeat_interleave(4, -2) for mask in (audio, video)
    )
    return {
        "audio": torch.where(audio[:, None], inputs["audio"] + 1, inputs["audio"]),
        "video": torch.where(video[:, None], inputs["video"] + 1, inputs["video"]),
    }


def test_no_pass_sees_a_masked_patch_and_only_these_are_predicted() -> None:
    model, inputs = pretraining(), clips()
    masks, predicted = model.draw_masks(CLIPS), {}
    assert model.decoder is not None
    for name, head in model.decoder.heads.items():
        head.register_forward_hook(
            lambda module, args, output, name=name: predicted.update({name: output})
        )
    losses = model.loss(inputs, [], masks)
    total = losses["loss_reconstruction_audio"] + losses["loss_reconstruction_video"]
    before = dict(predicted)
    gradients = torch.autograd.grad(total, list(before.values()))
    for name, gradient in zip(before, gradients, strict=True):
        counted = (gradient != 0).any(-1)
        assert torch.equal(counted, masks[name].masked)
        assert int(counted.sum()) == CLIPS * 6  # of 8 tokens
    again = model.loss(with_new_values(inputs, masks), [], masks)
    torch.testing.assert_close(again["loss_contrast"], losses["loss_contrast"], rtol=0, atol=0)
    for name, value in predicted.items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
        other = again[f"loss_reconstruction_{name}"] - losses[f"loss_reconstruction_{name}"]
        assert float(other.detach().abs()) > 0.01


def test_each_video_looks_for_its_audio() -> None:
    model, inputs = pretraining(), clips()
    masks = model.draw_masks(CLIPS)
    loss = model.loss(inputs, [], masks)["loss_contrast"]
    inputs = inputs | {"video": inputs["video"][:, 0]}
    audio, video = (
        F.normalize(
            model.joint_tokens(model.own_tokens(name, inputs[name], masks[name]), name).mean(1)
        )
        for name in ("audio", "video")
    )
    cosines = audio @ video.T / 0.05
    torch.testing.assert_close(loss, -cosines.log_softmax(0).diagonal().mean())
    other = -cosines.log_softmax(1).diagonal().mean()
    assert abs(float((loss - other).detach())) > 1e-3


def test_passes_share_the_joint_block_but_not_its_norms() -> None:
    model, inputs = pretraining(), clips()
    losses = model.loss(inputs, [])
    block = model.joint[0]

    def touched(loss: Tensor) -> set[str]:
        names, parameters = zip(*block.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        found = {name for name, grad in zip(names, gradients, strict=True) if grad is not None}
        return {".".join(name.split(".")[:2]) for name in found}

    shared = {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}
    own = {name: {f"norm1.{name}", f"norm2.{name}"} for name in ("audio", "video", "joint")}
    contrast = touched(losses["loss_contrast"])
    assert contrast == shared | own["audio"] | own["video"]
    for name in ("audio", "video"):
        assert touched(losses[f"loss_reconstruction_{name}"]) == shared | own["joint"]


@pytest.mark.parametrize(
    ("weights", "frozen"),
    [
        (dict(reconstruction=1.0, contrast=1.0), set()),
        (dict(reconstruction=0.0, contrast=1.0), {"joint"}),
        (dict(reconstruction=1.0, contrast=0.0), {"audio", "video"}),
    ],
)
def test_norms_of_passes_without_loss_are_not_trained_and_all_else_is(
    weights: dict[str, float], frozen: set[str]
) -> None:
    model = pretraining(**weights)
    sum(model.loss(clips(), []).values()).backward()
    parameters = dict(model.named_parameters())
    untrained = {name for name, value in parameters.items() if not value.requires_grad}
    fixed = {name for name in parameters if "positions" in name}
    norms = {
        f"{module}.{name}.{kind}"
        for module in ("joint.0.norm1", "joint.0.norm2", "norms")
        for name in frozen
        for kind in ("weight", "bias")
    }
    assert untrained == fixed | norms
    assert all(parameters[name].grad is not None for name in set(parameters) - untrained)
    assert (model.decoder is None) == (weights["reconstruction"] == 0)


@pytest.mark.parametrize("modalities", [("audio",), ("video",), ("audio", "video")])
def test_fine_tuning_takes_all_but_the_head_from_pre_training(
    tmp_path: Path, modalities: tuple[str, ...]
) -> None:
    state = pretraining().state_dict()
    torch.save(state, tmp_path / "weights.pth")
    start = dict(type="EncoderWeights", checkpoint=str(tmp_path / "weights.pth"))
    model = CavMae(**network_options(*modalities), init_cfg=start)
    model.init_weights()
    own = model.state_dict()
    assert {name for name in own if name not in state} == {
        f"head.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")
    }
    assert all(torch.equal(own[name], state[name]) for name in own if name in state)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_view_is_classified_by_the_mean_of_all_its_tokens() -> None:
    model, inputs = CavMae(**network_options("audio", "video")).eval(), clips(views=2)
    for view in range(2):
        tokens = torch.cat(
            [
                model.own_tokens("audio", inputs["audio"]),
                model.own_tokens("video", inputs["video"][:, view]),
            ],
            dim=1,
        )
        wanted = model.joint_tokens(tokens, "joint").mean(1)
        features = model.encode_views(inputs)
        assert {name: value.shape for name, value in features.items()} == {
            name: (CLIPS, 2, 12) for name in ("audio", "video")
        }
        fused = model.fuse({name: value[:, view] for name, value in features.items()})
        torch.testing.assert_close(fused, wanted)


def test_losses_of_half_types_are_float32_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = pretraining().loss(clips(), [])
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in losses.values())


def plan(**changes: Any) -> Plan:
    variants = changes.pop("variants", ["cav_mae", "cav_mae_scratch"])
    modalities = changes.pop("modalities", ["A", "V", "AV"])
    content = {
        "name": "here",
        "scale": "embedded",
        "dataset": "clips",
        "data_root": "data",
        "seeds": [0],
        "reference": variants[0],
        "table1": {"variants": variants, "modalities": modalities},
    }
    return checked(Plan, content | changes, "here")


def test_one_pre_training_serves_all_modalities() -> None:
    starts = {
        modality: Run(plan(), "finetune", "cav_mae", 0, modality).config().model.init_cfg
        for modality in ("A", "V", "AV")
    }
    assert len({start.checkpoint for start in starts.values()}) == 1
    scratch = Run(plan(), "finetune", "cav_mae_scratch", 0, "AV")
    assert scratch.config().model.init_cfg is None
    assert not scratch.parents


def test_the_variants_leave_out_what_they_say() -> None:
    variants = ["cav_mae", "cav_mae_contrast", "cav_mae_masked"]
    chosen = [settings_of(plan(variants=variants), "pretrain", name).choices for name in variants]
    weights = [(choice.reconstruction_weight, choice.contrast_weight) for choice in chosen]
    assert weights == [(1.0, 0.01), (0.0, 0.01), (1.0, 0.0)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(pretrain_modality="A", modalities=["A"]),
            "trains on audio and video together, and the plan in A",
        ),
        (dict(overrides={"method.joint_depth": 4}), "joint_depth: 4 of 4 blocks leave none"),
        (dict(overrides={"method.mask_ratio": 1.0}), "mask_ratio"),
        (
            dict(overrides={"method.reconstruction_weight": 0.0, "method.contrast_weight": 0.0}),
            "no loss is left to pre-train with",
        ),
    ],
)
def test_what_cannot_be_pre_trained_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Run(plan(**changes), "pretrain", "cav_mae", 0).config()


def test_sizes_that_do_not_fit_are_refused() -> None:
    options = network_options("audio", "video")
    options["video_encoder"] = options["video_encoder"] | dict(width=24)
    with pytest.raises(UserError, match="wanted audio and video tokens of one width"):
        CavMae(**options)
    options["video_encoder"] = options["video_encoder"] | dict(width=16)
    options["audio_encoder"] = options["audio_encoder"] | dict(width=16)
    with pytest.raises(UserError, match="video_encoder: positions of 3 axes: wanted a width"):
        CavMae(**options)
    options = network_options("audio", "video") | dict(
        mask_ratio=0.75, norm_pixels=False, reconstruction_weight=1.0, contrast=None
    )
    with pytest.raises(UserError, match="method.mask_ratio: wanted visible and masked tokens"):
        CavMaePretraining(**(options | dict(mask_ratio=0.99)), decoder={})
    with pytest.raises(UserError, match="method.decoder_heads: 5 heads do not divide"):
        CavMaePretraining(**options, decoder=dict(width=12, depth=1, heads=5))
    with pytest.raises(UserError, match="method.decoder_width: positions of 3 axes"):
        CavMaePretraining(**options, decoder=dict(width=16, depth=1, heads=4))
