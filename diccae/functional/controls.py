"""Controls of the dynamic weights: which pair of classes has which weight is changed, or degrees
that are known take the place of those that are measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from diccae.functional.arguments import ArgumentError, check_choice, check_labels, check_square
from diccae.functional.derangement import derangement_of_pairs
from diccae.functional.weights import flat_weights

CONTROLS = ("flat_mean", "shuffled", "inverted")


def controlled_weights(
    weights: Float[Tensor, "c c"], control: str, *, weight_range: float, seed: Sequence[int]
) -> Float[Tensor, "c c"]:
    """The weights of a control, from the dynamic weights (Eq. 3) of the same epoch.

    Args:
        weights: (C, C), symmetric.
        control: `flat_mean`, see `flat_weights`; `shuffled`, see `shuffled_weights`; `inverted`,
            see `inverted_weights`.
        weight_range: the largest weight of Eq. 3, for `inverted`.
        seed: of the permutation of `shuffled`: the same seed gives the same permutation. The global
            generators are not used.

    Raises:
        ArgumentError: an unknown control.
        ValueError: `shuffled` with fewer than three classes.
    """
    check_choice("weighting", control, CONTROLS)
    if control == "flat_mean":
        return flat_weights(weights)
    if control == "inverted":
        return inverted_weights(weights, weight_range)
    permutation = derangement_of_pairs(len(weights), np.random.default_rng(seed))
    return shuffled_weights(weights, torch.from_numpy(permutation).to(weights.device))


def shuffled_weights(
    weights: Float[Tensor, "c c"], permutation: Int[Tensor, "c"]
) -> Float[Tensor, "c c"]:
    """W[p][:, p] off the diagonal: each pair of classes i, j has the weight of the pair p_i, p_j.

    The weights off the diagonal stay the same numbers, and so do their mean and spread; each class
    keeps its own weight on the diagonal.

    Args:
        weights: (C, C), symmetric.
        permutation: (C,) p, a permutation of 0 to C - 1, such as `derangement_of_pairs`.
    """
    shuffled = weights[permutation][:, permutation]
    return _on_diagonal(shuffled, weights)


def inverted_weights(weights: Float[Tensor, "c c"], weight_range: float) -> Float[Tensor, "c c"]:
    """weight_range - W off the diagonal: the most confused pairs have the smallest weight.

    The mean m becomes weight_range - m, so that the whole loss is stronger or weaker as well. The
    diagonal stays.

    Args:
        weights: (C, C), at most `weight_range` off the diagonal.
        weight_range: the largest weight of Eq. 3.
    """
    return _on_diagonal(weight_range - weights, weights)


def label_mix(
    labels: Int[Tensor, "n"], classes: Int[Tensor, "n"], num_labels: int, num_classes: int
) -> Float[Tensor, "k c"]:
    """p_k(i), the share of class i among the samples with label k, in float64.

    Args:
        labels: (N,) labels in [0, K), such as cluster ids; -1 for none.
        classes: (N,) true class of each sample, in [0, C).
        num_labels: K.
        num_classes: C.

    Returns:
        (K, C), rows that sum to 1; zeros for a label without samples.

    Raises:
        ArgumentError: a label or a class outside of its range, or not one class a label.
    """
    check_labels("labels", labels, num_labels, lowest=-1)
    check_labels("classes", classes, num_classes)
    if len(labels) != len(classes):
        raise ArgumentError("classes", f"wanted {len(labels)}, one a label, got {len(classes)}")
    known = labels >= 0
    counts = torch.zeros(num_labels, num_classes, dtype=torch.float64)
    ones = torch.ones(int(known.sum()), dtype=torch.float64)
    counts.index_put_((labels[known], classes[known]), ones, accumulate=True)
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def known_degree(
    confusion: Float[Tensor, "c c"], mix: Float[Tensor, "k c"]
) -> Float[Tensor, "k k"]:
    """sum_ij p_k(i) p_l(j) T_ij of labels k and l, with T symmetric: the degrees of confusion of
    Eq. 2 as they are for a classifier whose confusion is known.

    It is the probability that the classifier takes a sample of one label for the class of a sample
    of the other. If labels are classes, it is T_kl. If they are clusters, the sum contains i = j:
    two clusters of one class are confused as often as that class is recognised.

    Args:
        confusion: (C, C) share of the samples of each class (row) that are taken for each class.
            The share of i taken for j and that of j taken for i are averaged.
        mix: (K, C) share of each class in each label, see `label_mix`.

    Returns:
        (K, K), symmetric, with a diagonal of 0 as in `confusion_degree`; in the type of `mix`.

    Raises:
        ArgumentError: a confusion that is not (C, C) with the C of `mix`.
    """
    check_square("confusion", confusion)
    if mix.ndim != 2 or mix.shape[1] != len(confusion):
        raise ArgumentError("mix", f"wanted shape (K, {len(confusion)}), got {tuple(mix.shape)}")
    symmetric = (confusion + confusion.T).to(mix.dtype) / 2
    degree = mix @ symmetric @ mix.T
    # the two halves of a product may differ in the last place
    return ((degree + degree.T) / 2).fill_diagonal_(0.0)


def _on_diagonal(
    changed: Float[Tensor, "c c"], weights: Float[Tensor, "c c"]
) -> Float[Tensor, "c c"]:
    """`changed`, with the diagonal of `weights`."""
    diagonal = torch.eye(len(weights), dtype=torch.bool, device=weights.device)
    return torch.where(diagonal, weights, changed)
