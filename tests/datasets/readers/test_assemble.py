"""From the lists of a plan to one manifest: which clips are joined, removed and split off."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.datasets.readers.assemble import assemble, split_off
from diccae.errors import UserError
from diccae.sections import Lists
from tests.datasets.readers.conftest import Write

CLASSES = ["bird chirping, tweeting", "hail"]
HEAD = "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb,verb_class"


def names(label: int, split: str, count: int) -> list[str]:
    return [f"{'-_v'[number % 3]}{split:_<7}{label}{number:02d}" for number in range(count)]


@pytest.fixture
def lists(write: Write, hold: Write, tmp_path: Path) -> Lists:
    """Six training clips (the last without a file) and two test clips per class.

    AudioSet has a recording of the test split twice.
    """
    rows, files = [], []
    for label, name in enumerate(CLASSES):
        for split, count in (("train", 6), ("test", 2)):
            videos = names(label, split, count)
            rows += [f'{video},7,"{name}",{split}' for video in videos]
            files += [
                f"vggsound/{video}_000007.mp4" for video in videos[: 5 if split == "train" else 2]
            ]
    test = names(1, "test", 2)[1]
    segments = [
        f'{video}, 30.000, 40.000, "/m/a,/m/b"' for video in ("-audioset01", test, "_audioset02")
    ]
    files += [f"audioset/Y{video}.mp4" for video in ("-audioset01", test)]
    files += ["epic/P01/videos/P01_01.MP4", "ucf/Archery/v_Archery_g01_c01.avi"]
    hold(*files)
    media = tmp_path / "media"
    sources = [
        {
            "reader": "vggsound",
            "lists": [write("vggsound.csv", *rows)],
            "media": media / "vggsound",
        },
        {
            "reader": "audioset",
            "lists": [
                write("unbalanced_train_segments.csv", "# Segments csv", *segments[:2]),
                write(
                    "balanced_train_segments.csv", segments[2], f'{test}, 50.000, 60.000, "/m/a"'
                ),
            ],
            "media": media / "audioset",
        },
        {
            "reader": "epic_kitchens",
            "lists": [
                write("EPIC_100_train.csv", HEAD, "P01_01_0,P01,P01_01,00:00:01,00:00:03,take,0")
            ],
            "media": media / "epic",
        },
        {
            "reader": "ucf101",
            "lists": [write("trainlist01.txt", "Archery/v_Archery_g01_c01.avi 1")],
            "media": media / "ucf",
        },
    ]
    write("classInd.txt", "1 Archery")
    text = [
        {**source, "lists": [str(path) for path in source["lists"]], "media": str(source["media"])}
        for source in sources
    ]
    return Lists(sources=text, labelled="vggsound", update_per_class=2, validation_per_class=1)


def counts(table: pd.DataFrame) -> dict[tuple[str, str], int]:
    return dict(Counter(zip(table["source"], table["split"], strict=True)))


def test_sources_are_joined_and_one_keeps_its_labels(lists: Lists) -> None:
    table = assemble(lists)
    assert counts(table) == {
        ("vggsound", "train"): 6,
        ("vggsound", "update"): 4,
        ("vggsound", "validation"): 2,
        ("vggsound", "test"): 4,
        ("audioset", "unlabelled"): 2,
        ("epic_kitchens", "unlabelled"): 1,
        ("ucf101", "unlabelled"): 1,
    }
    labelled = table["source"] == "vggsound"
    assert table.loc[labelled, "label_name"].tolist() == [
        CLASSES[label] for label in table.loc[labelled, "label"]
    ]
    assert set(table.loc[~labelled, "label"]) == {-1}
    assert table.attrs["classes"] == CLASSES
    assert table["id"].is_unique


def test_recordings_of_the_test_split_leave_the_other_sources_and_are_counted(lists: Lists) -> None:
    table = assemble(lists)
    test = set(table.loc[table["split"] == "test", "video"])
    assert len(test) == 4
    assert not test & set(table.loc[table["split"] != "test", "video"])
    assert table.attrs["sources"] == {
        "vggsound": {
            "listed": 16,
            "duplicates": 0,
            "found": 14,
            "ambiguous": 0,
            "vggsound_test_removed": 0,
        },
        "audioset": {
            "listed": 4,
            "duplicates": 0,
            "found": 1,
            "ambiguous": 2,
            "vggsound_test_removed": 2,
        },
        "epic_kitchens": {
            "listed": 1,
            "duplicates": 0,
            "found": 1,
            "ambiguous": 0,
            "vggsound_test_removed": 0,
        },
        "ucf101": {
            "listed": 1,
            "duplicates": 0,
            "found": 1,
            "ambiguous": 0,
            "vggsound_test_removed": 0,
        },
    }


def test_only_clips_with_a_file_are_split_off(lists: Lists) -> None:
    table = assemble(lists)
    chosen = table[table["split"].isin(["update", "validation"])]
    assert (chosen["path"] != "").all()
    for split, wanted in (("update", 2), ("validation", 1)):
        assert chosen.loc[chosen["split"] == split, "label"].value_counts().to_dict() == {
            0: wanted,
            1: wanted,
        }
    # the clips without a file stay where the list has them
    gone = table[(table["source"] == "vggsound") & (table["path"] == "")]
    assert gone["split"].tolist() == ["train", "train"]


def test_from_lists_alone(lists: Lists) -> None:
    missing = lists.model_copy(
        update={
            "sources": [source.model_copy(update={"media": "nowhere"}) for source in lists.sources]
        }
    )
    table = assemble(missing, search=False)
    assert set(table["path"]) == {""}
    assert counts(table)["vggsound", "update"] == 4
    with pytest.raises(
        UserError,
        match=r"lists.sources: there is no folder nowhere with the clips of vggsound; put",
    ):
        assemble(missing)


def test_missing_lists_are_named_with_their_key(lists: Lists) -> None:
    Path(lists.sources[1].lists[1]).unlink()
    Path(lists.sources[2].lists[0]).unlink()
    with pytest.raises(
        UserError,
        match=r"lists.sources: 2 of 5 list files are missing, .*balanced_train_segments.csv of "
        "audioset first",
    ):
        assemble(lists)


def test_a_class_list_of_the_plan_is_used_and_checked(lists: Lists, write: Write) -> None:
    order = write("labels.csv", "label,label_name", f"0,{CLASSES[1]}", f'1,"{CLASSES[0]}"')
    first = lists.sources[0].model_copy(update={"classes": str(order)})
    chosen = lists.model_copy(update={"sources": [first, *lists.sources[1:]]})
    assert assemble(chosen).attrs["classes"] == CLASSES[::-1]
    order.unlink()
    with pytest.raises(
        UserError, match=r"1 of 6 list files are missing, .*labels.csv of vggsound first"
    ):
        assemble(chosen)


# carving


def pool(sizes: dict[str, int], **others: Any) -> pd.DataFrame:
    """Training clips of classes in random order, each with a file, and one test clip per class."""
    rows = [
        {"id": f"{name}-{number:03d}", "label": label, "label_name": name, "split": split}
        for label, (name, size) in enumerate(sizes.items())
        for split, span in (("train", range(size)), ("test", [900]))
        for number in span
    ]
    return pd.DataFrame(rows).assign(path="x.mp4", **others)


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
