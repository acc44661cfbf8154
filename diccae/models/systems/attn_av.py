"""Attn AV: two trained models whose outputs a gate combines (Fayek and Kumar, IJCAI 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.functional.gating import gated_logits
from diccae.functional.precision import wide
from diccae.models.late_fusion import LateFusion
from diccae.models.taken_weights import take_weights


@MODELS.register_module()
class AttnAV(LateFusion):
    """A model of audio and one of video, combined by y = a y_A + (1 - a) y_V; in one modality, that
    model alone.

    The gate starts at a = 1/2, the average of the two models.

    Deviation: we hold only the abstract, which says that an attention mechanism combines the
    outputs of the individual models dynamically; the form of the gate is our interpretation.

    Args:
        modalities, num_classes, **recogniser: see `Recogniser`. Its `init_cfg` is
            `dict(type='EncoderWeights', checkpoints={'audio': ..., 'video': ...})`, the weights of
            the two models; in one modality also as in `Recogniser`.
        gate: what it is computed from: the `features` of both models, their `outputs`
            (log-probabilities), or nothing (`constant`).
        per_class: a gate for each class instead of one for all.
        outputs: what it combines: `probabilities` or `logits`.
        train_models: whether the two models are trained further; if not, they stay as they are, in
            evaluation mode.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        gate: str = "features",
        per_class: bool = False,
        outputs: str = "probabilities",
        train_models: bool = False,
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        self.outputs = outputs
        self.gate: nn.Module | None = None
        self.frozen = False
        if len(self.modalities) == 2:
            sizes = {"features": sum(self.widths.values()), "outputs": 2 * num_classes}
            self.gate = Gate(sizes.get(gate, 0), num_classes if per_class else 1)
            self.reads_outputs = gate == "outputs"
            self.frozen = not train_models
            if self.frozen:
                self.encoders.requires_grad_(False)
                self.heads.requires_grad_(False)

    def train(self, mode: bool = True) -> AttnAV:
        """Set the training mode; models that stay as they are remain in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoders.eval()
        return self

    def gates(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b g"]:
        """The gate a (B, 1), or (B, C) where each class has its own, of concatenated features."""
        return torch.sigmoid(self._gate(fused, self.head_logits(fused)))

    def logits(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of the combination, of concatenated features (B, E)."""
        if self.gate is None:
            return super().logits(fused)
        heads = self.head_logits(fused)
        return gated_logits(heads["audio"], heads["video"], self._gate(fused, heads), self.outputs)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross entropy of the combination."""
        logits = self.logits(self.fuse(self.encode(inputs)))
        return {"loss_cls": self.cross_entropy(logits, data_samples)}

    def init_weights(self) -> None:
        """Take encoder and classifier of each modality from the model of that modality alone, or
        the encoder of one modality from pre-training.

        Raises:
            UserError: a checkpoint is missing or damaged.
            RuntimeError: it lacks a weight.
        """
        if "checkpoints" not in (self.init_cfg or {}):
            super().init_weights()
            return
        for name, path in self.init_cfg["checkpoints"].items():
            take_weights(self, Path(path), (f"encoders.{name}.", f"heads.{name}."))

    def _gate(
        self, fused: Float[Tensor, "b e"], heads: dict[str, Float[Tensor, "b c"]]
    ) -> Float[Tensor, "b g"]:
        assert self.gate is not None
        if not self.reads_outputs:
            return self.gate(fused)
        outputs = [F.log_softmax(wide(heads[name]), 1) for name in ("audio", "video")]
        return self.gate(torch.cat(outputs, dim=1))


class Gate(nn.Module):
    """A linear function that starts at 0; a constant if it has no input.

    Args:
        in_features: size of its input; 0 for a constant.
        out_features: G, number of gates.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_features, in_features)) if in_features else None
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, inputs: Float[Tensor, "b d"]) -> Float[Tensor, "b g"]:
        """(B, in_features) -> (B, G)."""
        if self.weight is None:
            return self.bias.expand(len(inputs), -1)
        return F.linear(inputs, self.weight, self.bias)
