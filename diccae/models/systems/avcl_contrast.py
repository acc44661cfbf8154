"""Contrast of two views of a clip, SelfCL of AVCL (our interpretation)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from diccae.models.losses.info_nce import InfoNCELoss


class TwoViewContrast(nn.Module):
    """InfoNCE between the fused features of two views; the negatives are the other clips.

    Deviation: the paper's abstract says that the module contrasts unlabelled videos; what it
    contrasts and how is ours.

    Args:
        embedding_dim: E, size of the fused feature.
        temperature: divides the cosines, above 0.
        head: whether an MLP of the fused feature is contrasted, and not the feature itself.
        loss_weight: factor of the loss.
    """

    def __init__(
        self,
        embedding_dim: int,
        temperature: float = 0.07,
        head: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.head = (
            nn.Sequential(
                nn.Linear(embedding_dim, embedding_dim),
                nn.ReLU(inplace=True),
                nn.Linear(embedding_dim, embedding_dim),
            )
            if head
            else nn.Identity()
        )
        self.info_nce = InfoNCELoss(temperature, contrast="intra_modal", loss_weight=loss_weight)

    def forward(
        self, first: Float[Tensor, "b e"], second: Float[Tensor, "b e"]
    ) -> Float[Tensor, ""]:
        """The loss of a batch; with several processes, of the joint batch of all of them.

        Args:
            first, second: (B, E) fused features; row i of both belongs to the same clip.
        """
        return self.info_nce(self.head(first), self.head(second))
