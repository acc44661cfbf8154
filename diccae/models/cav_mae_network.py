"""The encoder of CAV-MAE (Gong et al., "Contrastive Audio-Visual Masked Autoencoder", ICLR 2023),
which its pre-training and its fine-tuning share."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.functional.masking import Masks, take_visible
from diccae.models.joint_blocks import JointBlock
from diccae.models.recogniser import Recogniser
from diccae.models.released_cav_mae import load_released
from diccae.models.tokens import TokenEncoder, grid_sinusoids

EPS = 1e-5


class CavMaeNetwork(Recogniser):
    """The encoder of CAV-MAE: blocks for each modality, then joint blocks, which run on the tokens
    of a modality or of both. Each of these passes has norms of its own.

    Deviation: with more than one joint block, each pass runs through all of them in turn. In the
    released code the two passes of a single modality start each block from the same tokens, so that
    only the last block acts.

    Args:
        modalities, num_classes: see `Recogniser`.
        passes: those that the run has: `audio`, `video` (the joint blocks on the tokens of one
            modality), `joint` (on both).
        joint_depth: number of joint blocks.
        train_positions: whether the positions, which start as sines and cosines, are trained.
        released_weights: a checkpoint of the released code to start from; None for random weights,
            or those of `init_cfg`.
        compile_encoders: compile encoders and joint blocks with torch.compile.
        **recogniser: see `Recogniser`. The encoders hold the blocks of the modalities; both have
            tokens of one width.

    Raises:
        UserError: the widths differ, or the positions do not fit them.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        passes: tuple[str, ...],
        joint_depth: int,
        train_positions: bool,
        released_weights: str | None = None,
        compile_encoders: bool = False,
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, compile_encoders=compile_encoders, **recogniser)
        if len(set(self.widths.values())) > 1:
            raise UserError(
                "CAV-MAE: wanted audio and video tokens of one width, which joint blocks share, "
                f"got {self.widths}; change tokens.py of configs/base"
            )
        width = next(iter(self.widths.values()))
        first = cast(Any, next(iter(self.token_encoders.values())).blocks[0])
        heads, ratio = first.attn.num_heads, first.mlp.fc1.out_features / width
        self.joint = nn.ModuleList(
            JointBlock(passes, width, heads, ratio, EPS) for _ in range(joint_depth)
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width, eps=EPS) for name in passes})
        self.vectors = nn.ParameterDict({name: torch.empty(width) for name in self.modalities})
        for name, encoder in self.token_encoders.items():
            # the norms after the last block are those of the passes
            encoder.norm = nn.Identity()
            encoder.positions.data.copy_(self._positions(name)[None])
            encoder.positions.requires_grad_(train_positions)
            nn.init.normal_(self.vectors[name], std=0.02)
        if compile_encoders:
            for block in self.joint:
                block.compile()
        self.released_weights = released_weights

    @property
    def token_encoders(self) -> dict[str, TokenEncoder]:
        """The encoders, whose blocks are those of a modality, by modality."""
        return cast(dict[str, TokenEncoder], dict(self.encoders.items()))

    def own_tokens(
        self, name: str, inputs: Float[Tensor, "b c h w"], masks: Masks | None = None
    ) -> Float[Tensor, "b _ d"]:
        """Tokens of a modality after its own blocks: (B, N, D), or the visible ones, (B, K, D)."""
        tokens = self.token_encoders[name].embed(inputs) + self.vectors[name]
        if masks is not None:
            tokens = take_visible(tokens, masks)
        for block in self.token_encoders[name].blocks:
            tokens = block(tokens)
        return tokens

    def joint_tokens(self, tokens: Float[Tensor, "b n d"], which: str) -> Float[Tensor, "b n d"]:
        """Tokens (B, N, D) after the joint blocks and the last norm of the pass `which`."""
        for block in self.joint:
            tokens = block(tokens, which)
        return self.norms[which](tokens)

    def initial_prefixes(self) -> tuple[str, ...]:
        """Prefixes of everything but decoder and head."""
        return ("encoders.", "vectors.", "joint.", "norms.")

    def init_weights(self) -> None:
        """Start from the weights of another run, or of the released code.

        Raises:
            UserError: the checkpoint is missing, damaged or of another layout.
            RuntimeError: that of a run lacks a weight.
        """
        if self.released_weights is not None:
            load_released(self, self.released_weights)
        else:
            super().init_weights()

    def draw_weights(self) -> None:
        """Draw the weights of all linear layers as the released code does; a subclass calls it when
        its own layers are there."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def _positions(self, name: str) -> Float[Tensor, "n d"]:
        try:
            return grid_sinusoids(self.token_encoders[name].grid, self.widths[name])
        except ValueError as error:
            raise UserError(f"tokens.py of configs/base, {name}_encoder: {error}") from None
