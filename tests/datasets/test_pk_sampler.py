"""Batches of P classes and K clips of each."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from mmengine.dataset import DefaultSampler

from diccae.datasets import samplers
from diccae.datasets.samplers import PKSampler
from diccae.errors import UserError


class Labelled:
    """What the sampler needs of a dataset."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.labels)


def sampler(labels: list[int], batch_size: int, samples_per_class: int, **others: int) -> PKSampler:
    return PKSampler(
        DefaultSampler(Labelled(labels), shuffle=True, seed=0),
        batch_size,
        samples_per_class,
        **others,
    )


def test_batches_have_p_classes_and_k_clips_of_each() -> None:
    labels = [row % 7 for row in range(140)]
    batches = list(sampler(labels, 12, 3))
    assert len(batches) == len(sampler(labels, 12, 3)) == 140 // 12
    for batch in batches:
        assert sorted(Counter(labels[index] for index in batch).values()) == [3] * 4
        assert len(set(batch)) == 12


def test_every_clip_comes_once_when_every_batch_has_every_class() -> None:
    labels = [row % 4 for row in range(64)]
    assert sorted(index for batch in sampler(labels, 16, 4) for index in batch) == list(range(64))


def test_order_depends_on_seed_and_epoch_only() -> None:
    labels = [row % 4 for row in range(64)]
    one = sampler(labels, 8, 2, seed=1)
    first = list(one)
    assert list(one) == first == list(sampler(labels, 8, 2, seed=1))
    assert list(sampler(labels, 8, 2, seed=2)) != first
    one.sampler.set_epoch(1)
    assert list(one) != first


def test_labels_are_read_anew_each_epoch_and_unlabelled_clips_are_left_out() -> None:
    chosen = sampler([0] * 8 + [1] * 8 + [-1] * 8, 4, 2)
    assert all(index < 16 for batch in chosen for index in batch)
    chosen.dataset.labels.copy_(torch.tensor([-1] * 8 + [3] * 8 + [5] * 8))
    assert all(
        {chosen.dataset.labels[index].item() for index in batch} == {3, 5} for batch in chosen
    )


def test_a_class_smaller_than_k_repeats_its_clips() -> None:
    labels = [0] * 2 + [1] * 20
    for batch in sampler(labels, 8, 4):
        small = [index for index in batch if labels[index] == 0]
        assert Counter(small) == {0: 2, 1: 2}
        assert len(set(batch)) == 2 + 4


def test_fewer_classes_than_p_still_fill_the_batch() -> None:
    labels = [row % 2 for row in range(40)]
    for batch in sampler(labels, 8, 2):
        assert len(batch) == len(set(batch)) == 8
        assert {labels[index] for index in batch} == {0, 1}


def test_one_class_and_a_batch_that_does_not_divide() -> None:
    with pytest.raises(UserError, match="need two classes or more, got 1"):
        list(sampler([3] * 20, 4, 2))
    with pytest.raises(UserError, match="need two classes or more, got 0"):
        list(sampler([-1] * 20, 4, 2))
    with pytest.raises(
        UserError, match="the batch size 6 is no multiple of data.samples_per_class 4"
    ):
        sampler([0, 1] * 10, 6, 4)


def test_two_processes_take_disjoint_batches_of_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [row % 4 for row in range(64)]
    alone = list(sampler(labels, 8, 2))
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, 2))
        share = sampler(labels, 8, 2)
        shares.append(list(share))
        assert len(shares[rank]) == len(share) == 4
    assert [batch for pair in zip(*shares, strict=True) for batch in pair] == alone
    seen = [{index for batch in share for index in batch} for share in shares]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(64))


def test_no_clip_comes_twice_in_an_epoch_of_the_default_plan() -> None:
    seen = Counter(
        index for batch in sampler([row % 12 for row in range(240)], 32, 4) for index in batch
    )
    assert set(seen.values()) == {1}
    assert len(seen) == 240 // 32 * 32
