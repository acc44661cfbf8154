"""CAV-MAE in pre-training and in fine-tuning."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.functional.arguments import ArgumentError
from diccae.functional.masking import (
    Masks,
    masked_mse,
    normalised_patches,
    random_masks,
    visible_count,
)
from diccae.models.cav_mae_network import EPS, CavMaeNetwork
from diccae.models.joint_decoder import JointDecoder

JOINT = "joint"


@MODELS.register_module()
class CavMae(CavMaeNetwork):
    """CAV-MAE in fine-tuning: a linear classifier on the mean of all tokens.

    The tokens of one modality alone go through the joint blocks with the norms of this modality,
    those of both with the joint norms.

    Deviation: where a modality is withheld from a network of both, the released code averages a
    joint pass and a pass of the other modality; here the input is replaced, as for every system.

    Args:
        modalities, num_classes, **network: see `CavMaeNetwork`.
    """

    def __init__(self, modalities: tuple[str, ...], num_classes: int, **network: Any) -> None:
        self.which = modalities[0] if len(modalities) == 1 else JOINT
        super().__init__(
            modalities, num_classes, passes=(self.which,), train_positions=True, **network
        )
        width = next(iter(self.widths.values()))
        self.head = nn.Sequential(nn.LayerNorm(width, eps=EPS), nn.Linear(width, num_classes))
        self.draw_weights()

    def encode_views(
        self, inputs: dict[str, Float[Tensor, "b ..."]]
    ) -> dict[str, Float[Tensor, "b _ _"]]:
        """The mean token of each modality and view, (B, V, D), after the joint blocks; with both
        modalities it depends on both inputs, and audio too has V views."""
        own = {}
        for name in self.modalities:
            value = inputs[name] if name == "video" else inputs[name][:, None]
            own[name] = self.own_tokens(name, value.flatten(0, 1)).unflatten(0, value.shape[:2])
        batch, views = next(reversed(own.values())).shape[:2]
        tokens = [value.expand(-1, views, -1, -1).flatten(0, 1) for value in own.values()]
        joint = self.joint_tokens(torch.cat(tokens, dim=1), self.which)
        parts = joint.split([part.shape[1] for part in tokens], dim=1)
        return {
            name: part.mean(1).unflatten(0, (batch, views))
            for name, part in zip(own, parts, strict=True)
        }

    def fuse(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The mean of all tokens (B, D), from the mean of those of each modality."""
        total = sum(encoder.num_tokens for encoder in self.token_encoders.values())
        parts = [
            features[name] * (encoder.num_tokens / total)
            for name, encoder in self.token_encoders.items()
        ]
        return torch.stack(parts).sum(0)

    def logits(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of fused features (B, D)."""
        return self.head(fused)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross entropy."""
        logits = self.logits(self.fuse(self.encode(inputs)))
        return {"loss_cls": self.cross_entropy(logits, data_samples)}


@MODELS.register_module()
class CavMaePretraining(CavMaeNetwork):
    """CAV-MAE in pre-training: reconstruction of masked patches, and a contrast of clips.

    L = w_r (L_a + L_v) + w_c L_c, with the mean squared errors L_a and L_v over the masked patches
    of audio and video, both decoded from the joint pass, and the InfoNCE L_c between the mean
    *visible* tokens of the two passes of one modality, in one direction: each video looks for its
    audio.

    Deviation: the released code contrasts the clips of each GPU among themselves; here `gather` of
    the contrast joins those of all processes.

    Args:
        modalities, num_classes, **network: see `CavMaeNetwork`.
        mask_ratio: share of the tokens of each modality that is masked.
        norm_pixels: whether the values of each patch are normalised in the target.
        reconstruction_weight: w_r; with 0 there is no decoder.
        decoder: `width`, `depth` and `heads` of the decoder.
        contrast: the registered InfoNCE loss, which holds w_c; None for none.

    A pass that no loss uses keeps its norms, for fine-tuning; they are not trained.

    Raises:
        UserError: the share of masked tokens leaves none visible, or the decoder does not fit.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        mask_ratio: float,
        norm_pixels: bool,
        reconstruction_weight: float,
        decoder: dict[str, int],
        contrast: dict[str, Any] | None,
        **network: Any,
    ) -> None:
        super().__init__(
            modalities,
            num_classes,
            passes=(*modalities, JOINT),
            train_positions=False,
            **network,
        )
        self.norm_pixels, self.reconstruction_weight = norm_pixels, reconstruction_weight
        try:
            self.visible = {
                name: visible_count(encoder.num_tokens, mask_ratio)
                for name, encoder in self.token_encoders.items()
            }
        except ArgumentError as error:
            raise UserError(f"method.mask_ratio: {error.message}") from None
        self.contrast = MODELS.build(contrast) if contrast else None
        self.decoder = (
            JointDecoder(self.token_encoders, **decoder, eps=EPS) if reconstruction_weight else None
        )
        self.draw_weights()
        unused = () if self.contrast else self.modalities
        unused += () if self.decoder else (JOINT,)
        for name, parameter in self.named_parameters():
            if name.startswith(("joint.", "norms.")) and name.split(".")[-2] in unused:
                parameter.requires_grad_(False)

    def draw_masks(self, batch: int) -> dict[str, Masks]:
        """Masks of a batch, from torch's global generator."""
        device = next(iter(self.vectors.values())).device
        return {
            name: random_masks(batch, self.token_encoders[name].num_tokens, visible, device=device)
            for name, visible in self.visible.items()
        }

    def loss(
        self,
        inputs: dict[str, Float[Tensor, "b ..."]],
        data_samples: list[ActionDataSample],
        masks: dict[str, Masks] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The losses that the run uses; `masks` by modality, None to draw them."""
        views = {"audio": inputs["audio"], "video": inputs["video"][:, 0]}
        masks = masks or self.draw_masks(len(views["audio"]))
        own = {name: self.own_tokens(name, views[name], masks[name]) for name in self.modalities}
        losses = {}
        if self.decoder is not None:
            joint = self.joint_tokens(torch.cat(list(own.values()), dim=1), JOINT)
            for name, predicted in self.decoder(joint, masks).items():
                target = self.token_encoders[name].patches(views[name])
                if self.norm_pixels:
                    target = normalised_patches(target)
                error = masked_mse(predicted, target, masks[name].masked)
                losses[f"loss_reconstruction_{name}"] = self.reconstruction_weight * error
        if self.contrast is not None:
            means = {name: self.joint_tokens(own[name], name).mean(1) for name in own}
            losses["loss_contrast"] = self.contrast(means["video"], means["audio"])
        return losses
