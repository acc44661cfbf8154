"""Token encoders: the patches of a spectrogram or of a video view, and transformer blocks on them.

MBT, CAV-MAE, AudiovisualMAE and Perceiver IO are defined on tokens. They are built from the parts
of these encoders, so that all of them have the same patches, positions and blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from diccae.errors import UserError


class TokenEncoder(nn.Module):
    """A plain vision transformer; the feature is the mean of the normalised tokens.

    Linear layers start from Xavier's uniform distribution, as in ViT and MAE: timm's default, a
    standard deviation of 0.02 at any width, is too small for narrow encoders to learn from a few
    hundred steps.

    Args:
        size: frames or time steps, then the two other axes of the input (see the subclasses).
        patch: size of a patch on the same axes; each divides the axis.
        channels: of a value of the input, e.g. 3 for R, G, B.
        width: D, size of a token and of the feature.
        depth: number of blocks.
        heads: of the attention; they divide `width`.
        mlp_ratio: width of the MLP of a block, in multiples of `width`.
        positions: learned, or fixed sines and cosines over the index of the token.
        eps: of the LayerNorms.

    Attributes:
        out_features, width: D.
        num_tokens: N, number of patches of an input.
        patch_values: P, numbers in a patch.
        blocks: the transformer blocks.
        norm: LayerNorm after the last block.

    Raises:
        UserError: the patches do not divide the input, or the heads the width.
    """

    def __init__(
        self,
        size: Sequence[int],
        patch: Sequence[int],
        channels: int,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        positions: Literal["learned", "sinusoidal"] = "learned",
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        if any(length % side for length, side in zip(size, patch, strict=True)):
            raise UserError(
                f"tokens: an input of {' x '.join(map(str, size))} does not divide into patches of "
                f"{' x '.join(map(str, patch))}; choose divisors in tokens.py of configs/base"
            )
        if width % heads:
            raise UserError(
                f"tokens: {heads} heads do not divide the width {width}; choose a divisor in "
                "tokens.py of configs/base"
            )
        self.size, self.patch, self.channels = tuple(size), tuple(patch), channels
        self.width = self.out_features = width
        self.grid = tuple(length // side for length, side in zip(size, patch, strict=True))
        self.num_tokens = math.prod(self.grid)
        self.patch_values = channels * math.prod(self.patch)
        self.projection = nn.Linear(self.patch_values, width)
        self.positions = _positions(positions, self.num_tokens, width)
        norm = partial(nn.LayerNorm, eps=eps)
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio, qkv_bias=True, norm_layer=norm) for _ in range(depth)
        )
        self.norm: nn.Module = norm(width)
        self.apply(init_xavier)

    def patches(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n p"]:
        """The values of each patch, (B, N, P), in the order of the tokens."""
        raise NotImplementedError

    def embed(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        """The tokens (B, N, D) before the first block: projected patches with their positions."""
        return self.projection(self.patches(inputs)) + self.positions

    def compile(self, *options: Any, **more: Any) -> None:
        """Compile each block, since systems call the blocks and not the encoder."""
        for block in self.blocks:
            block.compile(*options, **more)

    def forward(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The feature (B, D): the mean of the normalised tokens after the last block."""
        tokens = self.embed(inputs)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens).mean(1)

    def _check(self, inputs: Float[Tensor, "b c h w"], wanted: tuple[int, ...]) -> None:
        if tuple(inputs.shape[1:]) != wanted:
            raise UserError(
                f"{type(self).__name__}: wanted inputs of shape (B, "
                f"{', '.join(map(str, wanted))}), got {tuple(inputs.shape)}; tokens.py of "
                "configs/base holds the sizes of the clip cache"
            )


@MODELS.register_module()
class AudioTokens(TokenEncoder):
    """Tokens of a log-mel spectrogram.

    Args:
        size: time steps T and mel bands F.
        patch: time steps and mel bands of a patch.
        **encoder: see `TokenEncoder`.

    The tokens are in the order of AST and CAV-MAE: all time steps of the lowest mel bands first.
    """

    def __init__(self, size: tuple[int, int], patch: tuple[int, int], **encoder: object) -> None:
        # mel bands are the rows
        super().__init__(size[::-1], patch[::-1], channels=1, **encoder)  # type: ignore[arg-type]

    def patches(self, inputs: Float[Tensor, "b 1 frames mels"]) -> Float[Tensor, "b n p"]:
        """Log-mels (B, 1, T, F) -> the values of each patch (B, N, P), mel band by mel band.

        Raises:
            UserError: the spectrograms have another size.
        """
        self._check(inputs, (1, self.size[1], self.size[0]))
        (rows, columns), (high, long) = self.grid, self.patch
        cut = inputs[:, 0].transpose(1, 2).unflatten(2, (columns, long)).unflatten(1, (rows, high))
        return cut.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)


@MODELS.register_module()
class VideoTokens(TokenEncoder):
    """Tokens of a video view: tubelets of some frames.

    Args:
        size: frames, height and width of a view.
        patch: frames, height and width of a tubelet.
        channels: of a frame: 3 (`rgb`) or 1 (`motion`).
        **encoder: see `TokenEncoder`.
    """

    def __init__(
        self,
        size: tuple[int, int, int],
        patch: tuple[int, int, int],
        channels: int,
        **encoder: object,
    ) -> None:
        super().__init__(size, patch, channels, **encoder)  # type: ignore[arg-type]

    def patches(self, inputs: Float[Tensor, "b tc h w"]) -> Float[Tensor, "b n p"]:
        """Frames (B, T c, H, W), stacked on the channel axis -> the values of each tubelet
        (B, N, P): frame by frame, row by row, the channels of a pixel last.

        Raises:
            UserError: the views have another size.
        """
        frames, height, width = self.size
        self._check(inputs, (frames * self.channels, height, width))
        (times, rows, columns), (long, high, wide) = self.grid, self.patch
        cut = inputs.unflatten(3, (columns, wide)).unflatten(2, (rows, high))
        cut = cut.unflatten(1, (times, long, self.channels))
        # b, times, long, channels, rows, high, columns, wide
        cut = cut.permute(0, 1, 4, 6, 2, 5, 7, 3)
        return cut.flatten(4).flatten(1, 3)


def sinusoids(count: int, width: int) -> Float[Tensor, "n d"]:
    """Fixed positions (N, D): sines, then cosines, of the index at D / 2 wavelengths from 2 pi to
    10,000 times that, as in "Attention is all you need".

    Raises:
        ValueError: D is odd.
    """
    if width % 2:
        raise ValueError(f"sinusoids: wanted an even width, got {width}")
    rates = 10_000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angles = torch.arange(count, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def grid_sinusoids(grid: Sequence[int], width: int) -> Float[Tensor, "n d"]:
    """Fixed positions (N, D) of the tokens of a grid, as in MAE: each axis has an equal share of D
    with the sinusoids of the index on this axis, the last axis first. Axes of length 1 have no
    share.

    Raises:
        ValueError: the axes cannot share D in even parts.
    """
    axes = [axis for axis, length in enumerate(grid) if length > 1] or [len(grid) - 1]
    share, rest = divmod(width, len(axes))
    if rest or share % 2:
        raise ValueError(
            f"positions of {len(axes)} axes: wanted a width that divides by {2 * len(axes)}, "
            f"got {width}"
        )
    parts = []
    for axis in reversed(axes):
        shape = [length if other == axis else 1 for other, length in enumerate(grid)]
        parts.append(sinusoids(grid[axis], share).view(*shape, share).expand(*grid, share))
    return torch.cat(parts, dim=-1).flatten(0, -2)


def init_xavier(module: nn.Module) -> None:
    """Start a linear layer from Xavier's uniform distribution and a bias of 0; for `apply`."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _positions(kind: str, count: int, width: int) -> nn.Parameter:
    if kind == "sinusoidal":
        return nn.Parameter(sinusoids(count, width)[None], requires_grad=False)
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, count, width), std=0.02))
