"""Alignment of two modalities guided by their co-correlation, CGRA of AVCL (our interpretation)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from diccae.functional.arguments import check_choice
from diccae.functional.co_correlation import LEVELS, alignment_loss


class CoCorrelationLoss(nn.Module):
    """1 - cos between the features of each modality and their reconstruction from the other one.

    Deviation: the paper's abstract names the module and says that it aligns the modalities; the
    equations, see `diccae.functional.co_correlation`, are ours.

    Args:
        first_dim, second_dim: D and E, sizes of the features of both modalities. W starts as the
            identity, so that at first the affinity is the scaled product of the features.
        level: `locations` or `pooled`, see `alignment_loss`.
        loss_weight: factor of the loss.

    Raises:
        ArgumentError: an unknown level.
    """

    def __init__(
        self, first_dim: int, second_dim: int, level: str = "locations", loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_choice("level", level, LEVELS)
        self.level = level
        self.loss_weight = loss_weight
        self.weight = nn.Parameter(torch.eye(first_dim, second_dim))

    def forward(
        self, first: Float[Tensor, "b n d"], second: Float[Tensor, "b m e"]
    ) -> Float[Tensor, ""]:
        """The mean loss of a batch.

        Args:
            first: (B, N, D) features of a modality at its locations, before pooling.
            second: (B, M, E) those of the other one; row i of both belongs to the same clip.
        """
        return self.loss_weight * alignment_loss(first, second, self.weight, self.level)
