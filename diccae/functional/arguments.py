"""Errors of arguments, in terms of the function that was called.

Checks of arrays use methods that NumPy and PyTorch share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from diccae.functional.scratch import BLOCK

# largest numbers of float32 and float64
FLOAT32, FLOAT64 = 3.4028234663852886e38, 1.7976931348623157e308


class ArgumentError(ValueError):
    """An argument has a value that the function cannot use.

    Args:
        argument: name of the argument.
        message: what was wanted and what was found.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(argument, message)
        self.argument = argument
        self.message = message

    def __str__(self) -> str:
        return f"{self.argument}: {self.message}"


def check_choice(argument: str, value: object, choices: Iterable[str]) -> None:
    """Raise `ArgumentError` unless `value` is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        raise ArgumentError(argument, f"wanted one of {', '.join(choices)}, got {value!r}")


def check_positive(argument: str, value: Any) -> None:
    """Raise `ArgumentError` unless a number, or a tensor of one element, is above 0."""
    if not value > 0:
        raise ArgumentError(argument, f"wanted a number above 0, got {float(value)}")


def check_count(argument: str, value: int) -> None:
    """Raise `ArgumentError` unless a number of classes or of repetitions is at least 1."""
    if value < 1:
        raise ArgumentError(argument, f"wanted at least 1, got {value}")


def check_table(argument: str, values: Any) -> None:
    """Raise `ArgumentError` unless an array or tensor is (N, D) with D at least 1."""
    if values.ndim != 2 or values.shape[1] < 1:
        raise ArgumentError(
            argument, f"wanted shape (N, D) with D at least 1, got {tuple(values.shape)}"
        )


def check_features(argument: str, features: Any, limit: float = FLOAT64) -> None:
    """Raise `ArgumentError` unless features are (N, D), finite, and small enough to be squared.

    Args:
        argument: name of the argument.
        features: array or tensor.
        limit: the largest number of the type that squared distances, and their sum over all rows,
            are computed in.
    """
    check_table(argument, features)
    largest = 0.0
    for start in range(0, len(features), BLOCK):
        block = features[start : start + BLOCK]
        ends = float(block.max()), float(block.min())
        if not all(map(math.isfinite, ends)):
            bad = sum(
                int((~_finite(features[row : row + BLOCK])).sum())
                for row in range(0, len(features), BLOCK)
            )
            raise ArgumentError(argument, f"{bad} of {len(features)} rows are NaN or infinite")
        largest = max(largest, *map(abs, ends))
    # no squared distance of two rows exceeds 4 D largest^2
    if 4 * features.shape[0] * features.shape[1] * largest * largest > limit:
        raise ArgumentError(
            argument,
            f"wanted values whose squares can be summed below {limit:.1e}, got {largest:.1e}; "
            "divide all values by the largest",
        )


def _finite(rows: Any) -> Any:
    # a comparison with NaN is false
    return (abs(rows) < math.inf).all(1)


def check_square(argument: str, matrix: Any) -> None:
    """Raise `ArgumentError` unless an array or tensor is (C, C)."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ArgumentError(argument, f"wanted shape (C, C), got {tuple(matrix.shape)}")


def check_batch_labels(argument: str, labels: Any, classes: int | None) -> None:
    """As `check_labels` with -1 for none, where `labels` is a tensor of a training step.

    On a GPU only the shape is checked, since the CPU would wait until the GPU has come to this step
    to read a label. There, the losses count each negative label as none, and PyTorch stops at one
    that is too large for the weights.
    """
    if labels.ndim != 1 or labels.device.type == "cpu":
        check_labels(argument, labels, classes, lowest=-1)


def check_labels(argument: str, labels: Any, classes: int | None, lowest: int = 0) -> None:
    """Raise `ArgumentError` unless labels are integers, (N,) and in [lowest, classes).

    Args:
        argument: name of the argument.
        labels: array or tensor of integers.
        classes: number of classes; None if it is not known.
        lowest: 0, or -1 where -1 stands for no label.
    """
    if labels.ndim != 1:
        raise ArgumentError(argument, f"wanted shape (N,), got {tuple(labels.shape)}")
    if "float" in str(labels.dtype):
        raise ArgumentError(argument, f"wanted integers, got {labels.dtype}")
    if not len(labels):
        return
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < lowest or (classes is not None and largest >= classes):
        found = smallest if smallest < lowest else largest
        some = "0 and above" if classes is None else f"0 to {classes - 1} for {classes} classes"
        none = ", or -1 for none" if lowest < 0 and found < 0 else ""
        raise ArgumentError(argument, f"wanted {some}{none}, got {found}")
