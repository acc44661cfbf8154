"""Hungarian matching of cluster ids."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from diccae.functional.matching import match_clusters


def test_a_permutation_is_undone() -> None:
    old = np.random.default_rng(0).integers(0, 8, 500)
    renamed = np.array([3, 7, 0, 1, 6, 2, 5, 4])
    mapping, unmatched = match_clusters(old, renamed[old], 8)
    np.testing.assert_array_equal(mapping[renamed[old]], old)
    assert len(unmatched) == 0


def test_the_mapping_keeps_as_many_clips_as_any_permutation() -> None:
    rng = np.random.default_rng(1)
    old, new = rng.integers(0, 5, 60), rng.integers(0, 5, 60)
    mapping, _ = match_clusters(old, new, 5)
    assert sorted(mapping) == list(range(5))
    assert (mapping[new] == old).sum() == max(
        (np.array(p)[new] == old).sum() for p in permutations(range(5))
    )


def test_the_greedy_choice_can_be_wrong() -> None:
    # new 0 prefers old 0 (5 clips, then 4 of old 1); new 1 shares clips with old 0 alone
    old, new = np.array([0] * 5 + [1] * 4 + [0] * 3), np.array([0] * 9 + [1] * 3)
    mapping, unmatched = match_clusters(old, new, 2)
    assert mapping.tolist() == [1, 0]
    assert len(unmatched) == 0


def test_clusters_without_a_shared_clip_are_unmatched() -> None:
    # old cluster 2 is split by new 1 and 2, old cluster 1 had no clips
    mapping, unmatched = match_clusters(np.array([0, 0, 2, 2, 2]), np.array([1, 1, 0, 0, 2]), 3)
    assert mapping[1] == 0
    assert mapping[0] == 2
    assert unmatched.tolist() == [2]
    assert mapping[2] == 1


def test_an_empty_new_cluster_takes_the_id_that_is_left() -> None:
    mapping, unmatched = match_clusters(np.array([0, 1, 2]), np.array([0, 0, 2]), 3)
    assert sorted(mapping) == [0, 1, 2]
    assert unmatched.tolist() == [1]
