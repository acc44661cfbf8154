"""Random permutations without a fixed point, or without a fixed pair."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from diccae.functional.derangement import derangement, derangement_of_pairs


@pytest.mark.parametrize("n", [2, 3, 50])
def test_every_element_moves_to_another_place(n: int) -> None:
    drawn = derangement(n, np.random.default_rng(0))
    assert sorted(drawn) == list(range(n))
    assert (drawn != np.arange(n)).all()


def test_all_derangements_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(tuple(derangement(4, rng)) for _ in range(9000))
    # nine of the 24 permutations of four; 1000 draws of each, with a standard deviation of 30
    assert len(counts) == 9
    assert all(abs(count - 1000) < 5 * 30 for count in counts.values())


@pytest.mark.parametrize("n", [0, 1])
def test_a_single_element_has_no_other_place(n: int) -> None:
    with pytest.raises(ValueError, match=f"wanted at least 2, got {n}"):
        derangement(n, np.random.default_rng(0))


@pytest.mark.parametrize("n", [3, 4, 5, 24])
def test_every_pair_moves_to_another_place(n: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = derangement_of_pairs(n, rng)
        assert sorted(drawn) == list(range(n))
        assert (drawn != np.arange(n)).all()
        assert all({drawn[i], drawn[j]} != {i, j} for i, j in combinations(range(n), 2))


def test_all_permutations_without_a_fixed_pair_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(tuple(derangement_of_pairs(5, rng)) for _ in range(9600))
    # the 24 cycles of all five; 400 draws of each, with a standard deviation of 20
    assert len(counts) == 24
    assert all(abs(count - 400) < 5 * 20 for count in counts.values())


@pytest.mark.parametrize("n", [1, 2])
def test_the_only_pair_has_no_other_place(n: int) -> None:
    with pytest.raises(ValueError, match=f"wanted at least 3, got {n}"):
        derangement_of_pairs(n, np.random.default_rng(0))
