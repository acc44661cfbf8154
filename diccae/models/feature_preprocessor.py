"""Normalisation and augmentation of batches of stored features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn import functional as F

from diccae.stored_file import read_json


@MODELS.register_module()
class FeaturePreprocessor(BaseDataPreprocessor):
    """Stack a batch of features and normalise each of their values over the training clips.

    There are no pixels or spectrograms left to crop, mirror or mask: training augments by noise,
    then dropout of the normalised values, or not at all.

    Args:
        cache_meta: `meta.json` of the stored features, which has the mean and standard deviation
            of each value.
        dropout: share of the values of a clip that are set to 0; the others are scaled up.
        noise: standard deviation of Gaussian noise.
        two_views: in training, add `second_audio` and `second_video` with other noise and dropout
            for the contrast within a modality.
        non_blocking: accepted as by `AVPreprocessor`; a batch is copied as one tensor.
    """

    def __init__(
        self,
        cache_meta: str,
        dropout: float = 0.0,
        noise: float = 0.0,
        two_views: bool = False,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        self.dropout, self.noise, self.two_views = dropout, noise, two_views
        meta = read_json(Path(cache_meta), "run `diccae data features` first")
        for name, stored in meta["features"].items():
            for part in ("mean", "std"):
                values = torch.tensor(stored[part], dtype=torch.float32)
                self.register_buffer(f"{name}_{part}", values, persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Move a batch to the device, stack and normalise it.

        Args:
            data: `inputs` with lists `audio`, each float16 (S, P, D), and `video`, each float16
                (V, S, P, D) with V views of S steps and P vectors a step; and `data_samples`.
            training: whether to augment.

        Returns:
            `inputs` with `audio`, float32 (B, 1, S P, D), and `video`, float32 (B, V, 1, S P, D);
            and the same `data_samples`.
        """
        inputs = {}
        for name, clips in data["inputs"].items():
            stacked = torch.stack(clips).to(self.device).float()
            values = (stacked - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_std")
            values = values.flatten(-3, -2).unsqueeze(-3)
            if training and self.two_views:
                inputs[f"second_{name}"] = self._augmented(values)
            inputs[name] = self._augmented(values) if training else values
        return {"inputs": inputs, "data_samples": data.get("data_samples")}

    def _augmented(self, values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        if self.noise:
            values = values + self.noise * torch.randn_like(values)
        return F.dropout(values, self.dropout) if self.dropout else values
