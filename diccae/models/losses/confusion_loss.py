"""The confusion loss (Eq. 1, Eq. 4) as a module."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from diccae.functional.contrastive import (
    confusion_pair_loss,
    cosine_matrix,
    half_cosine_logits,
    rbf_logits,
)
from diccae.models.losses.gather import gather_rows

SIMILARITIES = ("sigmoid_cosine", "half_cosine", "rbf", "mlp")
PAIRS = ("fused", "intra_modal", "cross_modal")
REDUCTIONS = ("balanced", "plain_mean", "sum")


@MODELS.register_module()
class ConfusionLoss(nn.Module):
    """Pulls features of one class together and pushes those of two classes apart, pair by pair, with a weight for each pair of classes.

    Deviation: Eq. 1 needs F_p in (0, 1) and does not define it; the default is sigmoid(a cos(f_i, f_j) + b) with learned a and b.

    Args:
        num_classes: C, the size of the weight matrix.
        similarity: `sigmoid_cosine`, `half_cosine`, `rbf` (learned scale) or `mlp` (a scorer of |f_i - f_j| and f_i f_j).
        pairs: `fused` (all i < j of one feature a clip), `intra_modal` (i < j within each of two modalities), `cross_modal` (all i, j between them).
        reduction: `balanced`, `plain_mean` or `sum`, see `confusion_pair_loss`.
        feature_dim: D, needed by `mlp` alone.
        loss_weight: factor of the whole loss.
        gather: with several processes, take the pairs of the joint batch of all of them, see `gather_rows`; each must hold as many clips.
    """

    def __init__(
        self,
        num_classes: int,
        similarity: str = "sigmoid_cosine",
        pairs: str = "fused",
        reduction: str = "balanced",
        feature_dim: int | None = None,
        loss_weight: float = 1.0,
        gather: bool = True,
    ) -> None:
        super().__init__()
        if similarity not in SIMILARITIES:
            raise ValueError(
                f"similarity: wanted one of {', '.join(SIMILARITIES)}, got {similarity!r}"
            )
        if pairs not in PAIRS:
            raise ValueError(f"pairs: wanted one of {', '.join(PAIRS)}, got {pairs!r}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: wanted one of {', '.join(REDUCTIONS)}, got {reduction!r}")
        self.num_classes, self.similarity, self.pairs, self.reduction = (
            num_classes,
            similarity,
            pairs,
            reduction,
        )
        self.loss_weight, self.gather = loss_weight, gather
        if similarity == "sigmoid_cosine":
            self.scale, self.bias = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(0.0))
        elif similarity == "rbf":
            self.log_scale = nn.Parameter(torch.tensor(0.0))
        elif similarity == "mlp":
            if feature_dim is None:
                raise ValueError("similarity 'mlp' needs feature_dim, the size of a feature")
            self.scorer = nn.Sequential(nn.Linear(2 * feature_dim, 64), nn.ReLU(), nn.Linear(64, 1))

    def logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits of F_p for every pair of rows: (B, D), (B', D) -> (B, B')."""
        if self.similarity == "rbf":
            return rbf_logits(first, second, self.log_scale.exp())
        if self.similarity == "mlp":
            difference, product = (
                (first[:, None] - second[None]).abs(),
                first[:, None] * second[None],
            )
            return self.scorer(torch.cat([difference, product], dim=-1))[..., 0]
        cosine = cosine_matrix(first, second)
        return (
            half_cosine_logits(cosine)
            if self.similarity == "half_cosine"
            else self.scale * cosine + self.bias
        )

    def forward(
        self,
        features: Tensor,
        labels: Tensor,
        weights: Tensor | None = None,
        other: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch; with several processes, of the joint batch of all of them.

        Args:
            features: (B, D) fused features, or those of the first modality.
            labels: (B,) classes in [0, C), -1 for none.
            weights: (C, C) weights of Eq. 4; None for 1.
            other: (B, D) features of the second modality, for `intra_modal` and `cross_modal`; without it, as in a run of
                one modality, the pairs of `features` are taken.
        """
        if weights is not None and weights.shape != (self.num_classes, self.num_classes):
            raise ValueError(
                f"weights: wanted ({self.num_classes}, {self.num_classes}), got {tuple(weights.shape)}"
            )
        if self.gather:
            features, labels, other = (
                gather_rows(features),
                gather_rows(labels),
                None if other is None else gather_rows(other),
            )
        upper = torch.ones(
            len(features), len(features), dtype=torch.bool, device=features.device
        ).triu(1)

        def loss(first: Tensor, second: Tensor, mask: Tensor | None) -> Tensor:
            return confusion_pair_loss(
                self.logits(first, second),
                labels,
                labels,
                weights=weights,
                mask=mask,
                reduction=self.reduction,
            )

        if self.pairs == "fused" or other is None:
            return self.loss_weight * loss(features, features, upper)
        if self.pairs == "cross_modal":
            return self.loss_weight * loss(features, other, None)
        return self.loss_weight * (loss(features, features, upper) + loss(other, other, upper)) / 2
