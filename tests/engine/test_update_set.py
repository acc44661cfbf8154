"""Names of the labels of the update set, and the clips that it had."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
from diccae.engine.hooks.update_set import UpdateSet, UpdateSetHook, update_ids, used_ids


def test_labels_are_named_as_classes_until_they_are_clusters() -> None:
    dataset = SimpleNamespace(
        metainfo={"classes": ("chop onions", "wash dishes")}, set_labels=lambda labels: None
    )
    loader: Any = SimpleNamespace(dataset=dataset)
    update_set = UpdateSet(loader)
    assert update_set.label_name(1) == "class 'wash dishes'"
    assert update_set.label_name(2) == "class 2"
    update_set.set_labels(torch.tensor([1, 0]))
    assert update_set.label_name(1) == "cluster 1"


class Drawn:
    """Two clips of ten, others in each epoch."""

    per_class: int | None = 2

    def __init__(self) -> None:
        self.ids = np.array(["first 0", "first 1"])

    def redraw(self, epoch: int) -> None:
        self.ids = np.array([f"clip {epoch}", f"clip {epoch + 1}"])


def runner_in(epoch: int) -> Any:
    """A runner whose training begins at an epoch, with an update set that is redrawn."""
    loader: Any = SimpleNamespace(dataset=Drawn())
    hooks: list[Any] = [UpdateSetHook(), ConfusionDegreeHook({}, {}, redraw=True)]
    update_set = UpdateSet(loader)
    for hook in hooks:
        hook.update_set = update_set
    model = SimpleNamespace(num_classes=2, confusion_weights=torch.ones(2, 2), embed=None)
    runner: Any = SimpleNamespace(hooks=hooks, epoch=epoch, model=model)
    hooks[1].before_train(runner)
    return runner


def test_a_clip_of_any_draw_was_used_also_in_a_resumed_run() -> None:
    """It was part of the update set, so it is no clip that a test portion is scored on."""
    unbroken, resumed, at_its_end = (runner_in(epoch) for epoch in (0, 2, 3))
    for epoch in range(3):
        unbroken.hooks[0].update_set.redraw(epoch)
    resumed.hooks[0].update_set.redraw(2)
    for runner in (unbroken, resumed, at_its_end):
        assert used_ids(runner).tolist() == ["clip 0", "clip 1", "clip 2", "clip 3"]
        assert update_ids(runner).tolist() == ["clip 2", "clip 3"]


def test_without_a_draw_the_clips_of_the_update_set_were_used() -> None:
    loader: Any = SimpleNamespace(dataset=Drawn())
    loader.dataset.per_class = None
    update_set = UpdateSet(loader)
    update_set.redraw(0)
    assert update_set.used.tolist() == update_set.ids.tolist() == ["first 0", "first 1"]
    assert used_ids(SimpleNamespace(hooks=[])).tolist() == []  # type: ignore[arg-type]
