"""The hooks of dynamic weights in a plain Runner of mmengine, with a model and a dataset that know
nothing of this package."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
from diccae.engine.hooks.reproducibility import ReproducibilityHook
from diccae.engine.hooks.update_set import UpdateSetHook
from diccae.errors import UserError
from diccae.functional.circles import class_circles
from diccae.functional.degree import confusion_degree
from diccae.functional.weights import normalize_degree, static_weights
from diccae.models.losses import ConfusionLoss

NAMES = count()


@DATASETS.register_module(name="PointsOfAnotherProject")
class Points(Dataset):
    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(24) % 4
        self.points = torch.randn(24, 8, generator=generator)
        self.points[:, :4] += F.one_hot(self.labels, 4)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.points[index], "labels": self.labels[index]}


class Network(BaseModel):
    """Takes one tensor, as mmaction2's recognisers do."""

    confusion_weights: Tensor
    num_classes = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.head = nn.Linear(8, 6), nn.Linear(6, 4)
        self.confusion_loss = ConfusionLoss(num_classes=4)
        self.register_buffer("confusion_weights", static_weights(4))

    def embed(self, inputs: Tensor) -> Tensor:
        return self.encoder(inputs)

    def forward(self, inputs: Tensor, labels: Tensor, mode: str = "tensor") -> Any:
        features = self.embed(inputs)
        return {
            "loss_cls": F.cross_entropy(self.head(features), labels),
            "loss_confusion": self.confusion_loss(features, labels, self.confusion_weights),
        }


class Unprepared(BaseModel):
    """Lacks all that the hook needs."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 4)

    def forward(self, inputs: Tensor, labels: Tensor, mode: str = "tensor") -> Any:
        return {"loss": F.cross_entropy(self.head(inputs), labels)}


def loader(seed: int, **options: Any) -> dict[str, Any]:
    sampler = {"type": "DefaultSampler", "shuffle": False}
    fixed = {"batch_size": 8, "num_workers": 0, "collate_fn": {"type": "default_collate"}}
    dataset = {"type": "PointsOfAnotherProject", "seed": seed}
    return {"dataset": dataset, "sampler": sampler} | fixed | options


def runner(folder: Path, epochs: int = 2, **options: Any) -> Runner:
    arguments = {
        "model": Network(),
        "work_dir": str(folder),
        "train_dataloader": loader(0),
        "train_cfg": {"by_epoch": True, "max_epochs": epochs},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "custom_hooks": [UpdateSetHook(), ConfusionDegreeHook(circles={}, weights={})],
        "cfg": {"update_dataloader": loader(1)},
        "experiment_name": f"other project {next(NAMES)}",
        "log_level": "ERROR",
    }
    return Runner(**(arguments | options))


@pytest.mark.parametrize(
    "wrapper",
    [
        {},
        {"accumulative_counts": 2},
    ],
    ids=["plain", "accumulated"],
)
def test_the_weights_are_those_of_the_functions(tmp_path: Path, wrapper: dict[str, Any]) -> None:
    options = {"optimizer": {"type": "SGD", "lr": 0.1}} | wrapper
    trained = runner(tmp_path, optim_wrapper=options)
    trained.train()
    # mmengine trains on a GPU where `pytest --gpu` shows one
    update, model = Points(1), trained.model.cpu()
    with torch.no_grad():
        features = model.embed(update.points)
    degree, _ = confusion_degree(class_circles(features, update.labels, 4))
    torch.testing.assert_close(model.confusion_weights, normalize_degree(degree))
    assert model.confusion_weights.unique().numel() > 2


def test_a_resumed_run_equals_an_unbroken_one_also_with_averaged_weights(tmp_path: Path) -> None:
    def train(folder: str, epochs: int, **options: Any) -> dict[str, Tensor]:
        # mmengine's own checkpoints cannot be loaded since PyTorch 2.6
        hooks: list[Any] = [ReproducibilityHook(seed=0), UpdateSetHook()]
        hooks.append(ConfusionDegreeHook({}, {}, smoothing=0.5))
        ran = runner(
            tmp_path / folder, epochs, custom_hooks=[*hooks, {"type": "EMAHook"}], **options
        )
        ran.train()
        return ran.model.state_dict()

    unbroken = train("a", 3)
    train("b", 1)
    torch.testing.assert_close(train("b", 3, resume=True), unbroken, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"custom_hooks": [ConfusionDegreeHook({}, {})]}, "needs an update set; add dict"),
        ({"cfg": None}, "the config has no update_dataloader, which a hook reads clips from"),
        (
            {"cfg": {"update_dataloader": loader(1, sampler={"type": "DefaultSampler"})}},
            "must neither shuffle nor drop clips",
        ),
        ({"cfg": {"update_dataloader": loader(1, drop_last=True)}}, "nor drop clips"),
        (
            {"cfg": {"update_dataloader": loader(1, dataset=[{"inputs": torch.zeros(8)}])}},
            "its dataset, list, has no `labels`",
        ),
        ({"model": Unprepared()}, "needs a model with `num_classes`, which Unprepared lacks"),
    ],
)
def test_what_is_missing_is_named_before_training(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        runner(tmp_path, **options).train()
