"""The similarity F_p of Eq. 1, one function for each form, as logits.

Deviation: Eq. 1 needs F_p in (0, 1), and the paper does not say which function it is. Every form
here returns logits, log F_p - log(1 - F_p), from which both logarithms of Eq. 1 follow without
loss of digits. Half types are computed in float32, also under autocast.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from diccae.functional.arguments import ArgumentError, check_positive, check_table
from diccae.functional.precision import wide, wide_rows, without_autocast


@without_autocast
def cosine_matrix(
    first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
) -> Float[Tensor, "b b2"]:
    """Cosines of all pairs of rows, in [-1, 1]; a row of zeros has cosine 0 with every other, and
    a gradient of zero.

    Raises:
        ArgumentError: features of another shape, or so large that their squares overflow (on a GPU,
            cosines of such rows are NaN).
    """
    first, second = _checked(first, second, wide_rows)
    return F.normalize(first, dim=1) @ F.normalize(second, dim=1).T


@without_autocast
def sigmoid_cosine_logits(
    first: Float[Tensor, "b d"],
    second: Float[Tensor, "b2 d"],
    scale: Float[Tensor, ""] | float,
    bias: Float[Tensor, ""] | float,
) -> Float[Tensor, "b b2"]:
    """Logits of F_p = sigmoid(scale * cos(f_i, f_j) + bias), the default form."""
    return _wide(scale) * cosine_matrix(first, second) + _wide(bias)


@without_autocast
def half_cosine_logits(
    first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
) -> Float[Tensor, "b b2"]:
    """Logits of F_p = (1 + cos(f_i, f_j)) / 2.

    F_p is clamped to [1e-6, 1 - 1e-6]: at 0 and 1 one logarithm of Eq. 1 is infinite.
    """
    return torch.logit(((1 + cosine_matrix(first, second)) / 2).clamp(1e-6, 1 - 1e-6))


@without_autocast
def rbf_logits(
    first: Float[Tensor, "b d"],
    second: Float[Tensor, "b2 d"],
    scale: Float[Tensor, ""] | float,
) -> Float[Tensor, "b b2"]:
    """Logits of F_p = exp(-|f_i - f_j|^2 / (2 scale^2)).

    The exponent is at least 1e-6, so that equal features have F_p just below 1. Both logarithms
    are taken directly: distant features keep their gradient where F_p itself rounds to 0.

    Args:
        first, second: (B, D), (B', D) features.
        scale: the radius of the kernel, in the unit of the features, above 0.

    Raises:
        ArgumentError: a scale of 0 or below, or features as in `cosine_matrix`.
    """
    check_positive("scale", scale)
    scale = _wide(scale)
    first, second = _checked(first, second, wide)
    squared = (first[:, None] - second[None]).pow(2).sum(-1)
    exponent = (squared / (2 * scale**2)).clamp(min=1e-6)
    return -exponent - torch.log(-torch.expm1(-exponent))


@without_autocast
def mlp_pair_features(
    first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
) -> Float[Tensor, "b b2 2*d"]:
    """What a learned scorer of pairs sees: |f_i - f_j| and f_i * f_j side by side.

    Both are symmetric in i and j, and so is F_p = sigmoid(scorer(...)).

    Raises:
        ArgumentError: features as in `cosine_matrix`.
    """
    first, second = _checked(first, second, wide)
    difference, product = (first[:, None] - second[None]).abs(), first[:, None] * second[None]
    return torch.cat([difference, product], dim=-1)


def _wide(value: Tensor | float) -> Tensor | float:
    return wide(value) if isinstance(value, Tensor) else value


def _checked(
    first: Tensor, second: Tensor, widen: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Both sets of features in float32 or float64, after a check of their shapes and sizes.

    On a GPU, rows whose squares overflow become NaN: to raise, the CPU would have to wait until the
    GPU has computed them.
    """
    pair: list[Tensor] = []
    for argument, features in (("first", first), ("second", second)):
        if pair and features is first:
            # one gradient of both, summed in one order
            pair.append(pair[0])
            continue
        check_table(argument, features)
        widened = widen(features)
        lengths = torch.linalg.vector_norm(widened.detach(), dim=1)
        # features that are infinite themselves stay: a scaler of gradients looks for them
        overflow = lengths.isinf() & ~widened.detach().isinf().any(1)
        if widened.device.type != "cpu":
            widened = widened.masked_fill(overflow[:, None], math.nan)
        elif overflow.any():
            raise ArgumentError(
                argument,
                f"the squares of some rows overflow {widened.dtype}; scale the features down",
            )
        pair.append(widened)
    if first.shape[1] != second.shape[1]:
        raise ArgumentError(
            "second", f"wanted width {first.shape[1]} as in `first`, got {second.shape[1]}"
        )
    return pair[0], pair[1]
