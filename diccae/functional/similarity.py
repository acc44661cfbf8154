"""The similarity F_p of Eq. 1, one function for each form, as logits.

Deviation: Eq. 1 needs F_p in (0, 1), and the paper does not say which function it is. Every form
here returns logits, log F_p - log(1 - F_p), from which both logarithms of Eq. 1 follow without
loss of digits.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def cosine_matrix(
    first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
) -> Float[Tensor, "b b2"]:
    """Cosines of all pairs of rows, in [-1, 1]; a row of zeros has cosine 0 with every other."""
    return F.normalize(first, dim=1) @ F.normalize(second, dim=1).T


def sigmoid_cosine_logits(
    first: Float[Tensor, "b d"],
    second: Float[Tensor, "b2 d"],
    scale: Float[Tensor, ""] | float,
    bias: Float[Tensor, ""] | float,
) -> Float[Tensor, "b b2"]:
    """Logits of F_p = sigmoid(scale * cos(f_i, f_j) + bias), the default form."""
    return scale * cosine_matrix(first, second) + bias


def half_cosine_logits(
    first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
) -> Float[Tensor, "b b2"]:
    """Logits of F_p = (1 + cos(f_i, f_j)) / 2, in float32 or wider.

    F_p is clamped to [1e-6, 1 - 1e-6]: at 0 and 1 one logarithm of Eq. 1 is infinite.
    """
    cosine = cosine_matrix(first, second)
    # half types have no number between 1 - 1e-4 and 1: the clamp would round away
    wide = cosine if cosine.dtype == torch.float64 else cosine.float()
    return torch.logit(((1 + wide) / 2).clamp(1e-6, 1 - 1e-6))


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
    """
    squared = (first[:, None] - second[None]).pow(2).sum(-1)
    exponent = (squared / (2 * scale**2)).clamp(min=1e-6)
    return -exponent - torch.log(-torch.expm1(-exponent))


def mlp_pair_features(
    first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
) -> Float[Tensor, "b b2 2*d"]:
    """What a learned scorer of pairs sees: |f_i - f_j| and f_i * f_j side by side.

    Both are symmetric in i and j, and so is F_p = sigmoid(scorer(...)).
    """
    difference, product = (first[:, None] - second[None]).abs(), first[:, None] * second[None]
    return torch.cat([difference, product], dim=-1)
