"""From features of the update set to the weights of the next epoch, with a class of one clip."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
from diccae.errors import UserError
from diccae.functional.circles import class_circles
from diccae.functional.controls import controlled_weights
from diccae.functional.degree import confusion_degree
from diccae.functional.weights import normalize_degree


def after_an_epoch(hook: ConfusionDegreeHook, features: torch.Tensor, labels: torch.Tensor) -> Any:
    """The weights that the hook sets after an epoch with these features of the update set."""
    classes = 4
    model = SimpleNamespace(
        num_classes=classes, embed=None, confusion_weights=torch.ones(classes, classes)
    )
    hook.update_set = SimpleNamespace(  # type: ignore[assignment]
        features=lambda model, feature: features, labels=labels, label_name=lambda i: f"class {i}"
    )
    runner: Any = SimpleNamespace(model=model, epoch=0, logger=logging.getLogger("hook"))
    hook.after_train_epoch(runner)
    return model.confusion_weights


def test_a_class_of_one_clip_does_not_decide_the_range(caplog: pytest.LogCaptureFixture) -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(3).repeat_interleave(20)
    centres = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0.4, 0]])
    features = centres[labels] + 0.5 * torch.randn(60, 3, generator=generator)
    lone = torch.tensor([[9.0, 9, 9]])
    with_lone = torch.cat([features, lone]), torch.cat([labels, torch.tensor([3])])
    circles = class_circles(*with_lone, 4)
    degree, _ = confusion_degree(circles)
    # every measured pair overlaps, so that a degree of 0 would be the minimum
    assert degree[:3, :3][~torch.eye(3, dtype=torch.bool)].min() > 0

    weights = after_an_epoch(ConfusionDegreeHook({}, {}), *with_lone)
    torch.testing.assert_close(weights[:3, :3], normalize_degree(degree[:3, :3]))
    off = weights[:3, :3][~torch.eye(3, dtype=torch.bool)]
    assert off.min() == 0
    assert weights[3, :3].tolist() == pytest.approx([off.mean().item()] * 3)
    assert "degrees of confusion are unknown: class 3; the weight of their pairs" in caplog.text

    literal = ConfusionDegreeHook({}, {"unmeasured_weight": "zero_degree"})
    assert after_an_epoch(literal, *with_lone)[0, 1:3].min() > 0


def test_a_class_that_comes_back_is_not_smoothed_with_a_degree_it_never_had() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(80, 3, generator=generator)
    labels = torch.arange(4).repeat_interleave(20)
    few = torch.where(labels == 3, torch.full_like(labels, -1), labels)
    hook = ConfusionDegreeHook({}, {}, smoothing=0.5)
    after_an_epoch(hook, features, few)
    after_an_epoch(hook, features, labels)
    degree, _ = confusion_degree(class_circles(features, labels, 4))
    torch.testing.assert_close(hook.state["degree"][3], degree[3])


@pytest.mark.parametrize("control", ["flat_mean", "shuffled", "inverted"])
def test_a_control_changes_the_weights_and_not_the_degrees(control: str) -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(80, 3, generator=generator)
    labels = torch.arange(4).repeat_interleave(20)
    hook = ConfusionDegreeHook({}, {"weight_range": 3.0}, weighting=control, seed=[5])
    weights = after_an_epoch(hook, features, labels)
    dynamic = ConfusionDegreeHook({}, {"weight_range": 3.0})
    before = after_an_epoch(dynamic, features, labels)
    assert torch.equal(hook.state["degree"], dynamic.state["degree"])
    assert torch.equal(weights, controlled_weights(before, control, weight_range=3.0, seed=[5]))
    assert not torch.equal(weights, before)


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(UserError, match="weighting: wanted one of dynamic, .*, got 'inverse'"):
        ConfusionDegreeHook({}, {}, weighting="inverse")
