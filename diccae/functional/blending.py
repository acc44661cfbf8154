"""Gradient-Blending: weights of several losses from how much each overfits and generalises (Wang,
Tran and Feiszli, CVPR 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diccae.functional.arguments import ArgumentError

# what `Blend.rules` holds
FORMULA, LEAST_OVERFITTING, NO_GENERALISATION, EQUAL = range(4)


@dataclass(frozen=True)
class Blend:
    """The weights of K losses, and what they were computed from.

    Attributes:
        weights: (K,) not negative, with the sum 1.
        overfitting: (K,) dO, the growth of the held-out loss minus the training loss.
        generalisation: (K,) dG, the fall of the held-out loss.
        rules: (K,) int64, the rule that gave each weight: `FORMULA` (dG / dO^2),
            `LEAST_OVERFITTING` (dO was close to 0), `NO_GENERALISATION` (dG is not above 0: weight
            0) or `EQUAL` (no dG is above 0: all weights are equal).
    """

    weights: Float[Tensor, "k"]
    overfitting: Float[Tensor, "k"]
    generalisation: Float[Tensor, "k"]
    rules: Int[Tensor, "k"]


def blend_weights(
    start: Float[Tensor, "k 2"], end: Float[Tensor, "k 2"], least_overfitting: float = 0.1
) -> Blend:
    """Weights w_k proportional to dG_k / dO_k^2, which minimise the expected squared
    overfitting-to-generalisation ratio of the blend if the losses overfit independently
    (the optimal gradient blend); they do not change if all losses are multiplied by one number.

    Deviation: where dO is close to 0 its square is bounded from below, since one loss would
    otherwise get all the weight; a loss with dG of 0 or below gets the weight 0, where the formula
    would train against it.

    Args:
        start: (K, 2) training and held-out loss before training.
        end: (K, 2) the same after it.
        least_overfitting: the smallest |dO| that is taken as it is, as a share of the largest |dO|
            of all losses; in (0, 1]. Where all are 0, they count as equal.

    Returns:
        The weights in float64.

    Raises:
        ArgumentError: a shape is wrong, a loss is not finite, or the share is not in (0, 1].
    """
    if not 0 < least_overfitting <= 1:
        message = f"wanted a share above 0 and at most 1, got {least_overfitting}"
        raise ArgumentError("least_overfitting", message)
    for name, losses in (("start", start), ("end", end)):
        if losses.ndim != 2 or losses.shape[1] != 2 or losses.shape != start.shape:
            raise ArgumentError(name, f"wanted shape (K, 2), got {tuple(losses.shape)}")
        if not torch.isfinite(losses).all():
            raise ArgumentError(name, "a loss is NaN or infinite")
    start, end = start.double(), end.double()
    gap = torch.tensor([-1.0, 1.0], dtype=torch.float64, device=start.device)
    overfitting = (end - start) @ gap
    generalisation = start[:, 1] - end[:, 1]
    return Blend(*_weights(overfitting, generalisation, least_overfitting))


def _weights(
    overfitting: Float[Tensor, "k"], generalisation: Float[Tensor, "k"], least: float
) -> tuple[Float[Tensor, "k"], Float[Tensor, "k"], Float[Tensor, "k"], Int[Tensor, "k"]]:
    useful = generalisation > 0
    if not useful.any():
        weights = torch.full_like(generalisation, 1 / len(generalisation))
        rules = torch.full_like(generalisation, EQUAL, dtype=torch.int64)
        return weights, overfitting, generalisation, rules
    # relative to the largest, so that squares neither vanish nor overflow
    largest = float(overfitting.abs().max())
    size = overfitting.abs() / largest if largest > 0 else torch.ones_like(overfitting)
    gain = generalisation.clamp(min=0) / float(generalisation.max())
    weights = gain / size.clamp(min=least).square()
    small = size < least if largest > 0 else torch.ones_like(useful)
    rules = torch.where(small, LEAST_OVERFITTING, FORMULA)
    rules = torch.where(useful, rules, NO_GENERALISATION)
    total = math.fsum(weights.tolist())
    return weights / total, overfitting, generalisation, rules
