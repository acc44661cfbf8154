"""Training clips split off for updates and validation: disjoint, balanced, drawn by seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.datasets.readers.split_off import split_off
from diccae.errors import UserError


def pool(sizes: dict[str, int], **others: Any) -> pd.DataFrame:
    """Training clips of classes, each with a file and a group of its own, and one test clip per
    class."""
    rows = [
        {"id": f"{name}-{number:03d}", "label": label, "label_name": name, "split": split}
        for label, (name, size) in enumerate(sizes.items())
        for split, span in (("train", range(size)), ("test", [900]))
        for number in span
    ]
    table = pd.DataFrame(rows)
    return table.assign(path="x.mp4", group=table["id"], **others)


def parts(table: pd.DataFrame) -> dict[str, set[str]]:
    return {split: set(rows["id"]) for split, rows in table.groupby("split")}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_splits_are_disjoint_and_balanced(seed: int) -> None:
    before = pool({"hail": 9, "rain": 6, "snow": 30})
    before.attrs["classes"] = ["hail", "rain", "snow"]
    after = split_off(before, 3, 2, found_only=True, seed=seed)
    assert after["id"].tolist() == before["id"].tolist()
    found = parts(after)
    assert {split: len(ids) for split, ids in found.items()} == {
        "update": 9,
        "validation": 6,
        "train": 30,
        "test": 3,
    }
    assert found["test"] == parts(before)["test"]
    sizes = after.groupby(["label_name", "split"]).size()
    assert [sizes[name, "update"] for name in ("hail", "rain", "snow")] == [3, 3, 3]
    assert [sizes[name, "validation"] for name in ("hail", "rain", "snow")] == [2, 2, 2]
    assert [sizes[name, "train"] for name in ("hail", "rain", "snow")] == [4, 1, 25]
    assert after.attrs == before.attrs
    assert set(before["split"]) == {"train", "test"}


def test_the_draw_depends_on_seed_and_ids_alone() -> None:
    before = pool({"hail": 9, "rain": 6})
    first = parts(split_off(before, 2, 1, found_only=True, seed=4))
    assert parts(split_off(before, 2, 1, found_only=True, seed=4)) == first
    shuffled = before.sample(frac=1, random_state=0, ignore_index=True)
    assert parts(split_off(shuffled, 2, 1, found_only=True, seed=4)) == first
    assert parts(split_off(before, 2, 1, found_only=True, seed=5)) != first


def test_nothing_to_split_off_leaves_the_table() -> None:
    before = pool({"hail": 1})
    assert split_off(before, 0, 0, found_only=True).equals(before)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"hail": 9, "rain": 3}, "'rain' has 3; lower lists.update_per_class"),
        ({"hail": 2, "rain": 0, "snow": 5}, "'hail' has 2, 'rain' has 0; lower"),
        (
            {name: number for number, name in enumerate(["a", "b", "c", "d", "e", "f"])},
            "'a' has 0, 'b' has 1, 'c' has 2 and 1 more classes have too few; lower",
        ),
    ],
)
def test_too_few_clips_of_a_class_are_an_error_with_its_name(
    sizes: dict[str, int], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        split_off(pool(sizes), 2, 1, found_only=True)
    assert "wanted more than 3 training clips a class (2 update, 1 validation), " + words in str(
        caught.value
    )


def test_clips_without_a_file_do_not_count_where_files_are_looked_for() -> None:
    table = pool({"hail": 6, "rain": 6})
    table.loc[np.flatnonzero((table["label"] == 1) & (table["split"] == "train")), "path"] = ""
    with pytest.raises(UserError, match="'rain' has 0; lower .* or find the missing files"):
        split_off(table, 2, 1, found_only=True)
    assert len(parts(split_off(table, 2, 1, found_only=False))["update"]) == 4


def test_no_labelled_training_clip_at_all() -> None:
    table = pool({"hail": 6}).query("split == 'test'").reset_index(drop=True)
    with pytest.raises(UserError, match="'hail' has 0"):
        split_off(table, 2, 1, found_only=True)
    with pytest.raises(UserError, match="there are none"):
        split_off(table.assign(label=-1), 2, 1, found_only=True)


def slow(table: pd.DataFrame, update: int, validation: int, seed: int) -> list[str]:
    """Splits where each clip is a group of its own: the first clips of each class in the order of
    the draw."""
    rows = table.index[table["split"] == "train"]
    rows = rows[np.argsort(table["id"].to_numpy()[rows], kind="stable")]
    split = table["split"].tolist()
    place: dict[int, int] = {}
    for row in np.random.default_rng([seed, 5]).permutation(rows):
        label = table["label"][row]
        place[label] = place.get(label, -1) + 1
        if place[label] < update + validation:
            split[row] = "update" if place[label] < update else "validation"
    return split


@pytest.mark.parametrize("seed", range(3))
def test_clips_that_are_groups_of_their_own(seed: int) -> None:
    table = pool({"hail": 9, "rain": 6, "snow": 30})
    drawn = split_off(table, 3, 2, found_only=True, seed=seed)
    assert drawn["split"].tolist() == slow(table, 3, 2, seed)


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_drawn_whole(seed: int) -> None:
    table = pool({"hail": 40, "rain": 40})
    # some groups have clips of both classes, and one has a test clip
    table["group"] = [f"group {number % 17}" for number in range(len(table))]
    table.loc[table["split"] == "test", "group"] = ["group 3", "another"]
    table.loc[5, "path"] = ""
    drawn = split_off(table, 5, 3, found_only=True, seed=seed)
    train = drawn[table["split"] == "train"]
    assert (train.groupby("group")["split"].nunique() == 1).all()
    assert set(train.loc[train["group"] == "group 3", "split"]) == {"train"}
    found = train[train["path"] != ""].groupby(["label", "split"]).size()
    for label in (0, 1):
        assert found[label, "update"] >= 5
        assert found[label, "validation"] >= 3
        assert found[label, "train"] >= 1
    shuffled = table.sample(frac=1, random_state=0, ignore_index=True)
    assert parts(split_off(shuffled, 5, 3, found_only=True, seed=seed)) == parts(drawn)


def test_too_few_groups_of_a_class() -> None:
    table = pool({"hail": 9, "rain": 9})
    table.loc[table["label"] == 1, "group"] = ["one", "two"] * 5
    words = r"\(2 update, 1 validation, in whole groups\), 'rain' has 9 in 2 groups; lower"
    with pytest.raises(UserError, match=words):
        split_off(table.query("id != 'rain-900'").reset_index(drop=True), 2, 1, found_only=True)
