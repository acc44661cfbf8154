"""Pair and contrastive losses as functions of tensors (Eq. 1, Eq. 4, Sec. 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cosine_matrix(first: Tensor, second: Tensor) -> Tensor:
    """(B, D), (B', D) -> (B, B') cosines."""
    return F.normalize(first, dim=1) @ F.normalize(second, dim=1).T


def half_cosine_logits(cosine: Tensor) -> Tensor:
    """Logits of F_p = (1 + cos) / 2, clamped away from 0 and 1, where the log of Eq. 1 has no value; at least float32."""
    # half types have no number between 1 - 1e-4 and 1: the clamp would round away
    wide = cosine if cosine.dtype == torch.float64 else cosine.float()
    return torch.logit(((1 + wide) / 2).clamp(1e-6, 1 - 1e-6))


def rbf_logits(first: Tensor, second: Tensor, scale: Tensor | float) -> Tensor:
    """Logits of F_p = exp(-d^2 / (2 s^2)), (B, B'); equal points are kept a hair below 1.

    log F_p - log(1 - F_p) with both logarithms taken directly, so that far points keep their gradient where F_p itself is 0.
    """
    squared = (first[:, None] - second[None]).pow(2).sum(-1)
    exponent = (squared / (2 * scale**2)).clamp(min=1e-6)
    return -exponent - torch.log(-torch.expm1(-exponent))


def confusion_pair_loss(
    logits: Tensor,
    labels_i: Tensor,
    labels_j: Tensor,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: str = "balanced",
) -> Tensor:
    """Eq. 1 over pairs, weighted as in Eq. 4; a scalar.

    Args:
        logits: (B, B') logits of the similarity F_p.
        labels_i, labels_j: (B,), (B',) classes; pairs with a label of -1 are left out.
        weights: (C, C) weight of each pair of classes; None for 1.
        mask: (B, B') pairs to take; None for all.
        reduction: `balanced`: mean over same-class pairs and mean over other pairs, halved, so that 308 negatives do not drown a positive; a kind
            that the batch lacks counts 0. `plain_mean`: over all pairs. `sum`: as Eq. 4 is printed.

    A batch without any pair has loss 0 and gradients of 0.
    """
    same = labels_i[:, None] == labels_j[None]
    taken = (labels_i >= 0)[:, None] & (labels_j >= 0)[None]
    if mask is not None:
        taken = taken & mask
    losses = F.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")
    if weights is not None:
        losses = (
            losses
            * weights.to(losses.dtype)[labels_i.clamp(min=0)[:, None], labels_j.clamp(min=0)[None]]
        )
    losses = torch.where(taken, losses, torch.zeros_like(losses))
    if reduction == "sum":
        return losses.sum()
    if reduction == "plain_mean":
        return losses.sum() / taken.sum().clamp(min=1)
    if reduction != "balanced":
        raise ValueError(f"reduction: wanted balanced, plain_mean or sum, got {reduction!r}")
    positive, negative = taken & same, taken & ~same
    return sum((losses * kind).sum() / kind.sum().clamp(min=1) for kind in (positive, negative)) / 2  # type: ignore[return-value]


def info_nce(first: Tensor, second: Tensor, temperature: float, *, one_way: bool = False) -> Tensor:
    """InfoNCE between the rows of two (B, D) tensors: row i of one belongs to row i of the other.

    Args:
        first, second: (B, D); cosines are taken, so their length does not count.
        temperature: divides the cosines, above 0.
        one_way: rows of `first` look for theirs in `second` only; otherwise the mean of both directions.
    """
    logits = cosine_matrix(first, second) / temperature
    target = torch.arange(len(logits), device=logits.device)
    forward = F.cross_entropy(logits, target)
    return forward if one_way else (forward + F.cross_entropy(logits.T, target)) / 2
