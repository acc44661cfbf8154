"""The decoder of CAV-MAE: one transformer on the tokens of both modalities."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Float
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.functional.masking import Masks, with_mask_tokens
from diccae.models.tokens import TokenEncoder, grid_sinusoids


class JointDecoder(nn.Module):
    """Predicts the values of all patches from the visible tokens of all modalities.

    Args:
        encoders: the token encoders by modality, which say how many tokens and values there are.
        width: of a token in the decoder.
        depth: number of blocks.
        heads: of the attention; they divide `width`.
        eps: of the LayerNorms.

    Raises:
        UserError: heads or positions do not fit the width.
    """

    def __init__(
        self, encoders: Mapping[str, TokenEncoder], width: int, depth: int, heads: int, eps: float
    ) -> None:
        super().__init__()
        if width % heads:
            raise UserError(
                f"method.decoder_heads: {heads} heads do not divide method.decoder_width {width}; "
                "choose a divisor"
            )
        norm = partial(nn.LayerNorm, eps=eps)
        self.embed = nn.Linear(next(iter(encoders.values())).width, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.vectors = nn.ParameterDict({name: torch.empty(width) for name in encoders})
        self.positions = nn.ParameterDict(
            {
                name: nn.Parameter(_positions(encoder, width), requires_grad=False)
                for name, encoder in encoders.items()
            }
        )
        self.blocks = nn.ModuleList(
            Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth)
        )
        self.norm = norm(width)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width, encoder.patch_values) for name, encoder in encoders.items()}
        )
        for vector in (self.mask_token, *self.vectors.values()):
            nn.init.normal_(vector, std=0.02)

    def forward(
        self, visible: Float[Tensor, "b k d"], masks: dict[str, Masks]
    ) -> dict[str, Float[Tensor, "b _ _"]]:
        """Predicted values (B, N, P) of the patches of each modality.

        Args:
            visible: (B, K, D) the visible tokens, one modality after the other.
            masks: by modality, in the same order.
        """
        parts = self.embed(visible).split([mask.keep.shape[1] for mask in masks.values()], dim=1)
        whole = [
            with_mask_tokens(part, self.mask_token, mask)
            + self.positions[name]
            + self.vectors[name]
            for part, (name, mask) in zip(parts, masks.items(), strict=True)
        ]
        tokens = torch.cat(whole, dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        parts = self.norm(tokens).split([part.shape[1] for part in whole], dim=1)
        return {name: self.heads[name](part) for name, part in zip(masks, parts, strict=True)}


def _positions(encoder: TokenEncoder, width: int) -> Float[Tensor, "n d"]:
    try:
        return grid_sinusoids(encoder.grid, width)
    except ValueError as error:
        raise UserError(f"method.decoder_width: {error}") from None
