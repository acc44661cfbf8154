"""Principal component analysis."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from diccae.functional.arguments import ArgumentError, check_features

# Wider features on a CPU take the faster way, whose last digits are others. The widest features of
# the committed reference are two of 128 side by side.
NARROW = 256


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

    The sign of each is arbitrary. The sums are in the type of the features.

    Raises:
        ArgumentError: as in `project`.
    """
    check_features("centred", centred, torch.finfo(centred.dtype).max)
    if not 1 <= dim <= centred.shape[1]:
        raise ArgumentError("dim", f"wanted 1 to {centred.shape[1]} components, got {dim}")
    if centred.shape[1] > NARROW and centred.device.type == "cpu" and not centred.requires_grad:
        return torch.from_numpy(_wide_axes(centred.numpy(), dim)).flip(1)
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -dim:].flip(1)


def _wide_axes(centred: Float[np.ndarray, "n d"], dim: int) -> Float[np.ndarray, "d dim"]:
    """The same, the largest component last, by NumPy and SciPy: they compute one half of the
    symmetric product and `dim` eigenvectors, and portable kernels do not slow them down."""
    samples, width = centred.shape
    if dim <= samples < width:
        # the components lie in the space of the samples, and `basis` is a basis of it
        basis, triangle = np.linalg.qr(centred.T)
        return basis @ _leading(triangle @ triangle.T, dim)
    return _leading(centred.T @ centred, dim)


def _leading(squares: Float[np.ndarray, "d d"], dim: int) -> Float[np.ndarray, "d dim"]:
    """The eigenvectors of the largest eigenvalues of a symmetric matrix, the largest last."""
    # imported here, since every run imports this module, and few have wide features
    from scipy.linalg import eigh

    width = len(squares)
    return eigh(squares, subset_by_index=[width - dim, width - 1])[1]
