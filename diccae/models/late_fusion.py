"""Networks whose encoders have a linear classifier each, and which fuse nothing but features."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from diccae.models.recogniser import Recogniser


class LateFusion(Recogniser):
    """Base of networks with one classifier a modality; in one modality it is a plain network of one
    encoder and one linear classifier.

    The fused feature is the concatenation of the features.

    Args:
        modalities, num_classes, **recogniser: see `Recogniser`.
        heads: modalities with a classifier of their own.
    """

    separate_encoders = True

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        heads: tuple[str, ...] | None = None,
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        names = self.modalities if heads is None else heads
        self.heads = nn.ModuleDict(
            {name: nn.Linear(self.widths[name], num_classes) for name in names}
        )

    def fuse(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The concatenated features (B, E)."""
        return torch.cat([features[name] for name in self.modalities], dim=1)

    def head_logits(self, fused: Float[Tensor, "b e"]) -> dict[str, Float[Tensor, "b c"]]:
        """Logits (B, C) of each modality that has a classifier, of concatenated features (B, E)."""
        parts = fused.split([self.widths[name] for name in self.modalities], dim=1)
        features = dict(zip(self.modalities, parts, strict=True))
        return {name: head(features[name]) for name, head in self.heads.items()}

    def logits(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of the only classifier."""
        (logits,) = self.head_logits(fused).values()
        return logits
