"""The confusion loss of pairs (Eq. 1), its weighted sum (Eq. 4), and InfoNCE (Sec. 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from diccae.functional.arguments import (
    ArgumentError,
    check_batch_labels,
    check_choice,
    check_positive,
)
from diccae.functional.precision import wide, without_autocast
from diccae.functional.similarity import cosine_matrix

REDUCTIONS = ("balanced", "plain_mean", "sum")


@without_autocast
def confusion_loss(
    logits: Float[Tensor, "b b2"], same: Bool[Tensor, "b b2"]
) -> Float[Tensor, "b b2"]:
    """Eq. 1 for each pair: -y log F_p - (1 - y) log(1 - F_p), in nats, at least 0.

    Half types are computed in float32, also under autocast.

    Args:
        logits: (B, B') logits of F_p, see `diccae.functional.similarity`.
        same: (B, B') y of Eq. 1: whether both features belong to the same class.
    """
    logits = wide(logits)
    return F.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")


@without_autocast
def weighted_confusion_loss(
    logits: Float[Tensor, "b b2"],
    labels_i: Int[Tensor, "b"],
    labels_j: Int[Tensor, "b2"],
    *,
    weights: Float[Tensor, "c c"] | None = None,
    mask: Bool[Tensor, "b b2"] | None = None,
    reduction: str = "balanced",
    by_own_loss: bool = False,
) -> Float[Tensor, ""]:
    """Eq. 4: the confusion loss of each pair times the weight of its pair of classes, reduced.

    Deviation: Eq. 4 is a sum. The default, `balanced`, is the mean over same-class pairs plus the
    mean over the other pairs, halved: pairs of different classes outnumber those of one class by
    far, and a sum grows with the square of the batch. `sum` is Eq. 4 as printed.

    Args:
        logits: (B, B') logits of F_p, see `diccae.functional.similarity`.
        labels_i, labels_j: (B,), (B',) classes in [0, C), -1 for none; pairs with a clip without
            class are left out.
        weights: (C, C) weight of each pair of classes (Eq. 3), at least 0; None for 1. They are
            constants: no gradient flows through them.
        mask: (B, B') the pairs to take; None for all.
        reduction: `balanced` (a kind of pair that the batch lacks counts 0), `plain_mean` over all
            pairs, or `sum`.
        by_own_loss: multiply each pair by its weight of `own_loss_weights` too.

    Returns:
        A scalar in float32, or float64 for such logits; 0 with gradients of 0 if there is no pair.

    Raises:
        ArgumentError: an unknown reduction, a label that is no integer or outside of the classes of
            the weights, or labels of another number than the rows or columns of the logits.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    if weights is not None and (weights.ndim != 2 or weights.shape[0] != weights.shape[1]):
        raise ArgumentError("weights", f"wanted shape (C, C), got {tuple(weights.shape)}")
    for argument, labels, size in (
        ("labels_i", labels_i, logits.shape[0]),
        ("labels_j", labels_j, logits.shape[1]),
    ):
        check_batch_labels(argument, labels, None if weights is None else len(weights))
        if len(labels) != size:
            raise ArgumentError(argument, f"wanted {size} as in the logits, got {len(labels)}")
    same = labels_i[:, None] == labels_j[None]
    taken = (labels_i >= 0)[:, None] & (labels_j >= 0)[None]
    if mask is not None:
        taken = taken & mask
    losses = confusion_loss(logits, same)
    kinds = taken & same, taken & ~same
    if by_own_loss:
        losses = losses * own_loss_weights(losses, kinds)
    if weights is not None:
        # long: PyTorch takes uint8 for a mask, and no int16
        rows, columns = labels_i.clamp(min=0).long()[:, None], labels_j.clamp(min=0).long()[None]
        losses = losses * weights.detach().to(losses.dtype)[rows, columns]
    losses = torch.where(taken, losses, torch.zeros_like(losses))
    if reduction == "sum":
        return losses.sum()
    if reduction == "plain_mean":
        return losses.sum() / taken.sum().clamp(min=1)
    same_class, other = ((losses * kind).sum() / kind.sum().clamp(min=1) for kind in kinds)
    return (same_class + other) / 2


def own_loss_weights(
    losses: Float[Tensor, "b b2"], kinds: Sequence[Bool[Tensor, "b b2"]]
) -> Float[Tensor, "b b2"]:
    """The weight of each pair is its own loss, divided by the mean loss of the pairs of its kind.

    So the mean weight is 1 over the pairs of different classes, and likewise over those of one
    class. The weights are constants: no gradient flows through them. The paper has nothing of the
    kind; this is the usual way to stress hard negatives, against which its weights of pairs of
    classes are compared.

    Args:
        losses: (B, B') Eq. 1 of each pair, at least 0.
        kinds: (B, B') which pairs are of each kind; no pair is of two.

    Returns:
        (B, B') weights; 1 for a kind whose losses are all 0, and for pairs of no kind.
    """
    constants = losses.detach()
    weights = torch.ones_like(constants)
    for kind in kinds:
        mean = (constants * kind).sum() / kind.sum().clamp(min=1)
        weights = torch.where(kind & (mean > 0), constants / mean, weights)
    return weights


@without_autocast
def info_nce(
    first: Float[Tensor, "b d"],
    second: Float[Tensor, "b d"],
    temperature: float,
    *,
    one_way: bool = False,
) -> Float[Tensor, ""]:
    """InfoNCE between two sets of features: row i of one belongs to row i of the other (Sec. 2.2).

    Args:
        first, second: (B, D); cosines are taken, so the length of a row does not matter.
        temperature: divides the cosines, above 0.
        one_way: rows of `first` look for theirs in `second` only; otherwise the mean of both
            directions.

    Returns:
        A scalar in float32, or float64 for such features, also under autocast.

    Raises:
        ArgumentError: a temperature of 0 or below, or features of other shapes.
    """
    check_positive("temperature", temperature)
    if len(first) != len(second):
        raise ArgumentError("second", f"wanted {len(first)} rows as in `first`, got {len(second)}")
    logits = cosine_matrix(first, second) / temperature
    target = torch.arange(len(logits), device=logits.device)
    forward = F.cross_entropy(logits, target)
    return forward if one_way else (forward + F.cross_entropy(logits.T, target)) / 2
