"""Fusion by attention over the modalities, AMFM of AVCL (our interpretation)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from diccae.functional.co_correlation import attention_fusion


class AttentionFusion(nn.Module):
    """f = sum_m a_m P_m f_m, where a is a softmax over the modalities.

    The score of a modality is u^T tanh(P_m f_m) with one vector u for all modalities. A single
    modality has weight 1 and no score.

    Deviation: the paper's abstract says that the module fuses by attention; the equations are ours.

    Args:
        widths: sizes of the features, by modality.
        embedding_dim: E, size of the fused feature.
    """

    def __init__(self, widths: Mapping[str, int], embedding_dim: int) -> None:
        super().__init__()
        self.projections = nn.ModuleDict(
            {name: nn.Linear(width, embedding_dim) for name, width in widths.items()}
        )
        # a bias would be the same for all modalities, which a softmax does not see
        self.score = nn.Linear(embedding_dim, 1, bias=False) if len(widths) > 1 else None

    def forward(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The fused feature (B, E) of the features (B, D) by modality."""
        projected = torch.stack([p(features[name]) for name, p in self.projections.items()], dim=1)
        if self.score is None:
            return projected[:, 0]
        return attention_fusion(projected, self.score(projected.tanh())[..., 0])


class ConcatenationFusion(nn.Module):
    """f = P [f_1, ..., f_M]: one linear map of the concatenated features.

    Args:
        widths: sizes of the features, by modality.
        embedding_dim: E, size of the fused feature.
    """

    def __init__(self, widths: Mapping[str, int], embedding_dim: int) -> None:
        super().__init__()
        self.names = tuple(widths)
        self.projection = nn.Linear(sum(widths.values()), embedding_dim)

    def forward(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The fused feature (B, E) of the features (B, D) by modality."""
        return self.projection(torch.cat([features[name] for name in self.names], dim=1))
