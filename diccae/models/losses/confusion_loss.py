"""The confusion loss (Eq. 1, Eq. 4) as a module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from diccae.functional import similarity as forms
from diccae.functional.arguments import (
    ArgumentError,
    check_batch_labels,
    check_choice,
    check_count,
)
from diccae.functional.contrastive import REDUCTIONS, weighted_confusion_loss
from diccae.functional.precision import wide, wide_rows, without_autocast
from diccae.models.losses.gather import gather_rows

SIMILARITIES = ("sigmoid_cosine", "half_cosine", "rbf", "mlp")
PAIRS = ("fused", "intra_modal", "cross_modal")
# similarities by cosine; the others look at all D differences of a pair
COSINES = ("sigmoid_cosine", "half_cosine")
# numbers that a block of rows may hold, 256 MB
BLOCK = 2**26


class ConfusionLoss(nn.Module):
    """Pulls features of one class together and pushes those of two classes apart (Eq. 1, Eq. 4).

    Each pair of features counts with the weight of its pair of classes.

    Half types (float16, bfloat16) are computed in float32, also under autocast, and so is the loss;
    gradients come back in the type of the features. With the reduction `sum` and thousands of clips
    the gradients of learned scalars exceed float16: keep the module in float32 there.

    Deviation: Eq. 1 needs F_p in (0, 1) and does not define it; the default is
    sigmoid(a cos(f_i, f_j) + b) with learned a and b, which start at 5 and -2.5. A pair of two
    classes pushes its cosine down with a F_p: with b = -a / 2, F_p is 1/2 halfway between
    orthogonal and equal features, so that at the start an orthogonal pair, which is not confused,
    has a gradient of 0.38, and an equal one of 4.6. With b = 0 they would be 2.5 and 5.0, and
    orthogonal classes would go on pushing each other.
    Deviation: Eq. 4 is a sum over pairs; the default reduction is `balanced`.

    Args:
        num_classes: C, the number of classes and the size of the weight matrix.
        similarity: `sigmoid_cosine`, `half_cosine`, `rbf` (learned scale) or `mlp` (a learned
            scorer of |f_i - f_j| and f_i f_j), see `diccae.functional.similarity`.
        pairs: `fused` (all i < j of one feature per clip), `intra_modal` (i < j within each of two
            modalities) or `cross_modal` (all i, j between them).
        reduction: `balanced`, `plain_mean` or `sum`, see `weighted_confusion_loss`.
        feature_dim: D, needed by `mlp` alone.
        scale, bias: a and b of `sigmoid_cosine` at the start.
        loss_weight: factor of the whole loss.
        gather: with several processes, take the pairs of the joint batch of all of them, see
            `gather_rows`; each process must hold as many clips.
        by_own_loss: weight pairs by their own loss too, see `own_loss_weights`.

    Raises:
        ArgumentError: no class, an unknown option, or `mlp` without `feature_dim`.
    """

    def __init__(
        self,
        num_classes: int,
        similarity: str = "sigmoid_cosine",
        pairs: str = "fused",
        reduction: str = "balanced",
        feature_dim: int | None = None,
        scale: float = 5.0,
        bias: float = -2.5,
        loss_weight: float = 1.0,
        gather: bool = True,
        by_own_loss: bool = False,
    ) -> None:
        super().__init__()
        check_count("num_classes", num_classes)
        check_choice("similarity", similarity, SIMILARITIES)
        check_choice("pairs", pairs, PAIRS)
        check_choice("reduction", reduction, REDUCTIONS)
        self.num_classes = num_classes
        self.similarity = similarity
        self.pairs = pairs
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.gather = gather
        self.by_own_loss = by_own_loss
        self.feature_dim = feature_dim
        if similarity == "sigmoid_cosine":
            self.scale = nn.Parameter(torch.tensor(float(scale)))
            self.bias = nn.Parameter(torch.tensor(float(bias)))
        elif similarity == "rbf":
            self.log_scale = nn.Parameter(torch.tensor(0.0))
        elif similarity == "mlp":
            if feature_dim is None:
                raise ArgumentError("feature_dim", "`mlp` needs the size of a feature, got None")
            self.scorer = nn.Sequential(nn.Linear(2 * feature_dim, 64), nn.ReLU(), nn.Linear(64, 1))

    @without_autocast
    def logits(
        self, first: Float[Tensor, "b d"], second: Float[Tensor, "b2 d"]
    ) -> Float[Tensor, "b b2"]:
        """Logits of F_p for every pair of rows: (B, D), (B', D) -> (B, B')."""
        if self.similarity == "sigmoid_cosine":
            return forms.sigmoid_cosine_logits(first, second, self.scale, self.bias)
        if self.similarity == "half_cosine":
            return forms.half_cosine_logits(first, second)
        if self.similarity == "rbf":
            scale = wide(self.log_scale).exp()
            return _by_rows(lambda a, b: forms.rbf_logits(a, b, scale), first, second)
        if first.shape[-1] != self.feature_dim:
            raise ArgumentError(
                "features",
                f"wanted width {self.feature_dim} as `feature_dim`, got {first.shape[-1]}",
            )
        parameters = {name: wide(value) for name, value in self.scorer.named_parameters()}

        def score(a: Tensor, b: Tensor) -> Tensor:
            pairs = forms.mlp_pair_features(a, b)
            return torch.func.functional_call(self.scorer, parameters, pairs)[..., 0]

        return _by_rows(score, first, second)

    @without_autocast
    def forward(
        self,
        features: Float[Tensor, "b d"],
        labels: Int[Tensor, "b"],
        weights: Float[Tensor, "c c"] | None = None,
        other: Float[Tensor, "b d"] | None = None,
    ) -> Float[Tensor, ""]:
        """The loss of a batch; with several processes, of the joint batch of all of them.

        Args:
            features: (B, D) fused features, or those of the first modality.
            labels: (B,) classes in [0, C), -1 for none.
            weights: (C, C) weights of Eq. 4, at least 0; None for 1. They are constants: no
                gradient flows through them.
            other: (B, D) features of the second modality, for `intra_modal` and `cross_modal`;
                without it, as in a run of one modality, the pairs of `features` are taken.

        Raises:
            ArgumentError: weights of another shape, labels that are no integers or outside of the
                classes, or `labels` or `other` of another number than the features.
        """
        wanted = (self.num_classes, self.num_classes)
        if weights is not None and weights.shape != wanted:
            raise ArgumentError("weights", f"wanted shape {wanted}, got {tuple(weights.shape)}")
        check_batch_labels("labels", labels, self.num_classes)
        for argument, rows in (("labels", labels), ("other", other)):
            if rows is not None and len(rows) != len(features):
                raise ArgumentError(
                    argument, f"wanted {len(features)} as in the features, got {len(rows)}"
                )
        widen = wide_rows if self.similarity in COSINES else wide
        features, other = widen(features), None if other is None else widen(other)
        if self.gather:
            features, labels = gather_rows(features), gather_rows(labels)
            other = None if other is None else gather_rows(other)
        upper = torch.ones(
            len(features), len(features), dtype=torch.bool, device=features.device
        ).triu(1)

        def loss(first: Tensor, second: Tensor, mask: Bool[Tensor, "b b"] | None) -> Tensor:
            return weighted_confusion_loss(
                self.logits(first, second),
                labels,
                labels,
                weights=weights,
                mask=mask,
                reduction=self.reduction,
                by_own_loss=self.by_own_loss,
            )

        if self.pairs == "fused" or other is None:
            return self.loss_weight * loss(features, features, upper)
        if self.pairs == "cross_modal":
            return self.loss_weight * loss(features, other, None)
        return self.loss_weight * (loss(features, features, upper) + loss(other, other, upper)) / 2


def _by_rows(function: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    """function(first, second), for large batches in blocks of rows of `first`.

    The memory of a whole table of differences grows with B^2 D. A block is computed again in the
    backward pass.
    """
    rows = max(1, BLOCK // max(1, len(second) * first.shape[-1]))
    if rows >= len(first):
        return function(first, second)
    blocks = [
        checkpoint(function, block, second, use_reentrant=False) for block in first.split(rows)
    ]
    return torch.cat(blocks)
