"""Principal component analysis."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def project(features: Float[Tensor, "n d"], dim: int) -> Float[Tensor, "n dim"]:
    """The features, relative to their mean, on their leading `dim` principal components."""
    centred = features - features.mean(0)
    return centred @ principal_axes(centred, dim)


def principal_axes(centred: Float[Tensor, "n d"], dim: int) -> Float[Tensor, "d dim"]:
    """Unit vectors of the leading principal components of features with mean zero, as columns."""
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -dim:].flip(1)
