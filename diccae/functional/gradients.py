"""Norms of the gradients of the terms of a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def gradient_norms(
    losses: Mapping[str, Float[Tensor, ""]],
    parameters: Sequence[Tensor],
    reduce: Callable[[list[Tensor]], object] | None = None,
) -> dict[str, float]:
    """Euclidean norm of the gradient of each loss with respect to some parameters.

    The graph of the losses is kept and `.grad` of the parameters is left alone, so that a backward
    pass of their sum gives the same numbers afterwards. Only the part of the graph between losses
    and parameters is computed.

    Args:
        losses: scalars by name.
        parameters: trained ones.
        reduce: changes the gradients of a loss in place, such as to their sum over processes.

    Returns:
        The norm of each loss, at least 0; nothing for a loss that depends on none of the
        parameters.
    """
    norms = {}
    for name, loss in losses.items():
        if not loss.requires_grad:
            continue
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        if all(gradient is None for gradient in gradients):
            continue
        found = [
            torch.zeros_like(parameter) if gradient is None else gradient.clone()
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
        if reduce is not None:
            reduce(found)
        norms[name] = float(torch.stack([part.double().norm() for part in found]).norm())
    return norms
