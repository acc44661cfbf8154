"""The embedded benchmark: what its generator promises, and its Bayes ceilings."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from diccae.datasets.benchmark.activities import (
    ACTIVITIES,
    CORRUPTION,
    MOTION_SEPARATION,
    SOUND_SEPARATION,
)
from diccae.datasets.benchmark.scene import SPLITS, draw_scene
from diccae.datasets.benchmark.truth import bayes_ceilings, bhattacharyya_normals, overlap, truth

# the generator


def test_every_class_shares_a_motion_with_one_neighbour_and_a_sound_with_the_other() -> None:
    count = len(ACTIVITIES)
    for activity in ACTIVITIES:
        others = [other for other in ACTIVITIES if other is not activity]
        motion = [other.label for other in others if other.motion == activity.motion]
        sound = [other.label for other in others if other.sound == activity.sound]
        assert len(motion) == len(sound) == 1
        assert {motion[0], sound[0]} == {(activity.label - 1) % count, (activity.label + 1) % count}


def test_manners_of_a_family_lie_its_separation_apart() -> None:
    for families, means, wanted in (
        ("motion", "motion_mean", MOTION_SEPARATION),
        ("sound", "sound_mean", SOUND_SEPARATION),
    ):
        for family, separation in enumerate(wanted):
            one, other = (
                getattr(activity, means)
                for activity in ACTIVITIES
                if getattr(activity, families) == family
            )
            assert abs(one - other) == pytest.approx(separation)
            assert one + other == pytest.approx(0)


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_balanced(split: str) -> None:
    assert set(
        Counter(draw_scene(PAIRS, 1, split, index).activity.label for index in range(120)).values()
    ) == {10}


def test_tempo_first_event_and_corruption_do_not_depend_on_the_class() -> None:
    scenes = [
        draw_scene(PAIRS, 3, split, index) for split in ("train", "test") for index in range(4800)
    ]
    labels = np.array([scene.activity.label for scene in scenes])
    for name in ("first_event", "rate", "blind", "deaf"):
        values = np.array([float(getattr(scene, name)) for scene in scenes])
        error = values.std() / np.sqrt(len(values) / len(ACTIVITIES))
        assert all(
            abs(values[labels == label].mean() - values.mean()) < 4 * error
            for label in range(len(ACTIVITIES))
        ), name
    assert np.mean([scene.blind for scene in scenes]) == pytest.approx(CORRUPTION, abs=0.015)
    assert np.mean([scene.blind and scene.deaf for scene in scenes]) == pytest.approx(
        CORRUPTION**2, abs=0.005
    )


def test_events_follow_the_tempo_and_include_the_first() -> None:
    for scene in (draw_scene(PAIRS, 3, "train", index) for index in range(300)):
        assert 0.8 <= scene.first_event < 1.4
        assert 1.2 <= scene.rate < 2.2
        assert np.allclose(np.diff(scene.events), 1 / scene.rate)
        assert np.abs(scene.events - scene.first_event).min() < 1e-9


def test_only_unlabelled_clips_come_from_several_sources() -> None:
    assert {draw_scene(PAIRS, 1, "unlabelled", index).source for index in range(200)} == {
        0,
        1,
        2,
        3,
    }
    assert all(
        draw_scene(PAIRS, 1, split, index).source == 1
        for split in SPLITS[1:]
        for index in range(50)
    )


# the truth


def test_overlap_of_normals_against_the_integral() -> None:
    for distance in (0.0, 0.6, 1.0, 1.8):
        integral = quad(lambda x, d=distance: np.sqrt(norm.pdf(x) * norm.pdf(x, d)), -15, 15)[0]
        assert bhattacharyya_normals(distance) == pytest.approx(integral, abs=1e-8)


def test_overlap_is_a_mixture_with_the_corruption_and_a_product_over_the_modalities() -> None:
    audio, video, both = (overlap(modality) for modality in ("A", "V", "AV"))
    for matrix in (audio, video, both):
        assert np.allclose(matrix, matrix.T)
        assert np.allclose(np.diag(matrix), 1)
    # lie down and fall share a motion, 1.0 apart; fall and jump share a sound, 0.8 apart;
    # lie down and jump share nothing
    assert video[0, 1] == pytest.approx(0.1 + 0.9 * np.exp(-1.0 / 8))
    assert audio[0, 1] == pytest.approx(0.1)
    assert audio[1, 2] == pytest.approx(0.1 + 0.9 * np.exp(-0.64 / 8))
    assert audio[0, 2] == video[0, 2] == pytest.approx(0.1)
    assert np.allclose(both, audio * video)
    assert both[0, 2] == pytest.approx(0.01)


def test_bayes_ceilings_against_the_closed_form() -> None:
    ceilings = bayes_ceilings()
    for modality, separations in (("A", SOUND_SEPARATION), ("V", MOTION_SEPARATION)):
        clear = np.mean(norm.cdf(np.array(separations) / 2))
        assert ceilings[modality] == pytest.approx(
            100 * ((1 - CORRUPTION) * clear + CORRUPTION / 12), abs=0.5
        )
    # both clear: the class is known; one clear: its family is known; none clear: chance
    one_clear = np.mean(norm.cdf(np.array(SOUND_SEPARATION) / 2)) + np.mean(
        norm.cdf(np.array(MOTION_SEPARATION) / 2)
    )
    both = (1 - CORRUPTION) ** 2 + CORRUPTION * (1 - CORRUPTION) * one_clear + CORRUPTION**2 / 12
    assert ceilings["AV"] == pytest.approx(100 * both, abs=0.5)


def test_truth_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(truth()))["classes"][1] == "fall"
