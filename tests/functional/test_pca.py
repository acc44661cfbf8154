"""Principal components: features of any width against the singular value decomposition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diccae.functional.pca import NARROW, principal_axes, project

WIDE = NARROW + 44


def noise(samples: int, width: int = WIDE) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, width, generator=generator, dtype=torch.float64)


def with_variances(*scales: float) -> Tensor:
    """500 samples with components of these scales along random directions."""
    directions = torch.linalg.qr(noise(WIDE)).Q[:, : len(scales)]
    samples = noise(500, len(scales))
    samples = torch.linalg.qr(samples - samples.mean(0)).Q * torch.tensor(scales)
    return samples @ directions.T + 3.0


def check_projection(features: Tensor, dim: int, tolerance: float = 1e-9) -> None:
    """Equal to that of the singular value decomposition, except for signs."""
    left, values, _ = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    wanted, got = left[:, :dim] * values[:dim], project(features, dim)
    signs = torch.sign((wanted * got).sum(0))
    torch.testing.assert_close(got * signs, wanted, rtol=0, atol=tolerance * float(values[0]))


@pytest.mark.parametrize("samples", [20, WIDE - 1, WIDE, 900])
@pytest.mark.parametrize("dim", [1, 2, 15])
def test_wide_features_on_the_axes_of_the_singular_value_decomposition(
    samples: int, dim: int
) -> None:
    check_projection(noise(samples), dim)


def test_a_second_component_that_is_hardly_larger_than_the_third() -> None:
    check_projection(with_variances(2, 1, 1 - 1e-6, 0.5), 2)


def test_features_of_fewer_dimensions_than_components() -> None:
    check_projection(with_variances(2, 1), 5, tolerance=1e-7)
    check_projection(noise(4).repeat(5, 1), 6, tolerance=1e-7)


@pytest.mark.parametrize("samples", [1, 5, 900])
@pytest.mark.parametrize("dim", [1, 7, WIDE])
def test_axes_are_orthonormal_whatever_the_features(samples: int, dim: int) -> None:
    for features in (noise(samples), torch.full((samples, WIDE), 3.0, dtype=torch.float64)):
        axes = principal_axes(features - features.mean(0), dim)
        torch.testing.assert_close(axes.T @ axes, torch.eye(dim, dtype=torch.float64))


def test_single_precision_and_gradients_are_kept() -> None:
    features = noise(900).float()
    assert project(features, 2).dtype == torch.float32
    with_gradient = features.clone().requires_grad_()
    projected = project(with_gradient, 2)
    torch.testing.assert_close(projected.abs(), project(features, 2).abs(), atol=1e-3, rtol=1e-3)
    projected.square().sum().backward()
    assert with_gradient.grad is not None


def test_narrow_features_have_the_bytes_of_all_eigenvectors() -> None:
    """The committed reference was computed with them, so they must not move."""
    for samples in (20, 900):
        centred = noise(samples, NARROW)
        every = torch.linalg.eigh(centred.T @ centred).eigenvectors
        assert torch.equal(principal_axes(centred, 2), every[:, [-1, -2]])
