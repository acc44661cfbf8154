"""Masking of tokens, and the reconstruction loss of masked autoencoders (He et al., CVPR 2022)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diccae.functional.arguments import ArgumentError
from diccae.functional.precision import wide, without_autocast


class Masks(NamedTuple):
    """Which tokens of each clip stay visible.

    Attributes:
        keep: (B, K) indices of the visible tokens, in the random order in which the encoder gets
            them.
        restore: (B, N) for each token its place in the sequence of visible tokens followed by
            masked ones: below K for a visible token.
        masked: (B, N) whether a token is masked; N - K in each row.
    """

    keep: Int[Tensor, "b k"]
    restore: Int[Tensor, "b n"]
    masked: Bool[Tensor, "b n"]


def visible_count(tokens: int, ratio: float) -> int:
    """K, the number of visible tokens of N when a share `ratio` is masked: N (1 - ratio), rounded
    down.

    Raises:
        ArgumentError: no token would be visible, or none masked.
    """
    # 1 - 0.9 is a little less than 0.1, which would cost a token
    kept = math.floor(tokens * (1 - ratio) + 1e-6)
    if not 0 < kept < tokens:
        raise ArgumentError(
            "ratio", f"wanted visible and masked tokens, got {kept} visible of {tokens} by {ratio}"
        )
    return kept


def masks_of_noise(noise: Float[Tensor, "b n"], visible: int) -> Masks:
    """The masks that keep the `visible` tokens with the smallest noise of each row.

    Args:
        noise: (B, N), without ties.
        visible: K, from 1 to N.

    Raises:
        ArgumentError: K is not in [1, N].
    """
    tokens = noise.shape[1]
    if not 1 <= visible <= tokens:
        raise ArgumentError("visible", f"wanted 1 to {tokens} tokens, got {visible}")
    order = noise.argsort(dim=1, stable=True)
    restore = order.argsort(dim=1)
    return Masks(order[:, :visible], restore, restore >= visible)


def random_masks(
    batch: int,
    tokens: int,
    visible: int,
    *,
    device: torch.device | str | None = None,
    generator: torch.Generator | None = None,
) -> Masks:
    """Unstructured masks: each set of K tokens is equally likely, drawn anew for each clip.

    Args:
        batch, tokens, visible: B, N and K.
        device: of the masks, and of the generator.
        generator: of the draws; None for torch's global one.

    Raises:
        ArgumentError: K is not in [1, N].
    """
    return masks_of_noise(torch.rand(batch, tokens, device=device, generator=generator), visible)


def take_visible(tokens: Float[Tensor, "b n d"], masks: Masks) -> Float[Tensor, "b k d"]:
    """The visible tokens (B, K, D) of all (B, N, D), in the order of `masks.keep`."""
    return tokens.gather(1, masks.keep[..., None].expand(-1, -1, tokens.shape[2]))


def with_mask_tokens(
    visible: Float[Tensor, "b k d"], mask_token: Float[Tensor, "d"], masks: Masks
) -> Float[Tensor, "b n d"]:
    """All tokens (B, N, D) in their original order: the visible ones (B, K, D) at their places, and
    the mask token (D,) at every other."""
    batch, kept, width = visible.shape
    absent = mask_token.to(visible.dtype).expand(batch, masks.restore.shape[1] - kept, width)
    together = torch.cat([visible, absent], dim=1)
    return together.gather(1, masks.restore[..., None].expand(-1, -1, width))


def normalised_patches(
    patches: Float[Tensor, "b n p"], eps: float = 1e-6
) -> Float[Tensor, "b n p"]:
    """Each patch (of P values, at least 2) minus its mean, divided by the root of its unbiased
    variance plus `eps`; a patch of equal values becomes 0."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + eps).sqrt()


@without_autocast
def masked_mse(
    predicted: Float[Tensor, "b n p"],
    target: Float[Tensor, "b n p"],
    masked: Bool[Tensor, "b n"],
) -> Float[Tensor, ""]:
    """Mean squared error over the values of the masked patches; visible patches do not count.

    Half types are computed in float32, also under autocast.

    Args:
        predicted, target: (B, N, P) values of the patches.
        masked: (B, N) which patches count.

    Returns:
        A scalar in float32, or float64 for such predictions; 0 with gradients of 0 if no patch is
        masked.
    """
    errors = (wide(predicted) - wide(target)).square().mean(-1)
    return errors.where(masked, errors.new_zeros(())).sum() / masked.sum().clamp(min=1)
