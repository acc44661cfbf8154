"""Principal component analysis."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from diccae.functional.arguments import ArgumentError, check_features


def project(features: Float[Tensor, "n d"], dim: int) -> Float[Tensor, "n dim"]:
    """The features, relative to their mean, on their leading `dim` principal components.

    Raises:
        ArgumentError: features of another shape, not finite or too large to be squared; or a dim
            that is not in [1, D].
    """
    check_features("features", features, torch.finfo(features.dtype).max)
    centred = features - features.mean(0)
    return centred @ principal_axes(centred, dim)


def principal_axes(centred: Float[Tensor, "n d"], dim: int) -> Float[Tensor, "d dim"]:
    """Unit vectors of the leading principal components of features with mean zero, as columns.

    Raises:
        ArgumentError: as in `project`.
    """
    check_features("centred", centred, torch.finfo(centred.dtype).max)
    if not 1 <= dim <= centred.shape[1]:
        raise ArgumentError("dim", f"wanted 1 to {centred.shape[1]} components, got {dim}")
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -dim:].flip(1)
