"""AudiovisualMAE's pre-training: masked autoencoders of both modalities with one decoder."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.functional.masking import (
    Masks,
    masked_mse,
    random_masks,
    take_visible,
    with_mask_tokens,
)
from diccae.models.recogniser import Recogniser
from diccae.models.tokens import TokenEncoder, init_xavier, sinusoids


@MODELS.register_module()
class AudiovisualMAE(Recogniser):
    """Each modality's encoder sees the visible tokens of its input, and one decoder reconstructs
    the masked ones, modality by modality (Georgescu et al., without inpainting).

    L = mean over modalities of the mean squared error over the values of the masked patches. The
    targets are the inputs as the preprocessor normalises them, not scaled patch by patch.

    Deviation: as in all pre-training here, SpecAugment acts on the spectrograms, and so on their
    targets; the released configuration has it in fine-tuning alone.

    Args:
        modalities: those that are reconstructed.
        num_classes: C, which nothing reads.
        audio_masked, video_masked: share of the tokens of a clip that is masked.
        decoder: `width`, `depth` and `heads` of the decoder.
        **recogniser: see `Recogniser`; the encoders are `TokenEncoder`s.

    Raises:
        UserError: of the tokens of a modality none would be masked.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        audio_masked: float,
        video_masked: float,
        decoder: dict[str, int],
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        ratios = {"audio": audio_masked, "video": video_masked}
        self.masked: dict[str, int] = {}
        for name in self.modalities:
            self.masked[name] = masked_count(name, self._encoder(name).num_tokens, ratios[name])
        encoders = {name: self._encoder(name) for name in self.modalities}
        self.decoder = SharedDecoder(encoders, **decoder)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """The share of each modality in L, `loss_audio` and `loss_video`; masks are drawn from
        torch's global generator, audio first."""
        losses = {}
        for name in self.modalities:
            value = inputs["video"].flatten(0, 1) if name == "video" else inputs[name]
            encoder = self._encoder(name)
            masks = random_masks(
                len(value),
                encoder.num_tokens,
                encoder.num_tokens - self.masked[name],
                device=value.device,
            )
            error = masked_mse(
                self.reconstruct(name, value, masks), encoder.patches(value), masks.masked
            )
            losses[f"loss_{name}"] = error / len(self.modalities)
        return losses

    def fuse(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The features (B, D) of the modalities side by side, for embeddings."""
        return torch.cat([features[name] for name in self.modalities], dim=1)

    def reconstruct(
        self, name: str, inputs: Float[Tensor, "b c h w"], masks: Masks
    ) -> Float[Tensor, "b n p"]:
        """The values (B, N, P) that the decoder predicts of all patches of inputs of the modality
        `name`, from the visible ones."""
        encoder = self._encoder(name)
        tokens = take_visible(encoder.embed(inputs), masks)
        for block in encoder.blocks:
            tokens = block(tokens)
        return self.decoder(name, encoder.norm(tokens), masks)

    def _encoder(self, name: str) -> TokenEncoder:
        encoder: Any = self.encoders[name]
        return encoder


class SharedDecoder(nn.Module):
    """Transformer blocks that both modalities share, each on its own; mask token, projection into
    the decoder and output layer are those of the modality.

    As in the released code, mask tokens and output layers start at 0 and the projections are
    Xavier-uniform.

    Args:
        encoders: by modality.
        width, depth, heads: of the blocks; their MLP has 4 times the width.
    """

    def __init__(
        self, encoders: dict[str, TokenEncoder], width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        of_encoder: Any = next(iter(encoders.values())).norm
        norm = partial(nn.LayerNorm, eps=of_encoder.eps)
        self.blocks = nn.ModuleList(
            Block(width, heads, 4.0, qkv_bias=True, norm_layer=norm) for _ in range(depth)
        )
        self.norm = norm(width)
        self.apply(init_xavier)
        self.mask_tokens = nn.ParameterDict()
        self.projections, self.outputs = nn.ModuleDict(), nn.ModuleDict()
        for name, encoder in encoders.items():
            projection, output = (
                nn.Linear(encoder.width, width),
                nn.Linear(width, encoder.patch_values),
            )
            nn.init.xavier_uniform_(projection.weight)
            for start in (projection.bias, output.weight, output.bias):
                nn.init.zeros_(start)
            self.projections[name], self.outputs[name] = projection, output
            self.mask_tokens[name] = nn.Parameter(torch.zeros(width))
            positions = sinusoids(encoder.num_tokens, width)
            self.register_buffer(f"{name}_positions", positions, persistent=False)

    def forward(
        self, name: str, visible: Float[Tensor, "b k d"], masks: Masks
    ) -> Float[Tensor, "b n p"]:
        """Encoded visible tokens (B, K, D) of the modality `name` -> the values (B, N, P) of all
        its patches."""
        tokens = with_mask_tokens(self.projections[name](visible), self.mask_tokens[name], masks)
        tokens = tokens + self.get_buffer(f"{name}_positions")
        for block in self.blocks:
            tokens = block(tokens)
        return self.outputs[name](self.norm(tokens))


def masked_count(name: str, tokens: int, ratio: float) -> int:
    """How many of the tokens of a clip are masked: their share `ratio`, rounded down, as in the
    released code.

    Raises:
        UserError: that is none.
    """
    # 0.29 * 100 is a little less than 29
    masked = math.floor(tokens * ratio + 1e-6)
    if not masked:
        raise UserError(
            f"method.{name}_masked {ratio:g} masks none of the {tokens} tokens of a clip; choose "
            f"1/{tokens} or more"
        )
    return masked
