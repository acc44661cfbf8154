"""K-means on real data through faiss, against scikit-learn; purity and mutual information by
hand."""

from __future__ import annotations

import math
from collections import Counter

import faiss
import numpy as np
import pytest
from sklearn.cluster import KMeans

from diccae.functional.arguments import ArgumentError
from diccae.functional.cluster_quality import cluster_purity, mutual_information
from diccae.functional.kmeans import GREEDY, STARTS, kmeans, nearest_centroid


def groups(
    clips: int = 900, classes: int = 9, width: int = 12, spread: float = 0.6, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, clips)
    return (
        rng.normal(size=(classes, width))[truth] + spread * rng.normal(size=(clips, width))
    ).astype(np.float32), truth


def test_inertia_is_within_one_percent_of_scikit_learn() -> None:
    features, _ = groups()
    reference = KMeans(9, n_init=20, max_iter=20, random_state=0).fit(features).inertia_
    assert kmeans(features, 9, seed=0).inertia <= 1.01 * reference


def test_assignments_and_inertia_are_those_of_the_centroids() -> None:
    features, _ = groups()
    got = kmeans(features, 9, restarts=3, seed=2)
    squared = ((features[:, None].astype(np.float64) - got.centroids[None]) ** 2).sum(-1)
    np.testing.assert_array_equal(got.assignments, squared.argmin(1))
    assert got.inertia == pytest.approx(squared.min(1).sum(), rel=1e-6)
    assert got.assignments.dtype == np.int32
    assert got.centroids.shape == (9, 12)


def test_inertia_far_from_the_origin_survives_rounding() -> None:
    features, _ = groups()
    near, far = (
        kmeans(features, 9, restarts=3, seed=1),
        kmeans(features + np.float32(1000), 9, restarts=3, seed=1),
    )
    assert far.inertia == pytest.approx(near.inertia, rel=0.05)


@pytest.mark.parametrize("init", ["k-means++", "afk_mc2", GREEDY])
def test_a_good_start_beats_random_clips_on_separated_groups(init: str) -> None:
    features, _ = groups(classes=20, spread=0.01)
    assert (
        kmeans(features, 20, restarts=5, init=init).inertia
        < 0.5 * kmeans(features, 20, restarts=5, init="random").inertia
    )


@pytest.mark.parametrize("width", [12, 300])
@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_greedy_starts_reach_the_inertia_of_scikit_learn(width: int, spread: float) -> None:
    features, _ = groups(clips=1500, classes=40, width=width, spread=spread)
    reference = KMeans(40, n_init=5, max_iter=20, random_state=0).fit(features).inertia_
    assert kmeans(features, 40, restarts=5, init=GREEDY).inertia <= 1.01 * reference


def test_greedy_starts_find_a_few_far_clips_among_more_than_are_drawn_from() -> None:
    features, _ = groups(clips=70_000, classes=5, width=3)
    features[::5000] += 100
    far = kmeans(features, 6, restarts=1, init=GREEDY).assignments
    assert len(set(far[::5000])) == 1
    assert (far == far[0]).sum() == 14


@pytest.mark.parametrize("spherical", [False, True])
def test_greedy_starts_same_seed_same_bits(spherical: bool) -> None:
    features, _ = groups(width=300, spread=1.5)
    first, again, other = (
        kmeans(features, 9, restarts=2, seed=seed, spherical=spherical, init=GREEDY)
        for seed in (-5, -5, 6)
    )
    assert first.centroids.tobytes() == again.centroids.tobytes()
    assert first.assignments.tobytes() == again.assignments.tobytes()
    assert first.centroids.tobytes() != other.centroids.tobytes()


def test_separated_groups_are_found_whatever_their_order() -> None:
    features, truth = groups(spread=0.01)
    assert mutual_information(
        kmeans(features, 9, seed=0, init="k-means++").assignments, truth
    ) == pytest.approx(1)
    order = np.random.default_rng(1).permutation(len(features))
    assert mutual_information(
        kmeans(features[order], 9, seed=0, init="k-means++").assignments, truth[order]
    ) == pytest.approx(1)


def test_more_than_256_clips_a_cluster_are_all_used() -> None:
    features, _ = groups(clips=3000, classes=2, width=2)
    got = kmeans(features, 2, restarts=2, iterations=50)
    for cluster in range(2):
        np.testing.assert_allclose(
            got.centroids[cluster], features[got.assignments == cluster].mean(0), atol=1e-4
        )


def test_same_seed_same_bits_and_another_seed_another_start() -> None:
    features, _ = groups(spread=1.5)
    first, again = (
        kmeans(features, 9, restarts=2, seed=5),
        kmeans(features, 9, restarts=2, seed=5, threads=2),
    )
    assert first.centroids.tobytes() == again.centroids.tobytes()
    assert first.assignments.tobytes() == again.assignments.tobytes()
    assert first.inertia == again.inertia
    assert kmeans(features, 9, restarts=2, seed=6).centroids.tobytes() != first.centroids.tobytes()


def test_more_restarts_are_no_worse() -> None:
    features, _ = groups(spread=1.0)
    assert (
        kmeans(features, 9, restarts=20, seed=3).inertia
        <= kmeans(features, 9, restarts=1, seed=3).inertia
    )


def test_threads_are_put_back() -> None:
    before = faiss.omp_get_max_threads()
    kmeans(groups()[0], 4, restarts=1, threads=before + 1)
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("init", ["k-means++", GREEDY])
def test_spherical_ignores_length(init: str) -> None:
    features, truth = groups(spread=0.05)
    lengths = np.random.default_rng(0).uniform(0.1, 50, size=(len(features), 1)).astype(np.float32)
    got = kmeans(features * lengths, 9, spherical=True, init=init)
    assert mutual_information(got.assignments, truth) == pytest.approx(1)
    np.testing.assert_allclose(np.linalg.norm(got.centroids, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        nearest_centroid(features, got.centroids, spherical=True), got.assignments
    )


def test_nearest_centroid() -> None:
    centroids = np.array([[0, 0], [10, 0]], dtype=np.float32)
    assert nearest_centroid(np.array([[1.0, 5], [9, 1]]), centroids).tolist() == [0, 1]


@pytest.mark.parametrize("init", STARTS)
def test_identical_clips_and_as_many_clips_as_clusters(init: str) -> None:
    same = kmeans(np.ones((40, 3)), 6, restarts=2, init=init)
    assert same.inertia < 1e-2
    assert set(same.assignments) <= set(range(6))
    features, _ = groups(clips=9)
    alone = kmeans(features, 9, restarts=2, init=init)
    assert sorted(alone.assignments) == list(range(9))
    assert alone.inertia == pytest.approx(0, abs=1e-6)
    few = kmeans(np.repeat(features[:3], 20, axis=0), 5, restarts=2, init=init)
    assert set(few.assignments) <= set(range(5))


def test_errors_say_what_and_the_way_out() -> None:
    features, _ = groups(clips=40)
    with pytest.raises(ArgumentError, match="k: 40 samples are too few for 64 clusters"):
        kmeans(features, 64)
    with pytest.raises(ArgumentError, match="k: wanted at least 1 cluster, got 0"):
        kmeans(features, 0)
    with pytest.raises(ArgumentError, match="seed: wanted -2147483648 to 2147483647, got 2147"):
        kmeans(features, 4, seed=2**31)
    features[[3, 8], 1] = np.nan, np.inf
    with pytest.raises(ArgumentError, match="features: 2 of 40 rows are NaN or infinite"):
        kmeans(features, 4)


def test_options_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    with pytest.raises(ArgumentError, match="faiss sees no GPU"):
        kmeans(groups()[0], 4, use_gpu="always")
    with pytest.raises(ArgumentError, match=r"init: wanted one of k-means\+\+, .*got 'best'"):
        kmeans(groups()[0], 4, init="best")
    with pytest.raises(
        ArgumentError, match="use_gpu: wanted one of auto, always, never, got 'yes'"
    ):
        kmeans(groups()[0], 4, use_gpu="yes")


def test_purity_by_hand() -> None:
    truth, clusters = np.array([0, 0, 0, 1, 1, 1]), np.array([7, 7, 7, 7, 3, 3])
    assert cluster_purity(clusters, truth) == pytest.approx(5 / 6)
    assert cluster_purity(np.arange(6), truth) == 1


def slow_nmi(clusters: list[int], truth: list[int]) -> float:
    """Mutual information over the arithmetic mean of the entropies, in natural logarithms."""
    n, pairs = len(truth), Counter(zip(clusters, truth, strict=True))
    rows, columns = Counter(clusters), Counter(truth)
    information = sum(
        count / n * math.log(n * count / (rows[row] * columns[column]))
        for (row, column), count in pairs.items()
    )
    entropies = [
        -sum(count / n * math.log(count / n) for count in counts.values())
        for counts in (rows, columns)
    ]
    return information / (sum(entropies) / 2)


def test_mutual_information_equals_the_slow_reference() -> None:
    rng = np.random.default_rng(0)
    for clusters in (2, 7, 40):
        truth = rng.integers(0, 6, 500)
        found = np.where(rng.random(500) < 0.6, truth, rng.integers(0, clusters, 500))
        assert mutual_information(found, truth) == pytest.approx(
            slow_nmi(found.tolist(), truth.tolist()), rel=1e-12
        )


def test_mutual_information_at_its_ends() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1])
    assert mutual_information(truth + 4, truth) == pytest.approx(1)
    assert mutual_information(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])) == pytest.approx(0)
    assert mutual_information(np.zeros(6, int), truth) == 0
    assert mutual_information(np.zeros(3, int), np.zeros(3, int)) == 1
