"""The loss modules: closed forms, gradients, invariances, degenerate batches and errors."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from diccae.functional.arguments import ArgumentError
from diccae.models.losses import ConfusionLoss, InfoNCELoss, SupConLoss

SIMILARITIES = ["sigmoid_cosine", "half_cosine", "rbf", "mlp"]
LABELS = torch.tensor([0, 0, 1, 2, 1, 2])
WEIGHTS = torch.tensor([[1.0, 0.5, 2.0], [0.5, 1.0, 0.3], [2.0, 0.3, 1.0]], dtype=torch.float64)


def points(seed: int = 0, rows: int = 6, width: int = 4) -> Tensor:
    return torch.randn(
        rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def confusion(**options: Any) -> ConfusionLoss:
    torch.manual_seed(0)
    return ConfusionLoss(3, feature_dim=4, **options).double()


def loss_parameters(module: nn.Module) -> list[Tensor]:
    return [parameter for _, parameter in sorted(module.named_parameters())]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_gradients_of_the_confusion_loss(similarity: str) -> None:
    module = confusion(similarity=similarity)
    features = points().requires_grad_()
    parameters = loss_parameters(module)
    assert torch.autograd.gradcheck(
        lambda f, *_: module(f, LABELS, WEIGHTS), (features, *parameters)
    )


@pytest.mark.parametrize(("bias", "orthogonal", "equal"), [(-2.5, 0.379, 4.621), (0, 2.5, 4.967)])
def test_an_orthogonal_pair_of_two_classes_has_a_small_gradient(
    bias: float, orthogonal: float, equal: float
) -> None:
    loss = ConfusionLoss(2, reduction="sum", bias=bias).double()
    labels = torch.tensor([0, 1])
    for angle, wanted in ((math.pi / 2, orthogonal), (1e-4, equal)):
        angles = torch.tensor([0, angle], dtype=torch.float64, requires_grad=True)
        loss(torch.stack([angles.cos(), angles.sin()], dim=1), labels).backward()
        # d cos / d angle is -sin(angle)
        assert angles.grad is not None
        assert -angles.grad[1].item() / math.sin(angle) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("pairs", ["intra_modal", "cross_modal"])
def test_gradients_between_two_modalities(pairs: str) -> None:
    module = confusion(pairs=pairs)
    assert torch.autograd.gradcheck(
        lambda a, b: module(a, LABELS, WEIGHTS, b),
        (points().requires_grad_(), points(1).requires_grad_()),
    )


@pytest.mark.parametrize("contrast", ["cross_modal", "one_way"])
def test_gradients_of_info_nce(contrast: str) -> None:
    assert torch.autograd.gradcheck(
        InfoNCELoss(0.3, contrast), (points().requires_grad_(), points(1).requires_grad_())
    )


def test_gradients_of_the_supervised_contrastive_loss() -> None:
    assert torch.autograd.gradcheck(
        lambda f: SupConLoss(0.3, loss_weight=2)(f, torch.tensor([0, 0, 1, 2, 1, -1])),
        points().requires_grad_(),
    )


def test_the_default_is_eq_1_with_a_logistic_of_the_cosine() -> None:
    features = points()
    positive, negative = [], []
    for i in range(6):
        for j in range(i + 1, 6):
            cosine = float(features[i] @ features[j]) / math.sqrt(
                float(features[i] @ features[i]) * float(features[j] @ features[j])
            )
            probability = 1 / (1 + math.exp(-5 * cosine + 2.5))
            weight = WEIGHTS[LABELS[i], LABELS[j]].item()
            if LABELS[i] == LABELS[j]:
                positive.append(-weight * math.log(probability))
            else:
                negative.append(-weight * math.log(1 - probability))
    wanted = (sum(positive) / len(positive) + sum(negative) / len(negative)) / 2
    assert confusion(loss_weight=3.0)(features, LABELS, WEIGHTS).item() == pytest.approx(
        3 * wanted, rel=1e-12
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_loss_is_invariant_to_the_order_of_clips_and_the_numbering_of_classes(
    similarity: str,
) -> None:
    module, features = confusion(similarity=similarity), points()
    before = module(features, LABELS, WEIGHTS).item()
    order, renamed = torch.tensor([4, 2, 0, 5, 1, 3]), torch.tensor([2, 0, 1])
    weights = torch.empty_like(WEIGHTS)
    weights[renamed[:, None], renamed[None]] = WEIGHTS
    assert module(features[order], renamed[LABELS[order]], weights).item() == pytest.approx(
        before, rel=1e-12
    )


@pytest.mark.parametrize("similarity", ["sigmoid_cosine", "half_cosine", "rbf"])
def test_the_loss_is_invariant_to_rotations_of_the_features(similarity: str) -> None:
    module, features = confusion(similarity=similarity), points()
    rotation = torch.linalg.qr(points(5, rows=4)).Q
    assert module(features @ rotation, LABELS, WEIGHTS).item() == pytest.approx(
        module(features, LABELS, WEIGHTS).item(), rel=1e-10
    )


def test_gradients_are_proportional_to_the_weight_of_a_pair_of_classes() -> None:
    module = confusion()

    def push(weight: float) -> float:
        features, weights = points().requires_grad_(), torch.zeros(3, 3, dtype=torch.float64)
        weights[0, 1] = weights[1, 0] = weight
        module(features, LABELS, weights).backward()
        assert features.grad is not None
        assert features.grad[LABELS == 2].eq(0).all()
        return features.grad.norm().item()

    assert push(0) == 0
    assert push(2) == pytest.approx(2 * push(1))
    assert push(1) > 0


def test_training_separates_classes() -> None:
    features = points(rows=12).requires_grad_()
    labels = torch.arange(12) % 3
    module = confusion()
    optimizer = torch.optim.Adam([features, *module.parameters()], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        module(features, labels).backward()
        optimizer.step()
    cosine = nn.functional.normalize(features.detach(), dim=1)
    cosine = cosine @ cosine.T
    same = labels[:, None] == labels[None]
    assert cosine[same].min() > cosine[~same].max() + 0.5


def test_pairs_within_and_between_modalities() -> None:
    features, other = points(), points(1)
    fused = confusion()(features, LABELS).item()
    intra = confusion(pairs="intra_modal")(features, LABELS, other=other).item()
    assert intra == pytest.approx((fused + confusion()(other, LABELS).item()) / 2)
    assert confusion(pairs="intra_modal")(features, LABELS).item() == pytest.approx(fused)
    swapped = confusion(pairs="cross_modal")(other, LABELS, other=features).item()
    assert confusion(pairs="cross_modal")(features, LABELS, other=other).item() == pytest.approx(
        swapped
    )
    assert swapped != pytest.approx(intra)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_degenerate_batches_have_finite_gradients(similarity: str) -> None:
    module = confusion(similarity=similarity)
    for features in (torch.ones(4, 4), torch.zeros(4, 4), 1e3 * points(rows=4)):
        for labels in ([0, 0, 1, 1], [0, 0, 0, 0], [-1, -1, -1, -1], [0, 1, 2, -1]):
            leaf = features.double().requires_grad_()
            loss = module(leaf, torch.tensor(labels))
            loss.backward()
            assert math.isfinite(loss.item())
            assert leaf.grad is not None
            assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32])
def test_any_integers_are_labels(kind: torch.dtype) -> None:
    wanted = confusion()(points(), LABELS, WEIGHTS)
    assert torch.equal(confusion()(points(), LABELS.to(kind), WEIGHTS), wanted)


def test_weights_are_constants() -> None:
    weights = WEIGHTS.clone().requires_grad_()
    confusion()(points().requires_grad_(), LABELS, weights).backward()
    assert weights.grad is None


def test_unlabelled_rows_are_left_out() -> None:
    module = confusion()
    more, labels = torch.cat([points(), points(7)]), torch.cat([LABELS, torch.full((6,), -1)])
    assert module(more, labels, WEIGHTS).item() == pytest.approx(
        module(points(), LABELS, WEIGHTS).item(), rel=1e-12
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ConfusionLoss(3, similarity="dot"),
            "similarity: wanted one of sigmoid_cosine, .*got 'dot'",
        ),
        (
            lambda: ConfusionLoss(3, similarity="mlp"),
            "feature_dim: `mlp` needs the size of a feature",
        ),
        (lambda: ConfusionLoss(3, pairs="some"), "pairs: wanted one of fused, .*got 'some'"),
        (
            lambda: ConfusionLoss(3, reduction="mean"),
            "reduction: wanted one of balanced, .*got 'mean'",
        ),
        (lambda: SupConLoss(temperature=0), "temperature: wanted a number above 0, got 0.0"),
        (lambda: InfoNCELoss(contrast="none"), "contrast: wanted one of cross_modal, .*got 'none'"),
        (
            lambda: ConfusionLoss(3)(torch.ones(2, 4), torch.tensor([0, 1]), torch.ones(2, 2)),
            r"weights: wanted shape \(3, 3\), got \(2, 2\)",
        ),
        (
            lambda: ConfusionLoss(3)(torch.ones(2, 4), LABELS),
            "labels: wanted 2 as in the features, got 6",
        ),
        (
            lambda: ConfusionLoss(3, pairs="intra_modal")(points(), LABELS, other=points()[:5]),
            "other: wanted 6 as in the features, got 5",
        ),
        (
            lambda: ConfusionLoss(3, similarity="mlp", feature_dim=8)(points(), LABELS),
            "features: wanted width 8 as `feature_dim`, got 4",
        ),
    ],
)
def test_error_texts(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("pairs", ["fused", "intra_modal", "cross_modal"])
def test_losses_read_no_value_of_another_device(pairs: str) -> None:
    # tensors of the device "meta" have no values: to read one is an error. On a GPU it is a wait
    first, second = (torch.empty(6, 4, device="meta", requires_grad=True) for _ in range(2))
    labels, weights = LABELS.to("meta"), WEIGHTS.to("meta")
    loss = ConfusionLoss(3, pairs=pairs).to("meta")(first, labels, weights, second)
    total = loss + InfoNCELoss(temperature=0.1).to("meta")(first, second)
    total.backward()
    assert first.grad is not None
    assert first.grad.shape == first.shape


def test_the_shape_of_labels_is_checked_on_every_device() -> None:
    features, labels = torch.empty(6, 4, device="meta"), torch.empty(6, 1, device="meta")
    with pytest.raises(ArgumentError, match=r"labels: wanted shape \(N,\), got \(6, 1\)"):
        ConfusionLoss(3).to("meta")(features, labels)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_that_overflow_on_a_gpu_give_nan() -> None:
    features = torch.full((6, 4), 1e30, device="cuda")
    assert ConfusionLoss(3).cuda()(features, LABELS.cuda()).isnan()


def test_registered_for_configs() -> None:
    import diccae.registry  # noqa: F401

    assert isinstance(MODELS.build(dict(type="ConfusionLoss", num_classes=3)), ConfusionLoss)
    assert isinstance(MODELS.build(dict(type="InfoNCELoss", loss_weight=0.5)), InfoNCELoss)
    assert isinstance(MODELS.build(dict(type="SupConLoss")), SupConLoss)


def test_the_losses_and_their_weights_run_without_the_other_dependencies(tmp_path: Path) -> None:
    absent = ["mmengine", "mmaction", "mmcv", "faiss", "pandas", "sklearn", "pydantic", "yaml"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))  # importing one of them fails
import torch
from diccae.functional.circles import class_circles
from diccae.functional.degree import confusion_degree
from diccae.functional.weights import normalize_degree
from diccae.functional.arguments import ArgumentError
from diccae.models.losses import ConfusionLoss, InfoNCELoss
import diccae.functional.bootstrap, diccae.functional.kmeans, diccae.functional.matching
torch.manual_seed(0)
x, labels = torch.randn(8, 16, requires_grad=True), torch.arange(8) % 4
degree, _ = confusion_degree(class_circles(x.detach(), labels, 4))
loss = ConfusionLoss(4)(x, labels, normalize_degree(degree)) + InfoNCELoss()(x, x.roll(1))
loss.backward()
assert loss > 0
print(tuple(x.grad.shape))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout.strip() == "(8, 16)", result.stderr
