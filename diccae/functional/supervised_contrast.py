"""The supervised contrastive loss of Khosla et al. (2020), the paper's reference [17]."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diccae.functional.arguments import ArgumentError, check_batch_labels, check_positive
from diccae.functional.precision import without_autocast
from diccae.functional.similarity import cosine_matrix


@without_autocast
def supervised_contrast(
    features: Float[Tensor, "b d"], labels: Int[Tensor, "b"], temperature: float
) -> Float[Tensor, ""]:
    """L_out, Eq. 2 of Khosla et al. (2020), over the clips of a batch.

    The loss of an anchor i is the mean over its positives p, the other clips of its class, of
    -log(exp(cos(z_i, z_p) / t) / sum_a exp(cos(z_i, z_a) / t)), where a runs over all clips but i.

    Deviation: their Eq. 2 is a sum over anchors; this is the mean, as in their code, so that it
    does not grow with the batch. Their batch has two views of each clip, so that every anchor has a
    positive. Here it has one, and an anchor without a positive is left out of the mean; it is still
    one of the clips that other anchors are contrasted with.

    Args:
        features: (B, D); cosines are taken, so the length of a row does not matter.
        labels: (B,) classes, -1 for none; clips without class are left out everywhere.
        temperature: t, above 0.

    Returns:
        A scalar in float32, or float64 for such features, also under autocast; 0 with gradients of
        0 if no anchor has a positive.

    Raises:
        ArgumentError: a temperature of 0 or below, or labels of another number than the features.
    """
    check_positive("temperature", temperature)
    check_batch_labels("labels", labels, None)
    if len(labels) != len(features):
        raise ArgumentError(
            "labels", f"wanted {len(features)} as in the features, got {len(labels)}"
        )
    logits = cosine_matrix(features, features) / temperature
    labelled = labels >= 0
    others = labelled[:, None] & labelled[None]
    others &= ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positives = others & (labels[:, None] == labels[None])
    anchors = positives.any(dim=1)
    logits, positives = logits.masked_fill(~others, -math.inf)[anchors], positives[anchors]
    logarithms = torch.where(positives, logits.log_softmax(dim=1), 0)
    losses = -logarithms.sum(dim=1) / positives.sum(dim=1)
    return losses.sum() / anchors.sum().clamp(min=1)
