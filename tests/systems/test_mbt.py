"""MBT: an independent forward pass in float64, and what passes between the modalities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from numpy.typing import NDArray
from scipy.special import erf

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.models.systems.mbt import MBT, attend
from diccae.plans import Plan, load_plan
from diccae.reporting.ambiguities import ambiguities
from diccae.run_graph import Run
from diccae.settings import settings_of
from diccae.systems.mbt import SYSTEM
from diccae.validation import checked

DEPTH, CLASSES = 4, 5
Arrays = dict[str, NDArray[np.float64]]


def mbt(
    modalities: tuple[str, ...] = ("audio", "video"),
    width: int = 12,
    heads: int = 3,
    depth: int = DEPTH,
    audio: tuple[tuple[int, int], tuple[int, int]] = ((6, 4), (3, 2)),
    **options: Any,
) -> MBT:
    """A small network in float64 with random weights everywhere, also in the head; 4 tokens of
    audio and 6 of video."""
    common = dict(width=width, depth=depth, heads=heads)
    video = dict(size=(2, 4, 6), patch=(1, 4, 2), channels=1)
    model = MBT(
        modalities,
        CLASSES,
        audio_encoder=dict(type="AudioTokens", size=audio[0], patch=audio[1], **common),
        video_encoder=dict(type="VideoTokens", **video, **common),
        **options,
    )
    for name, weights in model.named_parameters():
        scale = 1.0 if name.startswith(("class_tokens", "bottlenecks")) else width**-0.5
        torch.nn.init.normal_(weights, std=scale)
    return model.double().eval()


def inputs(views: int = 1, audio: tuple[int, int] = (6, 4)) -> dict[str, torch.Tensor]:
    return {
        "audio": torch.randn(3, 1, *audio, dtype=torch.float64, requires_grad=True),
        "video": torch.randn(3, views, 2, 4, 6, dtype=torch.float64, requires_grad=True),
    }


def samples() -> list[ActionDataSample]:
    return [ActionDataSample().set_gt_label(label) for label in (1, 4, 0)]


# --- the definition, in NumPy


def layer_norm(x: NDArray[np.float64], weights: Arrays, name: str) -> NDArray[np.float64]:
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: NDArray[np.float64], weights: Arrays, name: str) -> NDArray[np.float64]:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def block(x: NDArray[np.float64], weights: Arrays, name: str, heads: int) -> NDArray[np.float64]:
    """A pre-norm transformer block on the tokens (N, D) of one clip."""
    query, key, value = np.split(
        linear(layer_norm(x, weights, f"{name}.norm1"), weights, f"{name}.attn.qkv"), 3, axis=1
    )
    found = []
    for q, k, v in zip(*(np.split(part, heads, axis=1) for part in (query, key, value)), strict=1):
        similarity = np.exp(q @ k.T / np.sqrt(q.shape[1]))
        found.append(similarity / similarity.sum(1, keepdims=True) @ v)
    x = x + linear(np.concatenate(found, axis=1), weights, f"{name}.attn.proj")
    hidden = linear(layer_norm(x, weights, f"{name}.norm2"), weights, f"{name}.mlp.fc1")
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    return x + linear(hidden, weights, f"{name}.mlp.fc2")


def slow_logits(
    model: MBT, clip: dict[str, torch.Tensor], heads: int, fusion_layer: int, fusion: str
) -> dict[str, NDArray[np.float64]]:
    """Logits (C,) by modality of one clip, layer by layer and token by token."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    streams = {}
    for name, value in clip.items():
        encoder: Any = model.encoders[name]
        place = f"encoders.{name}"
        tokens = linear(encoder.patches(value)[0].numpy(), weights, f"{place}.projection")
        tokens = tokens + weights[f"{place}.positions"][0]
        if f"class_tokens.{name}" in weights:
            tokens = np.concatenate([weights[f"class_tokens.{name}"][0], tokens])
        streams[name] = tokens
    shared = weights["bottlenecks"][0] if "bottlenecks" in weights else np.empty((0, 0))
    for layer in range(model.depth):
        before, updates = dict(streams), []
        for name, own in before.items():
            place = f"encoders.{name}.blocks.{layer}"
            if layer < fusion_layer:
                read = own
            elif fusion == "bottleneck":
                read = np.concatenate([own, shared])
            else:
                read = np.concatenate([own, *(x for key, x in before.items() if key != name)])
            after = block(read, weights, place, heads)
            streams[name] = after[: len(own)]
            updates.append(after[len(own) :])
        if layer >= fusion_layer and fusion == "bottleneck":
            shared = (updates[0] + updates[1]) / 2
    found = {}
    for name, tokens in streams.items():
        normalised = layer_norm(tokens, weights, "norm")
        feature = normalised[0] if model.pooling == "class_token" else normalised.mean(0)
        found[name] = linear(feature, weights, "head")
    return found


@pytest.mark.parametrize("pooling", ["class_token", "mean"])
@pytest.mark.parametrize(
    ("fusion", "fusion_layer"), [("bottleneck", 0), ("bottleneck", 2), ("attention", 1)]
)
def test_logits_and_losses_equal_the_slow_forward_pass(
    fusion: str, fusion_layer: int, pooling: str
) -> None:
    model = mbt(fusion_layer=fusion_layer, bottlenecks=2, fusion=fusion, pooling=pooling)
    batch, labels = inputs(), [1, 4, 0]
    with torch.no_grad():
        logits = model(batch, mode="tensor").numpy()
        loss = float(model(batch, samples(), mode="loss")["loss_cls"])
        model.objective = "mean_logits"
        loss_of_mean = float(model(batch, samples(), mode="loss")["loss_cls"])
        slow = [
            slow_logits(
                model,
                {"audio": batch["audio"][i : i + 1], "video": batch["video"][i]},
                3,
                fusion_layer,
                fusion,
            )
            for i in range(3)
        ]
    mean = [(clip["audio"] + clip["video"]) / 2 for clip in slow]
    np.testing.assert_allclose(logits, mean, rtol=1e-9)

    def cross_entropy(scores: NDArray[np.float64], label: int) -> float:
        return float(np.log(np.exp(scores).sum()) - scores[label])

    each = [
        cross_entropy(s, label) for c, label in zip(slow, labels, strict=True) for s in c.values()
    ]
    assert loss == pytest.approx(np.mean(each))
    assert loss_of_mean == pytest.approx(np.mean([*map(cross_entropy, mean, labels)]))


def test_the_slow_forward_pass_at_the_width_of_vit_b() -> None:
    model = mbt(width=768, heads=12, depth=2, fusion_layer=0, audio=((2, 2), (2, 1)), bottlenecks=4)
    batch = inputs(audio=(2, 2))
    with torch.no_grad():
        logits = model(batch, mode="tensor")[0].numpy()
        clip = {"audio": batch["audio"][:1], "video": batch["video"][0]}
        slow = slow_logits(model, clip, 12, 0, "bottleneck")
    np.testing.assert_allclose(logits, (slow["audio"] + slow["video"]) / 2, rtol=1e-9)


# --- what passes between the modalities


def passed(model: MBT) -> float:
    """Length of the gradient of the feature of a modality by the input of the other."""
    found = []
    for feature, other in (("audio", "video"), ("video", "audio")):
        batch = inputs()
        total = model.encode(batch)[feature][:, 0].sum()
        found.append(torch.autograd.grad(total, batch[other], allow_unused=True)[0])
    return max(0.0 if gradient is None else float(gradient.norm()) for gradient in found)


@pytest.mark.parametrize(
    ("fusion", "fusion_layer", "passes"),
    [
        ("bottleneck", 0, True),
        ("bottleneck", DEPTH - 2, True),
        ("bottleneck", DEPTH - 1, False),
        ("bottleneck", DEPTH, False),
        ("attention", DEPTH - 1, True),
    ],
)
def test_the_last_two_layers_are_the_fewest_that_exchange(
    fusion: str, fusion_layer: int, passes: bool
) -> None:
    gradient = passed(mbt(fusion=fusion, fusion_layer=fusion_layer))
    assert gradient > 1e-4 if passes else gradient == 0


@pytest.mark.parametrize(("zeroed", "passes"), [((0,), True), ((0, 1, 2), False)])
def test_everything_passes_through_the_bottlenecks(
    monkeypatch: pytest.MonkeyPatch, zeroed: tuple[int, ...], passes: bool
) -> None:
    exchange = MBT._exchange

    def without(model: MBT, tokens: Any, shared: torch.Tensor, layer: int) -> Any:
        tokens, mean = exchange(model, tokens, shared, layer)
        return tokens, torch.zeros_like(mean) if layer in zeroed else mean

    monkeypatch.setattr(MBT, "_exchange", without)
    gradient = passed(mbt(fusion_layer=0))
    assert gradient > 1e-4 if passes else gradient == 0


def test_late_fusion_is_two_transformers_with_one_norm_and_one_head() -> None:
    model, batch = mbt(fusion_layer=DEPTH), inputs()
    logits, losses = [], []
    for name in ("audio", "video"):
        alone = mbt((name,))
        alone.load_state_dict(
            {key: value for key, value in model.state_dict().items() if key in alone.state_dict()}
        )
        logits.append(alone(batch, mode="tensor"))
        losses.append(alone(batch, samples(), mode="loss")["loss_cls"])
    torch.testing.assert_close(model(batch, mode="tensor"), (logits[0] + logits[1]) / 2)
    loss = model(batch, samples(), mode="loss")["loss_cls"]
    torch.testing.assert_close(loss, (losses[0] + losses[1]) / 2)


@pytest.mark.parametrize("fusion", ["bottleneck", "attention"])
def test_the_order_of_the_modalities_changes_nothing(fusion: str) -> None:
    model, batch = mbt(fusion_layer=1, fusion=fusion), inputs()
    swapped = mbt(("video", "audio"), fusion_layer=1, fusion=fusion)
    swapped.load_state_dict(model.state_dict())
    assert torch.equal(swapped(batch, mode="tensor"), model(batch, mode="tensor"))


def test_attention_to_both_modalities_is_a_block_on_all_tokens() -> None:
    layer: Any = mbt().encoders["audio"].blocks[0]
    own, other = torch.randn(2, 4, 12).double(), torch.randn(2, 6, 12).double()
    wanted = layer(torch.cat([own, other], dim=1))[:, :4]
    torch.testing.assert_close(attend(layer, own, other), wanted)


@pytest.mark.parametrize("fusion_layer", [0, 2, DEPTH])
def test_each_view_is_computed_beside_the_same_audio(fusion_layer: int) -> None:
    model, batch = mbt(fusion_layer=fusion_layer), inputs(views=2)
    features = model.encode_views(batch)
    for view in range(2):
        one = {"audio": batch["audio"], "video": batch["video"][:, view : view + 1]}
        for name, value in model.encode_views(one).items():
            torch.testing.assert_close(features[name][:, view], value[:, 0])


# --- plans


def plan_with(**overrides: object) -> Plan:
    content = load_plan("embedded").model_dump(by_alias=True)
    return checked(Plan, content | {"overrides": overrides}, "here")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"method.fusion_layer": 3},
            "fusion_layer 3: bottlenecks that enter in the last of 4 layers pass nothing between "
            "the modalities; wanted at most 2, or 4 for late fusion",
        ),
        ({"method.fusion_layer": 5}, "fusion_layer: the encoders have 4 layers, got 5; 4 is late"),
    ],
)
def test_a_layer_that_cannot_fuse_is_refused(overrides: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Run(plan_with(**overrides), "finetune", "mbt", 0, "AV").config()


@pytest.mark.parametrize(
    ("video", "words"),
    [
        ({"depth": 3}, r"need the same depth, got 4 \(audio\) and 3 \(video\)"),
        ({"width": 96}, r"need the same width, got 48 \(audio\) and 96 \(video\)"),
        (None, "wanted encoders on tokens, got ConvEncoder"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(video: dict[str, int] | None, words: str) -> None:
    run = Run(load_plan("embedded"), "finetune", "mbt", 0, "AV").context()
    encoder = {"type": "ConvEncoder"} if video is None else run.base["video_encoder"] | video
    with pytest.raises(UserError, match=words):
        SYSTEM.model(replace(run, base=run.base | {"video_encoder": encoder}))


def test_full_attention_in_the_last_layer_alone_is_possible() -> None:
    plan = plan_with(**{"method.fusion_layer": 3})
    assert Run(plan, "finetune", "mbt_attention", 0, "AV").config().model.fusion_layer == 3


@pytest.mark.parametrize(("scale", "layers"), [("embedded", 4), ("vggsound", 12)])
def test_the_variants_at_both_scales(scale: str, layers: int) -> None:
    plan = load_plan(scale)
    found = {
        name: Run(plan, "finetune", name, 0, "AV").config().model
        for name in ("mbt", "mbt_early", "mbt_late", "mbt_attention")
    }
    assert [model.fusion_layer for model in found.values()] == (
        [layers * 2 // 4, 0, layers, layers * 2 // 4] if layers == 4 else [8, 0, 12, 8]
    )
    for model in found.values():
        model.pop("data_preprocessor")
        with torch.device("meta"):
            assert MODELS.build(model).depth == layers
    # a run of one modality does not depend on how two are fused
    alone = {Run(plan, "finetune", name, 0, "A").config_hash for name in found}
    assert len(alone) == 1


def test_every_choice_is_in_the_register() -> None:
    plan = load_plan("embedded")
    settings = settings_of(plan, "finetune", "mbt").as_record()
    keys = {entry["key"] for entry in ambiguities(plan, settings)}
    assert {f"method.{name}" for name in settings["method"]} <= keys


def test_a_run_starts_with_equal_scores_and_all_weights_are_trained(workspace: Path) -> None:
    config = Run(load_plan("embedded"), "finetune", "mbt", 0, "AV").config().model
    config.pop("data_preprocessor")
    model = MODELS.build(config)
    batch = {"audio": torch.randn(3, 1, 64, 64), "video": torch.randn(3, 1, 8, 32, 32)}
    assert not model(batch, mode="tensor").any()
    torch.nn.init.normal_(model.head.weight)
    model(batch, samples(), mode="loss")["loss_cls"].backward()
    assert [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()
    ] == []
