"""InfoNCE between two modalities, or two views, of the same clips (Sec. 2.2)."""

from __future__ import annotations

from mmaction.registry import MODELS
from torch import Tensor, nn

from diccae.functional.contrastive import info_nce
from diccae.models.losses.gather import gather_rows

CONTRASTS = ("cross_modal", "one_way", "intra_modal", "both")


@MODELS.register_module()
class InfoNCELoss(nn.Module):
    """Each clip's first feature must find its own second feature among those of the batch.

    Args:
        temperature: divides the cosines.
        contrast: which features the model hands over: `cross_modal`, `one_way` (audio finds video only), `intra_modal`
            (two views of one modality) or `both`.
        loss_weight: factor of the loss.
        gather: with several processes, contrast the joint batch of all of them, see `gather_rows`; each must hold as many clips.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        contrast: str = "cross_modal",
        loss_weight: float = 1.0,
        gather: bool = True,
    ) -> None:
        super().__init__()
        if contrast not in CONTRASTS:
            raise ValueError(f"contrast: wanted one of {', '.join(CONTRASTS)}, got {contrast!r}")
        self.temperature, self.contrast, self.loss_weight, self.gather = (
            temperature,
            contrast,
            loss_weight,
            gather,
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, D), (B, D) -> scalar; with several processes, the loss of the joint batch."""
        if self.gather:
            first, second = gather_rows(first), gather_rows(second)
        return self.loss_weight * info_nce(
            first, second, self.temperature, one_way=self.contrast == "one_way"
        )
