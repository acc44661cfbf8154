"""The embedded benchmark: its two designs, and what its generator promises."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from diccae.datasets.benchmark.activities import Design
from diccae.datasets.benchmark.designs import DESIGNS, PAIRS, RING, design_of
from diccae.datasets.benchmark.figure import render_frames
from diccae.datasets.benchmark.scene import SPLITS, draw_scene
from diccae.datasets.benchmark.sound import render_audio
from diccae.datasets.benchmark.spec import BenchmarkSpec, tables
from diccae.datasets.benchmark.truth import confusable_pairs, truth
from diccae.errors import UserError

COUNT = 12
# d' of the two classes of each motion and of each sound of the ring
RING_DISTANCES = {"V": (1.0, 0.6, 1.4, 0.8, 1.8, 1.2), "A": (1.4, 0.8, 1.6, 0.6, 1.0, 1.2)}


def means(design: Design, modality: str) -> np.ndarray:
    name = "sound_mean" if modality == "A" else "motion_mean"
    return np.array([getattr(activity, name) for activity in design.activities])


@pytest.fixture(scope="module", params=list(DESIGNS))
def design(request: pytest.FixtureRequest) -> Design:
    return design_of(request.param)


# the two designs


def test_in_the_ring_every_class_shares_a_motion_and_a_sound_with_one_neighbour_each() -> None:
    for activity in RING.activities:
        others = [other for other in RING.activities if other is not activity]
        motion = [other.label for other in others if other.motion == activity.motion]
        sound = [other.label for other in others if other.sound == activity.sound]
        assert len(motion) == len(sound) == 1
        assert {motion[0], sound[0]} == {
            (activity.label - 1) % COUNT,
            (activity.label + 1) % COUNT,
        }


@pytest.mark.parametrize("modality", ["A", "V"])
def test_manners_of_a_family_of_the_ring_lie_its_separation_apart(modality: str) -> None:
    pairs = confusable_pairs(RING, modality)
    distances = [abs(np.subtract(*means(RING, modality)[list(pair)])) for pair in pairs]
    assert sorted(distances) == pytest.approx(sorted(RING_DISTANCES[modality]))


def test_four_pairs_share_both_families_and_four_classes_one_with_each_of_two_pairs() -> None:
    twins, singles = range(8), range(8, 12)
    both = confusable_pairs(PAIRS, "AV")
    assert both == [(0, 1), (2, 3), (4, 5), (6, 7)]
    for modality in ("A", "V"):
        alone = sorted(set(confusable_pairs(PAIRS, modality)) - set(both))
        # each single with the two twins of one cell
        assert [pair[0] for pair in alone] == list(twins)
        assert Counter(pair[1] for pair in alone) == dict.fromkeys(singles, 2)
    partners = [
        {pair[0] // 2 for m in ("A", "V") for pair in confusable_pairs(PAIRS, m) if single in pair}
        for single in singles
    ]
    assert partners == [{0, 1}, {1, 2}, {2, 3}, {3, 0}]


def test_twins_are_harder_to_tell_apart_than_singles_and_differ_from_pair_to_pair() -> None:
    distances = {}
    for modality in ("A", "V"):
        place = means(PAIRS, modality)
        for one, other in confusable_pairs(PAIRS, modality):
            distances[modality, one, other] = abs(place[one] - place[other])
        # lowest and highest of a family at equal distances from 0
        for single in range(8, 12):
            family = [pair[0] for pair in confusable_pairs(PAIRS, modality) if single in pair]
            assert np.ptp(np.sign(place[[single, *family]])) > 0
            others = place[[single, *family]]
            assert others.min() == pytest.approx(-others.max())
            nearest = min(distances[modality, one, single] for one in family)
            assert nearest >= 1.2
    together = [
        np.hypot(distances["A", *pair], distances["V", *pair])
        for pair in confusable_pairs(PAIRS, "AV")
    ]
    assert np.round(together, 2).tolist() == [1.28, 1.61, 2.06, 2.28]


def test_an_unknown_design_is_refused() -> None:
    with pytest.raises(UserError, match=r"benchmark.design: wanted pairs or ring, got 'circle'"):
        design_of("circle")


# The first benchmark stays as it was: what the generator gave when it was the only one.


def test_pictures_and_sound_of_the_ring_are_those_of_the_first_benchmark() -> None:
    scenes = [draw_scene(RING, 20261121, "unlabelled", index) for index in range(COUNT)]
    # not digests: another processor may round a sine differently
    brightness = [154.181, 173.300, 144.664, 148.775, 112.380, 170.212]
    brightness += [148.728, 190.784, 149.999, 171.207, 171.943, 179.262]
    assert [render_frames(scene).mean() for scene in scenes] == pytest.approx(brightness, abs=0.01)
    level = [32.254, 36.825, 10.591, 25.318, 21.185, 15.270]
    level += [17.017, 17.579, 12.966, 44.490, 51.374, 32.059]
    found = [1000 * float(np.abs(render_audio(scene)).mean()) for scene in scenes]
    assert found == pytest.approx(level, abs=0.01)


def test_tables_and_truth_of_the_ring_are_those_of_the_first_benchmark() -> None:
    counts = {"unlabelled": 60, "train": 24, "update": 12, "validation": 12, "test": 36}
    digests = {
        split: {f"{split}-{index:06d}": {"sha256": ""} for index in range(count)}
        for split, count in counts.items()
    }
    found = [
        table.round(9).to_csv(index=False).encode()
        for table in tables(BenchmarkSpec(counts, 20261121, RING), digests)
    ]
    assert [hashlib.sha256(text).hexdigest()[:16] for text in found] == [
        "015c844ab93b60e0",
        "386235691d36f7c7",
    ]
    known = truth(RING)
    assert known["bayes_ceiling"] == pytest.approx({"A": 64.17475, "V": 64.710625, "AV": 93.826})


# the generator


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_balanced(design: Design, split: str) -> None:
    assert set(
        Counter(draw_scene(design, 1, split, index).activity.label for index in range(120)).values()
    ) == {10}


def test_tempo_first_event_and_corruption_do_not_depend_on_the_class(design: Design) -> None:
    scenes = [
        draw_scene(design, 3, split, index) for split in ("train", "test") for index in range(4800)
    ]
    labels = np.array([scene.activity.label for scene in scenes])
    for name in ("first_event", "rate", "blind", "deaf"):
        values = np.array([float(getattr(scene, name)) for scene in scenes])
        error = values.std() / np.sqrt(len(values) / COUNT)
        assert all(
            abs(values[labels == label].mean() - values.mean()) < 4 * error
            for label in range(COUNT)
        ), name
    assert np.mean([scene.blind for scene in scenes]) == pytest.approx(design.corruption, abs=0.015)
    assert np.mean([scene.blind and scene.deaf for scene in scenes]) == pytest.approx(
        design.corruption**2, abs=0.005
    )


def test_events_follow_the_tempo_and_include_the_first(design: Design) -> None:
    for scene in (draw_scene(design, 3, "train", index) for index in range(300)):
        assert 0.8 <= scene.first_event < 1.4
        assert 1.2 <= scene.rate < 2.2
        assert np.allclose(np.diff(scene.events), 1 / scene.rate)
        assert np.abs(scene.events - scene.first_event).min() < 1e-9


def test_only_unlabelled_clips_come_from_several_sources(design: Design) -> None:
    several = {draw_scene(design, 1, "unlabelled", index).source for index in range(200)}
    assert several == {0, 1, 2, 3}
    assert all(
        draw_scene(design, 1, split, index).source == 1
        for split in SPLITS[1:]
        for index in range(50)
    )


def test_pictures_do_not_depend_on_the_sound_nor_the_sound_on_the_motion() -> None:
    stumble = draw_scene(PAIRS, 1, "train", 8)
    assert not stumble.blind
    assert not stumble.deaf
    fall, walk = PAIRS.activities[1], PAIRS.activities[2]
    assert (stumble.activity.motion, stumble.activity.sound) == (fall.motion, walk.sound)
    seen = replace(stumble, activity=fall, sound_u=3.0, deaf=True)
    heard = replace(stumble, activity=walk, motion_u=3.0, blind=True)
    assert np.array_equal(render_frames(stumble), render_frames(seen))
    assert np.array_equal(render_audio(stumble), render_audio(heard))


@pytest.mark.parametrize("index", range(4))
def test_a_corrupted_modality_says_nothing_of_the_class(index: int) -> None:
    scene = replace(draw_scene(PAIRS, 1, "train", index), blind=True, deaf=True)
    other = replace(scene, activity=PAIRS.activities[index + 8], motion_u=2.0, sound_u=-2.0)
    assert np.array_equal(render_frames(scene), render_frames(other))
    assert np.array_equal(render_audio(scene), render_audio(other))
