"""The supervised contrastive loss of Khosla et al. (2020) as a module."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from diccae.functional.arguments import check_positive
from diccae.functional.precision import wide_rows
from diccae.functional.supervised_contrast import supervised_contrast
from diccae.models.losses.gather import gather_rows


class SupConLoss(nn.Module):
    """Each clip must find the clips of its class among those of the batch: an opponent of the
    confusion loss, see `supervised_contrast`.

    Half types (float16, bfloat16) are computed in float32, also under autocast, and so is the loss;
    gradients come back in the type of the features.

    Args:
        temperature: divides the cosines, above 0.
        loss_weight: factor of the loss.
        gather: with several processes, contrast the joint batch of all of them, see `gather_rows`;
            each process must hold as many clips.

    Raises:
        ArgumentError: a temperature of 0 or below.
    """

    def __init__(
        self, temperature: float = 0.1, loss_weight: float = 1.0, gather: bool = True
    ) -> None:
        super().__init__()
        check_positive("temperature", temperature)
        self.temperature = temperature
        self.loss_weight = loss_weight
        self.gather = gather

    def forward(
        self, features: Float[Tensor, "b d"], labels: Int[Tensor, "b"]
    ) -> Float[Tensor, ""]:
        """The loss of a batch; with several processes, of the joint batch of all of them.

        Args:
            features: (B, D) fused features.
            labels: (B,) classes, -1 for none.
        """
        features = wide_rows(features)
        if self.gather:
            features, labels = gather_rows(features), gather_rows(labels)
        return self.loss_weight * supervised_contrast(features, labels, self.temperature)
