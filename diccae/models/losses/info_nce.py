"""InfoNCE between two modalities, or two views, of the same clips (Sec. 2.2)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from diccae.functional.arguments import check_choice, check_positive
from diccae.functional.contrastive import info_nce
from diccae.functional.precision import wide_rows
from diccae.models.losses.gather import gather_rows

CONTRASTS = ("cross_modal", "one_way", "intra_modal", "both")


class InfoNCELoss(nn.Module):
    """Each clip's first feature must find its own second feature among those of the batch.

    Half types (float16, bfloat16) are computed in float32, also under autocast, and so is the loss;
    gradients come back in the type of the features.

    Deviation: Sec. 2.2 contrasts features "within each modality" and calls the same layer
    cross-modal alignment; the default contrasts the two modalities.

    Args:
        temperature: divides the cosines, above 0.
        contrast: which features the model hands over: `cross_modal`, `one_way` (audio finds video
            only), `intra_modal` (two views of one modality) or `both`.
        loss_weight: factor of the loss.
        gather: with several processes, contrast the joint batch of all of them, see `gather_rows`;
            each process must hold as many clips.

    Raises:
        ArgumentError: an unknown contrast, or a temperature of 0 or below.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        contrast: str = "cross_modal",
        loss_weight: float = 1.0,
        gather: bool = True,
    ) -> None:
        super().__init__()
        check_choice("contrast", contrast, CONTRASTS)
        check_positive("temperature", temperature)
        self.temperature = temperature
        self.contrast = contrast
        self.loss_weight = loss_weight
        self.gather = gather

    def forward(
        self, first: Float[Tensor, "b d"], second: Float[Tensor, "b d"]
    ) -> Float[Tensor, ""]:
        """The loss of a batch; with several processes, of the joint batch of all of them.

        Args:
            first, second: (B, D) features; row i of both belongs to the same clip.
        """
        first, second = wide_rows(first), wide_rows(second)
        if self.gather:
            first, second = gather_rows(first), gather_rows(second)
        return self.loss_weight * info_nce(
            first, second, self.temperature, one_way=self.contrast == "one_way"
        )
