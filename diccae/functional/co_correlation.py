"""Co-correlation of two modalities by location, and fusion by attention over modalities (AVCL).

They are written from the paper's abstract alone, which names both and defines neither: the forms
are our interpretation.
"""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from diccae.functional.arguments import ArgumentError, check_choice
from diccae.functional.precision import wide, wide_rows, without_autocast

LEVELS = ("locations", "pooled")


@without_autocast
def affinity(
    first: Float[Tensor, "b n d"],
    second: Float[Tensor, "b m e"],
    weight: Float[Tensor, "d e"],
) -> Float[Tensor, "b n m"]:
    """C = softmax(F_1 W F_2^T / sqrt e), each row of which sums to 1.

    Half types are computed in float32, also under autocast.

    Args:
        first: (B, N, D) features of a modality at its N locations.
        second: (B, M, E) features of the other one at its M locations.
        weight: (D, E) W.

    Returns:
        (B, N, M), the share of each location of `second` in each location of `first`.

    Raises:
        ArgumentError: W has another shape.
    """
    wanted = (first.shape[-1], second.shape[-1])
    if tuple(weight.shape) != wanted:
        raise ArgumentError("weight", f"wanted shape {wanted}, got {tuple(weight.shape)}")
    scores = wide(first) @ wide(weight) @ wide(second).transpose(1, 2)
    return (scores / math.sqrt(second.shape[-1])).softmax(-1)


@without_autocast
def alignment_loss(
    first: Float[Tensor, "b n d"],
    second: Float[Tensor, "b m e"],
    weight: Float[Tensor, "d e"],
    level: str = "locations",
) -> Float[Tensor, ""]:
    """1 - cos between the features of each modality and their reconstruction from the other one.

    The location i of the first modality is reconstructed as sum_j C_ij F_2,j and compared with
    F_1,i W, which has the same size; the other direction exchanges the modalities and transposes
    W. The loss is the mean of both directions, in [0, 2]; 0 for features that point where their
    reconstruction points. Half types are computed in float32, also under autocast.

    Args:
        first, second, weight: see `affinity`.
        level: `locations` for the mean over the cosines of all locations, `pooled` for the cosine
            of the means over all locations.

    Raises:
        ArgumentError: an unknown level, or W has another shape.
    """
    check_choice("level", level, LEVELS)
    terms = []
    for own, other, bridge in ((first, second, weight), (second, first, weight.T)):
        rebuilt = affinity(own, other, bridge) @ wide(other)
        wanted = wide(own) @ wide(bridge)
        if level == "pooled":
            rebuilt, wanted = rebuilt.mean(1), wanted.mean(1)
        cosines = F.normalize(wide_rows(wanted), dim=-1) * F.normalize(wide_rows(rebuilt), dim=-1)
        terms.append(1 - cosines.sum(-1).mean())
    return (terms[0] + terms[1]) / 2


@without_autocast
def attention_fusion(
    features: Float[Tensor, "b m e"], scores: Float[Tensor, "b m"]
) -> Float[Tensor, "b e"]:
    """f = sum_m a_m f_m with a = softmax of the scores over the modalities.

    Half types are computed in float32, also under autocast.

    Args:
        features: (B, M, E) projected features of M modalities.
        scores: (B, M), one number for each of them.
    """
    shares = wide(scores).softmax(1)
    return (shares[..., None] * wide(features)).sum(1)
