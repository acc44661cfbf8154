"""Which clips of a cache a dataset takes: splits, sources, held-out clips and limits."""

from __future__ import annotations

from collections import Counter

import pytest

from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.errors import UserError


def rows(dataset: AVClipDataset) -> set[int]:
    assert len(dataset.rows) == len(set(dataset.rows.tolist()))
    return set(dataset.rows.tolist())


def test_splits_and_unusable_clips(cache: str) -> None:
    assert rows(AVClipDataset(cache, ["train"], [])) == set(range(40, 70)) - {41}
    assert rows(AVClipDataset(cache, ["train", "update"], [])) == set(range(40, 88)) - {41}
    dataset = AVClipDataset(cache, ["update"], [])
    assert len(dataset) == 18
    assert dataset.ids[0] == "clip-070"
    assert dataset.labels.tolist() == [row % 3 for row in range(70, 88)]


def test_permuted_labels_stay_as_frequent_and_belong_to_other_clips(cache: str) -> None:
    given, permuted, again, other = (
        AVClipDataset(cache, ["train"], [], per_class=8, permuted=control, seed=seed)
        for control, seed in ((False, 0), (True, 0), (True, 0), (True, 1))
    )
    assert rows(permuted) == rows(given)
    assert Counter(permuted.labels.tolist()) == {0: 8, 1: 8, 2: 8}
    assert permuted.labels.tolist() == again.labels.tolist()
    for dataset in (permuted, other):
        assert dataset.labels.tolist() != [row % 3 for row in dataset.rows.tolist()]
    assert permuted.labels.tolist() != other.labels.tolist()
    permuted.redraw(1)
    assert Counter(permuted.labels.tolist()) == {0: 8, 1: 8, 2: 8}
    assert permuted.labels.tolist() != [row % 3 for row in permuted.rows.tolist()]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_held_out_and_kept_clips_make_up_the_pool(cache: str, seed: int) -> None:
    kept, held = (
        rows(AVClipDataset(cache, ["unlabelled"], [], seed=seed, holdout=10, held_out=out))
        for out in (False, True)
    )
    assert len(held) == 10
    assert not kept & held
    assert kept | held == set(range(40))


def test_the_seed_decides_what_is_held_out_and_drawn(cache: str) -> None:
    held = [
        rows(AVClipDataset(cache, ["unlabelled"], [], seed=seed, holdout=10, held_out=True))
        for seed in (0, 0, 1)
    ]
    assert held[0] == held[1] != held[2]
    drawn = [
        rows(AVClipDataset(cache, ["train"], [], seed=seed, per_class=4)) for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_draw_is_balanced_and_may_be_repeated_each_epoch(cache: str) -> None:
    dataset = AVClipDataset(cache, ["train"], [], per_class=4)
    assert Counter(dataset.labels.tolist()) == {0: 4, 1: 4, 2: 4}
    first = rows(dataset)
    dataset.redraw(1)
    second = rows(dataset)
    assert first != second
    assert Counter(dataset.labels.tolist()) == {0: 4, 1: 4, 2: 4}
    assert dataset.labels.tolist() == [row % 3 for row in dataset.rows.tolist()]
    assert second <= set(range(40, 70)) - {41}
    dataset.redraw(2)
    assert rows(dataset) != second
    dataset.redraw(1)
    assert rows(dataset) == second


def test_sources(cache: str) -> None:
    assert rows(AVClipDataset(cache, ["test"], [], sources=["north"])) == {89, 91, 93, 95, 97, 99}
    held = [
        rows(AVClipDataset(cache, ["unlabelled"], [], holdout=10, held_out=True, sources=chosen))
        for chosen in (["north"], ["south"], None)
    ]
    assert held[0] | held[1] == held[2]


def test_a_limit_draws_from_what_is_left_by_seed(cache: str) -> None:
    pool = rows(AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, sources=["north"]))
    drawn = [
        AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, sources=["north"], limit=limit)
        for limit in (6, 6, 3, 100, None)
    ]
    assert [len(each) for each in drawn] == [6, 6, 3, len(pool), len(pool)]
    assert all(rows(each) <= pool for each in drawn)
    assert rows(drawn[0]) == rows(drawn[1])
    # a smaller budget sees a part of what a larger one sees
    assert rows(drawn[2]) < rows(drawn[0])
    assert all(each.rows.tolist() == sorted(each.rows.tolist()) for each in drawn)
    assert drawn[0].labels.shape == (6,)
    other = AVClipDataset(cache, ["unlabelled"], [], seed=2, limit=6)
    assert rows(other) != rows(AVClipDataset(cache, ["unlabelled"], [], seed=3, limit=6))


def test_a_limited_set_leaves_held_out_clips_alone(cache: str) -> None:
    held = rows(AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, held_out=True))
    assert not held & rows(AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, limit=25))


def test_too_few_clips(cache: str) -> None:
    with pytest.raises(
        UserError, match=r"class 2 has 9 usable clips, wanted 10; lower data.train_per_class"
    ):
        AVClipDataset(cache, ["train"], [], per_class=10)
    with pytest.raises(
        UserError, match="wanted 40 held-out clips, got a pool of 40; lower it in the plan"
    ):
        AVClipDataset(cache, ["unlabelled"], [], holdout=40)
    with pytest.raises(UserError, match=r"no usable clip in split \['validation'\]"):
        AVClipDataset(cache, ["validation"], [])
    with pytest.raises(
        UserError, match=r"no clips of source \['east'\]; known sources: \['north', 'south'\]"
    ):
        AVClipDataset(cache, ["test"], [], sources=["east"])
