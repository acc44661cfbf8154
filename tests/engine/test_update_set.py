"""Names of the labels of the update set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from diccae.engine.hooks.update_set import UpdateSet


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
