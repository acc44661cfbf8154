"""InfoNCE between two modalities, or two views, of the same clips (Sec. 2.2)."""

from __future__ import annotations

from mmaction.registry import MODELS
from torch import Tensor, nn

from diccae.functional.contrastive import info_nce
from diccae.models.losses.gather import gather_rows


@MODELS.register_module()
class InfoNCELoss(nn.Module):
    """Each clip's first feature must find its own second feature among those of the batch.

    Args:
        temperature: divides the cosines.
        contrast: which features the model hands over: `cross_modal`, `one_way` (audio finds video only), `intra_modal` (two views of one modality) or `both`.
        loss_weight: factor of the loss.
    """

    def __init__(self, temperature: float = 0.07, contrast: str = "cross_modal", loss_weight: float = 1.0) -> None:
        super().__init__()
        self.temperature, self.contrast, self.loss_weight = temperature, contrast, loss_weight

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, D), (B, D) -> scalar; with several processes, the loss of the joint batch."""
        return self.loss_weight * info_nce(gather_rows(first), gather_rows(second), self.temperature, one_way=self.contrast == "one_way")
