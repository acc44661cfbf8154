"""Which clip stands in for another one."""

from __future__ import annotations

import numpy as np

from diccae.evaluation.withheld import other_clips


def test_another_clip_is_of_the_same_split_and_never_the_same_clip() -> None:
    splits = np.array(["test"] * 40 + ["validation"] * 20 + ["test"] * 7)
    others = other_clips(splits, seed=3)
    assert sorted(others) == list(range(67))
    assert (splits[others] == splits).all()
    assert (others != np.arange(67)).all()


def test_the_seed_decides() -> None:
    splits = np.array(["test"] * 30)
    assert (other_clips(splits, 1) == other_clips(splits, 1)).all()
    assert (other_clips(splits, 1) != other_clips(splits, 2)).any()


def test_the_only_clip_of_a_split_keeps_its_place() -> None:
    others = other_clips(np.array(["test", "validation", "test"]), seed=0)
    assert others.tolist() == [2, 1, 0]
