"""From the lists of a plan to one manifest: which clips are joined and removed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from diccae.datasets.readers.assemble import assemble
from diccae.errors import UserError
from diccae.source_lists import Lists
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
