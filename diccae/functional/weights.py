"""Weights of the confusion loss: dynamic (Eq. 3), flat and static ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diccae.functional.arguments import ArgumentError, check_choice, check_count, check_square

NORMALIZATIONS = ("literal", "robust", "rank", "log1p", "mean_one")
UNMEASURED = ("mean", "zero_degree")


@dataclass(frozen=True)
class WeightSpec:
    """How degrees of confusion become weights.

    Args:
        normalization: `literal` maps [min, max] to [0, weight_range] (Eq. 3); `robust` caps the
            degrees at their 99th percentile first; `rank` maps average ranks in their place,
            `log1p` log(1 + M); `mean_one` divides the degrees by their mean.
        weight_range: the largest weight, at least 0; `mean_one` has no bound.
        diagonal_weight: weight of pairs of one class, at least 0, or `row_mean` for the mean weight
            of the class over all other classes.
        weight_floor: no weight of a measured pair of classes is smaller.
        unmeasured_weight: weight of the pairs of a class whose degrees were not measured: a number;
            `mean` for the mean weight of the measured pairs; `zero_degree` to take their degrees as
            0, which then set the minimum of Eq. 3.

    Raises:
        ArgumentError: a value that is not allowed.
    """

    normalization: str = "literal"
    weight_range: float = 2.0
    diagonal_weight: float | str = 1.0
    weight_floor: float = 0.0
    unmeasured_weight: float | str = "mean"

    def __post_init__(self) -> None:
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        if isinstance(self.diagonal_weight, str):
            check_choice("diagonal_weight", self.diagonal_weight, ("row_mean",))
        if isinstance(self.unmeasured_weight, str):
            check_choice("unmeasured_weight", self.unmeasured_weight, UNMEASURED)
        for name in ("weight_range", "diagonal_weight", "weight_floor", "unmeasured_weight"):
            value = getattr(self, name)
            if not isinstance(value, str) and not 0 <= value < math.inf:
                raise ArgumentError(name, f"wanted a finite number of at least 0, got {value}")


def normalize_degree(
    degree: Float[Tensor, "c c"],
    spec: WeightSpec = WeightSpec(),
    *,
    valid: Bool[Tensor, "c"] | None = None,
) -> Float[Tensor, "c c"]:
    """Eq. 3: (M_ij - min M) / (max M - min M) * 2, the weights of Eq. 4.

    Deviation: the diagonal, infinite in Eq. 2, takes no part in minimum and maximum and gets
    `spec.diagonal_weight`. If all other degrees are equal, as those of two classes always are,
    Eq. 3 is 0 / 0, and every weight is 1.
    Deviation: a class with fewer than two samples has no circle and no degree. With `valid` its
    pairs stay out of Eq. 3, so that an unknown degree does not decide the range, and get
    `spec.unmeasured_weight`: by default the mean, which is also the mean of all pairs.

    Args:
        degree: (C, C) degrees (Eq. 2), symmetric, at least 0.
        spec: how degrees become weights.
        valid: (C,) the classes whose degrees were measured (`Circles.valid`). Pairs with any other
            class stay out of minimum, maximum, ranks and mean. None for all classes.

    Returns:
        The (C, C) weights in float32.

    Raises:
        ArgumentError: degrees or `valid` of another shape, or degrees not finite off the diagonal.
    """
    check_square("degree", degree)
    if valid is not None and valid.shape != degree.shape[:1]:
        raise ArgumentError(
            "valid", f"wanted shape ({len(degree)},), one a class, got {tuple(valid.shape)}"
        )
    off = ~torch.eye(len(degree), dtype=torch.bool, device=degree.device)
    if valid is None or spec.unmeasured_weight == "zero_degree":
        measured = off
    else:
        measured = off & valid[:, None] & valid[None]
    values = degree[measured].double()
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise ArgumentError("degree", f"{bad} of {len(values)} pairs of classes are not finite")
    values = _scale(values, spec.normalization)
    if not len(values) or values.max() == values.min():
        return torch.ones_like(degree, dtype=torch.float32)
    scaled = (
        values / values.mean()
        if spec.normalization == "mean_one"
        else (values - values.min()) / (values.max() - values.min()) * spec.weight_range
    )
    scaled = scaled.clamp(min=spec.weight_floor)
    unmeasured = (
        scaled.mean()
        if isinstance(spec.unmeasured_weight, str)
        else scaled.new_tensor(spec.unmeasured_weight)
    )
    weights = unmeasured.expand(degree.shape).clone()
    weights[measured] = scaled
    weights.fill_diagonal_(0.0)
    if isinstance(spec.diagonal_weight, str):
        weights.diagonal().copy_(weights.sum(1) / (len(degree) - 1))
    else:
        weights.fill_diagonal_(float(spec.diagonal_weight))
    return weights.float()


def _scale(values: Float[Tensor, "p"], normalization: str) -> Float[Tensor, "p"]:
    """The degrees on the scale whose minimum and maximum are mapped to the range of weights."""
    if normalization == "robust" and len(values):
        return values.clamp(max=torch.quantile(values, 0.99))
    if normalization == "rank":
        return _average_ranks(values)
    return values.log1p() if normalization == "log1p" else values


def _average_ranks(values: Float[Tensor, "p"]) -> Float[Tensor, "p"]:
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = torch.cumsum(counts, 0).double()
    return (last - (counts - 1) / 2)[inverse]


def flat_weights(weights: Float[Tensor, "c c"]) -> Float[Tensor, "c c"]:
    """One weight for all pairs of different classes: their mean; the diagonal stays.

    Keeps the strength of dynamic weights and drops their distribution over pairs (one reading of
    the ablation without dynamic weights, Sec. 3.5).
    """
    off = ~torch.eye(len(weights), dtype=torch.bool, device=weights.device)
    return torch.where(off, weights[off].mean(), weights)


def weight_statistics(weights: Float[Tensor, "c c"]) -> dict[str, float]:
    """Mean, standard deviation and the 5, 50 and 95 % quantiles of the (C, C) weights off the
    diagonal, as `weight_mean`, `weight_sd`, `weight_p05`, `weight_p50` and `weight_p95`; nothing
    for a single class."""
    if len(weights) < 2:
        return {}
    off = ~torch.eye(len(weights), dtype=torch.bool, device=weights.device)
    # quantiles of a tensor are limited to 2^24 values
    values = weights[off].double().cpu().numpy()
    low, median, high = np.quantile(values, (0.05, 0.5, 0.95))
    found = {"mean": values.mean(), "sd": values.std(), "p05": low, "p50": median, "p95": high}
    return {f"weight_{name}": float(value) for name, value in found.items()}


def static_weights(num_classes: int, weight: float = 1.0) -> Float[Tensor, "c c"]:
    """One weight for all pairs, those of one class too: the ablation without M_ij (Fig. 3).

    A weight of 1 leaves the loss as in Eq. 1; dynamic training starts from it, before there are
    degrees of confusion.

    Args:
        num_classes: C.
        weight: the weight of every pair, at least 0.

    Returns:
        (C, C) in torch's default dtype.

    Raises:
        ArgumentError: a negative weight, or no class.
    """
    check_count("num_classes", num_classes)
    if not weight >= 0:
        raise ArgumentError("weight", f"wanted at least 0, got {weight}")
    return torch.full((num_classes, num_classes), float(weight))
