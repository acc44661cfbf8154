"""Time that the confusion loss and its weights add to a training step of a small model.

Target: under 5 %.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.functional.circles import class_circles
from diccae.functional.degree import confusion_degree
from diccae.functional.weights import normalize_degree
from diccae.models.losses import ConfusionLoss


def encoder(width: int) -> nn.Module:
    """Four convolutions and average pooling: (B, 1, H, W) -> (B, width)."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 32), (32, 64), (64, 128), (128, width)):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def seconds_of(function: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the time of a step with and without the loss, and of the confusion matrix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--classes", type=int, default=24)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--update", type=int, default=600, help="clips of the update set")
    parser.add_argument("--steps-per-epoch", type=int, default=100)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.manual_seed(0)
    images, labels = (
        torch.randn(options.batch, 1, 64, 64),
        torch.arange(options.batch) % options.classes,
    )
    model, head, pair_loss = (
        encoder(options.width),
        nn.Linear(options.width, options.classes),
        ConfusionLoss(options.classes),
    )
    weights = torch.rand(options.classes, options.classes)
    optimizer = torch.optim.Adam(
        [*model.parameters(), *head.parameters(), *pair_loss.parameters()], lr=1e-4
    )

    def step(confusion: bool) -> None:
        """One training step, with or without the confusion loss."""
        optimizer.zero_grad()
        features: Tensor = model(images)
        loss = F.cross_entropy(head(features), labels)
        if confusion:
            loss = loss + pair_loss(features, labels, weights)
        loss.backward()
        optimizer.step()

    update, update_labels = (
        torch.randn(options.update, options.width),
        torch.arange(options.update) % options.classes,
    )

    def matrix() -> Tensor:
        """Weights (C, C) of an epoch from the features of the update set."""
        degree, _ = confusion_degree(class_circles(update, update_labels, options.classes))
        return normalize_degree(degree)

    for confusion in (False, True) * 5:
        step(confusion)
    # alternating, so that other load on the machine affects both equally
    plain, full = zip(
        *[
            (seconds_of(lambda: step(False)), seconds_of(lambda: step(True)))
            for _ in range(options.steps)
        ],
        strict=True,
    )
    without, with_loss = statistics.median(plain), statistics.median(full)
    hook = statistics.median(seconds_of(matrix) for _ in range(10)) / options.steps_per_epoch
    print(
        f"batch {options.batch}, C = {options.classes}, D = {options.width}, "
        f"{torch.get_num_threads()} thread(s): "
        f"step {1e3 * without:.2f} ms, with confusion loss {1e3 * with_loss:.2f} ms"
    )
    print(
        f"confusion loss +{100 * (with_loss / without - 1):.1f} %, "
        f"matrix once per epoch of {options.steps_per_epoch} steps +{100 * hook / without:.2f} % "
        f"(without extracting the features of the update set); "
        f"total +{100 * ((with_loss + hook) / without - 1):.1f} % (target: under 5 %)"
    )


if __name__ == "__main__":
    main()
