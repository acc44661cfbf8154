"""How confusable the classes of the embedded benchmark are, and its Bayes classifier."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from diccae.datasets.benchmark.activities import Design
from diccae.datasets.benchmark.designs import DESIGNS, PAIRS, RING
from diccae.datasets.benchmark.spec import class_of
from diccae.datasets.benchmark.truth import (
    MODALITIES,
    bayes,
    bhattacharyya_normals,
    confusable_pairs,
    overlap,
    truth,
)

COUNT = 12
# d' of the two classes of each motion and of each sound of the ring
RING_DISTANCES = {"V": (1.0, 0.6, 1.4, 0.8, 1.8, 1.2), "A": (1.4, 0.8, 1.6, 0.6, 1.0, 1.2)}


@pytest.fixture(scope="module", params=list(DESIGNS))
def design(request: pytest.FixtureRequest) -> Design:
    return DESIGNS[request.param]


def test_overlap_of_normals_against_the_integral() -> None:
    for distance in (0.0, 0.6, 1.0, 1.8):
        integral = quad(lambda x, d=distance: np.sqrt(norm.pdf(x) * norm.pdf(x, d)), -15, 15)[0]
        assert bhattacharyya_normals(distance) == pytest.approx(integral, abs=1e-8)


def test_overlap_is_a_mixture_with_the_corruption_and_a_product_over_the_modalities(
    design: Design,
) -> None:
    audio, video, both = (overlap(design, modality) for modality in MODALITIES)
    for matrix in (audio, video, both):
        assert np.allclose(matrix, matrix.T)
        assert np.allclose(np.diag(matrix), 1)
    assert np.allclose(both, audio * video)


def test_overlaps_of_the_ring() -> None:
    audio, video, both = (overlap(RING, modality) for modality in MODALITIES)
    # lie down and fall share a motion, 1.0 apart; fall and jump share a sound, 0.8 apart;
    # lie down and jump share nothing
    assert video[0, 1] == pytest.approx(0.1 + 0.9 * np.exp(-1.0 / 8))
    assert audio[0, 1] == pytest.approx(0.1)
    assert audio[1, 2] == pytest.approx(0.1 + 0.9 * np.exp(-0.64 / 8))
    assert audio[0, 2] == video[0, 2] == pytest.approx(0.1)
    assert both[0, 2] == pytest.approx(0.01)


def test_overlaps_of_the_pairs() -> None:
    audio, video, both = (overlap(PAIRS, modality) for modality in MODALITIES)
    # lie down and fall share both; stumble shares the motion with them, and the sound with walk
    assert video[0, 1] == pytest.approx(0.03 + 0.97 * np.exp(-0.64 / 8))
    assert audio[0, 1] == pytest.approx(0.03 + 0.97 * np.exp(-1.0 / 8))
    assert video[1, 8] == pytest.approx(0.03 + 0.97 * np.exp(-4.0 / 8))
    assert video[0, 8] == pytest.approx(0.03 + 0.97 * np.exp(-(2.8**2) / 8))
    assert audio[2, 8] == pytest.approx(0.03 + 0.97 * np.exp(-4.0 / 8))
    assert audio[0, 8] == video[2, 8] == pytest.approx(0.03)
    assert both[0, 2] == pytest.approx(0.0009)


def test_bayes_ceilings_of_the_ring_against_the_closed_form() -> None:
    ceilings = bayes(RING).ceiling
    clear = {name: np.mean(norm.cdf(np.array(d) / 2)) for name, d in RING_DISTANCES.items()}
    for modality in ("A", "V"):
        assert ceilings[modality] == pytest.approx(
            100 * (0.9 * clear[modality] + 0.1 / 12), abs=0.5
        )
    # both clear: the class is known; one clear: its family is known; none clear: chance
    both = 0.9**2 + 0.1 * 0.9 * (clear["A"] + clear["V"]) + 0.1**2 / 12
    assert ceilings["AV"] == pytest.approx(100 * both, abs=0.5)


def test_bayes_confusion_of_two_twins_and_a_single_against_the_closed_form() -> None:
    # of the three classes that share a motion, the boundaries lie halfway between the means
    low, middle, high = 0.0, 0.8, 2.8
    first, second = (low + middle) / 2, (middle + high) / 2
    confusion = bayes(replace(PAIRS, corruption=0.0)).confusion["V"]
    for label, mean in ((0, low), (1, middle), (8, high)):
        wanted = np.diff([0, norm.cdf(first - mean), norm.cdf(second - mean), 1])
        assert confusion[label, [0, 1, 8]] == pytest.approx(wanted, abs=0.02)
    # with both modalities, twins lie the root of the sum of squares apart
    together = bayes(replace(PAIRS, corruption=0.0)).confusion["AV"]
    for pair, distance in (((0, 1), np.hypot(0.8, 1.0)), ((6, 7), np.hypot(1.8, 1.4))):
        assert together[pair] == pytest.approx(norm.cdf(-distance / 2), abs=0.02)


def test_the_mean_of_the_diagonal_of_the_bayes_confusion_is_the_ceiling(design: Design) -> None:
    best = bayes(design)
    for modality in MODALITIES:
        confusion = best.confusion[modality]
        assert np.allclose(confusion.sum(axis=1), 1)
        assert 100 * np.trace(confusion) / COUNT == pytest.approx(best.ceiling[modality], abs=0.2)
        outside = ~np.eye(COUNT, dtype=bool)
        for one, other in confusable_pairs(design, modality):
            outside[one, other] = outside[other, one] = False
        # what is neither right nor on a confusable pair comes from corruption
        assert 0 < confusion[outside].mean() < 0.02


def test_ceilings_of_the_pairs_leave_room_in_every_modality() -> None:
    assert bayes(PAIRS).ceiling == pytest.approx({"A": 65.5, "V": 66.3, "AV": 86.3}, abs=0.5)


def test_truth_can_be_written_as_json(design: Design) -> None:
    known = json.loads(json.dumps(truth(design)))
    assert known["classes"][1] == "fall"
    assert {name: len(pairs) for name, pairs in known["confusable_pairs"].items()} == (
        {"A": 12, "V": 12, "AV": 4} if design is PAIRS else {"A": 6, "V": 6, "AV": 0}
    )


def test_the_class_of_a_clip_follows_from_its_id() -> None:
    assert class_of(PAIRS, "unlabelled-000013") == 1
    for other in ("pool-000013", "test-", "000013"):
        with pytest.raises(
            ValueError, match=f"wanted an id such as unlabelled-000000, got '{other}"
        ):
            class_of(PAIRS, other)
