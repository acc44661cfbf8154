"""Gradient-Blending: one network with a loss for each modality and a joint one (Wang, Tran and
Feiszli, CVPR 2020)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.errors import UserError
from diccae.functional.blending import Blend, blend_weights
from diccae.functional.precision import wide
from diccae.models.late_fusion import LateFusion
from diccae.stored_file import MAKE_AGAIN, read_json

JOINT = "joint"
# of blend.json, and of history.csv with the name of a classifier behind
COLUMNS = ("weight", "overfitting", "generalisation", "rule")


@MODELS.register_module()
class GBlend(LateFusion):
    """Encoders of audio and video with a linear classifier each, and a joint classifier of three
    layers over the concatenated features, as in the released code; L = sum_k w_k L_k.

    Args:
        modalities, num_classes, **recogniser: see `Recogniser`.
        heads: the classifiers, of `audio`, `video` and `joint`.
        inference: what is scored where there is a joint classifier: its output, as in the released
            code, or the probabilities of all classifiers, averaged with the weights of the losses
            (`blend`).
        weights_file: JSON file with the weights, see `blend_file`; by default all are equal.
    """

    loss_weights: Float[Tensor, "k"]
    blend: Float[Tensor, "3 k"]

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        heads: tuple[str, ...],
        inference: str = JOINT,
        weights_file: str | None = None,
        **recogniser: Any,
    ) -> None:
        own = tuple(name for name in heads if name != JOINT)
        super().__init__(modalities, num_classes, heads=own, **recogniser)
        self.names, self.weights_file = tuple(heads), weights_file
        self.averages = inference == "blend" or JOINT not in heads
        if JOINT in heads:
            width = sum(self.widths.values())
            self.joint = nn.Sequential(
                nn.Linear(width, width // 2),
                nn.ReLU(inplace=True),
                nn.Linear(width // 2, width // 2),
                nn.ReLU(inplace=True),
                nn.Linear(width // 2, num_classes),
            )
        # buffers, so that they are part of checkpoints
        self.register_buffer("loss_weights", torch.full((len(heads),), 1 / len(heads)))
        # dO, dG and rule of each loss; NaN before the first estimate
        self.register_buffer("blend", torch.full((3, len(heads)), math.nan))

    def set_blend(self, blend: Blend) -> None:
        """Take the weights of the losses, in the order of the heads."""
        self.loss_weights.copy_(blend.weights)
        self.blend.copy_(torch.stack([blend.overfitting, blend.generalisation, blend.rules]))

    def all_logits(self, fused: Float[Tensor, "b e"]) -> dict[str, Float[Tensor, "b c"]]:
        """Logits (B, C) of every classifier, of concatenated features (B, E)."""
        logits = self.head_logits(fused)
        if JOINT in self.names:
            logits[JOINT] = self.joint(fused)
        return {name: logits[name] for name in self.names}

    def logits(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """The logits (B, C) that are scored, of concatenated features (B, E)."""
        if not self.averages:
            return self.joint(fused)
        every = list(self.all_logits(fused).values())
        if len(every) == 1:
            return every[0]
        scores = torch.stack([F.log_softmax(wide(logits), dim=1) for logits in every])
        return torch.logsumexp(scores + self.loss_weights.log()[:, None, None], dim=0)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted cross entropy w_k L_k of each classifier."""
        every = self.all_logits(self.fuse(self.encode(inputs)))
        return {
            f"loss_{name}": weight * self.cross_entropy(logits, data_samples)
            for weight, (name, logits) in zip(self.loss_weights, every.items(), strict=True)
        }

    def history(self) -> dict[str, float]:
        """Weight of each loss; after an estimate also its dO, dG and rule, see `Blend`."""
        if len(self.names) == 1:
            return {}
        known = 1 if self.blend.isnan().any() else len(COLUMNS)
        columns = dict(zip(COLUMNS[:known], (self.loss_weights, *self.blend), strict=False))
        return {
            f"{column}_{name}": float(value)
            for column, values in columns.items()
            for name, value in zip(self.names, values, strict=True)
        }

    def init_weights(self) -> None:
        """Take the weights of the losses from `weights_file`, if there is one.

        Raises:
            UserError: the file is missing, damaged, or lacks a classifier.
        """
        super().init_weights()
        if self.weights_file is not None:
            self.set_blend(blend_of_file(Path(self.weights_file), self.names))


def blend_file(blend: Blend, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Content of blend.json: the `COLUMNS` of each classifier, by its name."""
    table = (blend.weights, blend.overfitting, blend.generalisation, blend.rules)
    return {
        name: {column: values[k].item() for column, values in zip(COLUMNS, table, strict=True)}
        for k, name in enumerate(names)
    }


def blend_of_file(path: Path, names: tuple[str, ...]) -> Blend:
    """The content of blend.json, for the classifiers of these names.

    Raises:
        UserError: the file is missing, damaged, or lacks a classifier or a number.
    """
    content = read_json(path, MAKE_AGAIN)
    try:
        rows = [[float(content[name][column]) for name in names] for column in COLUMNS]
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: wanted {', '.join(COLUMNS)} of each of {', '.join(names)}, found "
            f"{', '.join(content) or 'nothing'}; {MAKE_AGAIN}"
        ) from None
    weights, overfitting, generalisation, rules = torch.tensor(rows, dtype=torch.float64)
    return Blend(weights, overfitting, generalisation, rules.long())


@MODELS.register_module()
class GBlendCopies(GBlend):
    """What the weights are estimated with: the naive joint network, with the joint classifier
    alone, and beside it a network of each modality alone; they share no weight.

    Their losses have no weight in common, so one optimiser trains them as three would.

    Args:
        modalities, num_classes, **recogniser: see `Recogniser`.
        audio_encoder, video_encoder, compile_encoders: see `Recogniser`; of all copies.
        least_overfitting: see `blend_weights`.
    """

    losses: Float[Tensor, "2 k 2"]

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        audio_encoder: dict[str, Any],
        video_encoder: dict[str, Any],
        least_overfitting: float,
        compile_encoders: bool = False,
        **recogniser: Any,
    ) -> None:
        shared: dict[str, Any] = dict(
            num_classes=num_classes,
            audio_encoder=audio_encoder,
            video_encoder=video_encoder,
            compile_encoders=compile_encoders,
        )
        super().__init__(modalities, heads=(JOINT,), **shared, **recogniser)
        self.alone = nn.ModuleDict(
            {name: GBlend((name,), heads=(name,), **shared) for name in self.modalities}
        )
        self.copies, self.least_overfitting = (*self.modalities, JOINT), least_overfitting
        # training and held-out loss of each copy before and after training; NaN if not measured
        self.register_buffer("losses", torch.full((2, len(self.copies), 2), math.nan))

    def counterpart(self, name: str) -> str:
        """Name, in a network with all classifiers, of a parameter or buffer of this one."""
        parts = name.split(".", 2)
        return parts[2] if parts[0] == "alone" else name

    def start_from(self, state: dict[str, Tensor]) -> None:
        """Take weights and statistics from a network with the same encoders, of all that have a
        counterpart there."""
        own = {name: self.counterpart(name) for name in self.state_dict()}
        kept = ("loss_weights", "blend", "losses")
        chosen = {
            name: state[other]
            for name, other in own.items()
            if other in state and not other.startswith(kept)
        }
        self.load_state_dict(chosen, strict=False)

    def init_weights(self) -> None:
        """Start the copies of each modality from the encoders of the joint network, which may be
        those of another run."""
        super().init_weights()
        self.start_from(self.state_dict())

    def logits_of_copies(self, inputs: dict[str, Float[Tensor, "b ..."]]) -> Float[Tensor, "b _"]:
        """Logits (B, K C) of the K copies, side by side."""
        every = [copy({name: inputs[name]}) for name, copy in self.alone.items()]
        return torch.cat([*every, self(inputs)], dim=1)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """The cross entropy of each copy."""
        losses = super().loss(inputs, data_samples)
        for name, copy in self.alone.items():
            losses |= copy({name: inputs[name]}, data_samples, mode="loss")
        return losses

    def estimate(self) -> Blend | None:
        """The weights of the losses, in the order of `copies`; None before both measurements."""
        if self.losses.isnan().any():
            return None
        start, end = self.losses.cpu()
        return blend_weights(start, end, self.least_overfitting)

    def history(self) -> dict[str, float]:
        """Weight, dO, dG and rule of each copy, once they are estimated, see `Blend`."""
        blend = self.estimate()
        rows = {} if blend is None else blend_file(blend, self.copies)
        return {
            f"{column}_{name}": value for name, row in rows.items() for column, value in row.items()
        }
