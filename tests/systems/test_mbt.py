"""MBT: an independent forward pass in float64, and what passes between the modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from numpy.typing import NDArray

from diccae.models.systems.mbt import MBT, attend
from tests.systems.slow_mbt import DEPTH, inputs, mbt, slow_logits, untrained


def samples() -> list[ActionDataSample]:
    return [ActionDataSample().set_gt_label(label) for label in (1, 4, 0)]


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
def test_bottlenecks_exchange_in_two_layers_or_more(
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


@pytest.mark.parametrize("options", [{}, {"pooling": "mean"}, {"fusion": "attention"}])
def test_scores_start_equal_and_all_weights_are_trained(options: dict[str, Any]) -> None:
    model, batch = untrained(fusion_layer=1, **options), inputs()
    assert not model(batch, mode="tensor").any()
    torch.nn.init.normal_(model.head.weight)
    model(batch, samples(), mode="loss")["loss_cls"].backward()
    idle = [name for name, w in model.named_parameters() if w.grad is None or not w.grad.any()]
    assert idle == []
