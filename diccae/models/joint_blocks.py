"""Transformer blocks that several passes share, with norms of their own for each pass."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from jaxtyping import Float
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class JointBlock(nn.Module):
    """A transformer block whose attention and MLP serve all passes, and its LayerNorms one each.

    Args:
        passes: names of the passes.
        width: D, size of a token.
        heads: of the attention.
        mlp_ratio: width of the MLP, in multiples of D.
        eps: of the LayerNorms.
    """

    def __init__(
        self, passes: Iterable[str], width: int, heads: int, mlp_ratio: float, eps: float
    ) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=eps)
        block = Block(width, heads, mlp_ratio, qkv_bias=True, norm_layer=norm)
        self.attn, self.mlp = block.attn, block.mlp
        self.norm1 = nn.ModuleDict({name: norm(width) for name in passes})
        self.norm2 = nn.ModuleDict({name: norm(width) for name in self.norm1})

    def forward(self, tokens: Float[Tensor, "b n d"], which: str) -> Float[Tensor, "b n d"]:
        """The tokens (B, N, D) after the block, with the norms of the pass `which`."""
        tokens = tokens + self.attn(self.norm1[which](tokens))
        return tokens + self.mlp(self.norm2[which](tokens))
