"""Folds of groups: nothing of a group in two splits, every labelled clip tested once a rotation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.datasets.folds import LEFT_OUT, fold_splits
from diccae.errors import UserError

GROUPS = 12
FOLDS = 3


def table(seed: int = 0) -> pd.DataFrame:
    """Four classes of 12 recordings with 1 to 4 clips; 30 unlabelled clips, half of them of the
    same recordings."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, int, str]] = []
    for label in range(4):
        for number in range(GROUPS):
            rows += [(f"{label}-{number}", label, "train")] * int(rng.integers(1, 5))
    rows += [
        (f"{n % 4}-{n % GROUPS}" if n < 15 else f"other-{n}", -1, "unlabelled") for n in range(30)
    ]
    clips = pd.DataFrame(rows, columns=["group", "label", "split"])
    clips["id"] = [f"clip-{row:03d}" for row in range(len(clips))]
    clips["fold"] = [int(group.split("-")[1]) % FOLDS + 1 for group in clips["group"]]
    clips.loc[clips["label"] < 0, "fold"] = -1
    return clips.assign(status="ok")


def settings(fold: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "grouped",
        "count": FOLDS,
        "fold": fold,
        "update_per_class": 3,
        "validation_per_class": 2,
        "train_groups_per_class": None,
        "shared_groups": "refuse",
    } | changes


@pytest.mark.parametrize("kind", ["grouped", "official"])
def test_no_group_is_in_two_splits_and_every_labelled_clip_is_tested_once(kind: str) -> None:
    clips = table()
    labelled = clips["label"] >= 0
    tested = np.zeros(len(clips), int)
    for fold in range(1, FOLDS + 1):
        split = fold_splits(clips, settings(fold, kind=kind), seed=0)
        by_group = clips.assign(split=split)[split != LEFT_OUT].groupby("group")["split"]
        # an unlabelled clip of a recording may join training, and nothing that is held out of it
        together = by_group.agg(lambda names: set(names) - {"unlabelled"})
        assert (together.map(len) <= 1).all()
        scored = set(clips["group"][np.isin(split, ["update", "validation", "test"])])
        assert set(split[~labelled & clips["group"].isin(scored)]) == {LEFT_OUT}
        assert set(split[~labelled & ~clips["group"].isin(scored)]) == {"unlabelled"}
        for label in range(4):
            own = split[clips["label"] == label]
            assert 3 <= (own == "update").sum() < 3 + 4
            assert 2 <= (own == "validation").sum() < 2 + 4
            assert (own == "train").any()
        tested += split == "test"
    assert np.array_equal(tested, labelled.astype(int))


def test_official_folds_are_those_of_the_lists() -> None:
    clips = table()
    split = fold_splits(clips, settings(2, kind="official"), seed=5)
    assert np.array_equal(split == "test", clips["fold"] == 2)


def test_shared_groups_of_official_folds_are_left_out_where_they_are_tested() -> None:
    clips = table()
    # a recording of each class with clips in folds 1 and 2
    shared = clips["group"].str.fullmatch("[0-3]-[01]").to_numpy(bool)
    clips.loc[shared, "group"] = clips["group"].str[0] + "-shared"
    labelled = (clips["label"] >= 0).to_numpy()
    for fold in (1, 2, 3):
        changes = {"kind": "official", "shared_groups": "leave_out"}
        split = fold_splits(clips, settings(fold, **changes), seed=0)
        assert np.array_equal(split == "test", (clips["fold"] == fold).to_numpy())
        elsewhere = shared & labelled & (clips["fold"] != fold).to_numpy()
        assert (split[elsewhere] == LEFT_OUT).all() == (fold != 3)
        assert not (split[labelled & ~shared] == LEFT_OUT).any()
        names = clips.assign(split=split)[labelled & (split != LEFT_OUT)]
        assert (names.groupby("group")["split"].nunique() == 1).all()


def test_a_seed_is_another_partition_and_the_order_of_rows_is_none() -> None:
    clips = table()
    first = fold_splits(clips, settings(), seed=0)
    assert (first != fold_splits(clips, settings(), seed=1)).any()
    order = np.random.default_rng(3).permutation(len(clips))
    shuffled = clips.iloc[order].reset_index(drop=True)
    assert np.array_equal(fold_splits(shuffled, settings(), seed=0), first[order])


def test_dealt_folds_are_of_like_size_in_every_class() -> None:
    clips = table()
    tests = [fold_splits(clips, settings(fold), seed=0) == "test" for fold in (1, 2, 3)]
    for label in range(4):
        sizes = [int((test & (clips["label"] == label)).sum()) for test in tests]
        # each group goes to the smallest fold, so folds differ by at most one group
        assert max(sizes) - min(sizes) <= 4


def test_few_labelled_recordings_leave_the_others_in_the_pool() -> None:
    clips = table()
    split = fold_splits(clips, settings(train_groups_per_class=2), seed=0)
    for label in range(4):
        own = clips["label"] == label
        assert clips["group"][own & (split == "train")].nunique() == 2
        assert (split[own] == "unlabelled").any()


def test_clips_that_cannot_be_used_do_not_count_as_withheld() -> None:
    clips = table()
    clips.loc[clips["group"].str.endswith(("-0", "-1", "-2")), "status"] = "missing"
    split = fold_splits(clips, settings(), seed=0)
    usable = clips["status"] == "ok"
    for label in range(4):
        assert ((split == "update") & usable & (clips["label"] == label)).sum() >= 3


@pytest.mark.parametrize("seed", range(5))
def test_clips_of_other_classes_in_a_group_do_not_count_as_withheld(seed: int) -> None:
    clips = table()
    # every recording of class 0 has a clip of class 1 too
    more = clips[clips["label"] == 0].drop_duplicates("group")
    more = more.assign(label=1, id="more-" + more["id"])
    clips = pd.concat([clips, more], ignore_index=True)
    split = fold_splits(clips, settings(), seed=seed)
    for label in range(4):
        own = split[clips["label"] == label]
        assert (own == "update").sum() >= 3
        assert (own == "validation").sum() >= 2


@pytest.mark.parametrize(
    ("change", "folds", "words"),
    [
        (
            {"split": "test"},
            {},
            "labelled clips are listed in other splits than train, first clip-",
        ),
        ({}, {"count": 13}, "class 0 has 12 groups for 13 folds; lower data.folds.count"),
        ({}, {"kind": "official", "count": 4}, r"folds 1 to 4, and the lists have the folds \[1,"),
        ({"fold": -1}, {"kind": "official"}, "labelled clips without a fold"),
        ({"group": "same"}, {"kind": "official"}, "group 'same' is in the official folds 1 and 2"),
        ({}, {"update_per_class": 30}, "class 0 has . groups outside fold 1, too few for lists"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(
    change: dict[str, Any], folds: dict[str, Any], words: str
) -> None:
    clips = table()
    for column, value in change.items():
        clips.loc[clips["label"] >= 0, column] = value
    with pytest.raises(UserError, match=words):
        fold_splits(clips, settings(**folds), seed=0)
