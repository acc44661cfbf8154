"""Words like train and test in the names of lists and in the paths of clips."""

from __future__ import annotations

import pytest

from diccae.datasets.readers import plain_csv, vggsound
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

HEAD = "path,label_name,split"
# the words of these paths are the splits of the clips
USUAL = ["train/a.mp4,golf,train", "test/b.mp4,golf,test", "val/c.mp4,golf,validation"]
NAMED = ["train-01.mp4,golf,train", "x_test.02.mp4,golf,test"]


@pytest.mark.parametrize(
    ("usual", "line", "words"),
    [
        (USUAL, "train/x.mp4,golf,test", "'train/x.mp4' is listed as test, .* says 'train'"),
        (USUAL, "Test/x.mp4,golf,train", "'Test/x.mp4' is listed as train, .* says 'test'"),
        (USUAL, "a/test/x.mp4,golf,update", "is listed as update, .* says 'test'"),
        (USUAL, "test/x.mp4,,unlabelled", "is listed as unlabelled, .* says 'test'"),
        (USUAL, "val/x.mp4,golf,train", "is listed as train, .* says 'val'"),
        (NAMED, "my train 03.mp4,golf,test", "'my train 03.mp4' is listed as test"),
        (NAMED, "03_testing.mp4,golf,train", "'03_testing.mp4' is listed as train"),
    ],
)
def test_a_path_that_contradicts_the_split(
    write: Write, usual: list[str], line: str, words: str
) -> None:
    with pytest.raises(UserError, match=f"my.csv, line {len(usual) + 2}: .*{words}.*; correct"):
        plain_csv.read([write("my.csv", HEAD, *usual, line)], None)


@pytest.mark.parametrize(
    "line",
    [
        "train/x.mp4,golf,update",
        "train/x.mp4,,unlabelled",
        "unlabelled/x.mp4,,unlabelled",
        # parts of other words
        "trains/contest.mp4,golf,test",
        "trainer_validated.mp4,golf,test",
        # words of the class, as in VGGSound
        "train_horning_01.mp4,train horning,test",
        "train whistling/train/01.mp4,train whistling,test",
        "train/x.mp4,Train,test",
        # two words, one of them the split's
        "train/test_01.mp4,golf,test",
    ],
)
def test_a_path_that_says_nothing_else(write: Write, line: str) -> None:
    table = plain_csv.read([write("my.csv", HEAD, *USUAL, *NAMED, line)], None)
    assert table.attrs["notes"] == []


@pytest.mark.parametrize(
    ("lines", "first"),
    [
        # all clips are in one folder
        (["train/a.mp4,golf,train", "train/b.mp4,golf,test"], 3),
        # a name of something else
        (["freight_train.mp4,locomotive,test", "a.mp4,golf,train"], 2),
        # clips of a public training folder as validation, and of its validation folder as test
        ([*USUAL, "train/x.mp4,golf,validation", "val/y.mp4,golf,test"], 5),
    ],
)
def test_weak_evidence_is_counted(write: Write, lines: list[str], first: int) -> None:
    (note,) = plain_csv.read([write("my.csv", HEAD, *lines)], None).attrs["notes"]
    clips = 2 if len(lines) == 5 else 1
    assert note.startswith(f"clips with the name of another split in the path: {clips}, first ")
    assert f"my.csv, line {first}: " in note


def test_the_splits_of_published_lists_are_right(write: Write, hold: Write) -> None:
    rows = [f"{number:011d},0,train horning,{split}" for number, split in enumerate(["train"] * 3)]
    rows += [f"{number:011d},0,hail,test" for number in (3, 4)]
    folders = ["train", "train horning", "test", "test", "train"]
    media = hold(*(f"{folder}/{n:011d}_000000.mp4" for n, folder in enumerate(folders)))
    table = vggsound.read([write("vggsound.csv", *rows)], media)
    (note,) = table.attrs["notes"]
    assert note.startswith("clips with the name of another split in the path: 2, first ")
    # the name of VGGSound's archive is that of no split
    media = hold(*(f"beegfs/train_data/{number:011d}_000000.mp4" for number in range(5)))
    for folder in {*folders}:
        for file in (media / folder).iterdir():
            file.unlink()
    assert vggsound.read([write("vggsound.csv", *rows)], media).attrs["notes"] == []


def test_a_list_whose_name_contradicts_all_its_rows(write: Write) -> None:
    with pytest.raises(UserError, match="test.csv: its name says test, .* splits .2 train.; corr"):
        plain_csv.read([write("my_test.csv", "path,label_name", "a.mp4,golf", "b.mp4,golf")], None)


def test_a_list_whose_name_contradicts_some_of_its_rows(write: Write) -> None:
    table = plain_csv.read([write("train.csv", HEAD, *USUAL)], None)
    (note,) = table.attrs["notes"]
    assert "its name says train, but it has clips of others (1 test, 1 validation)" in note


@pytest.mark.parametrize("name", ["train_test.csv", "contest.csv", "train.csv", "kitchen.csv"])
def test_a_list_whose_name_contradicts_no_row(write: Write, name: str) -> None:
    lines = ["path,label_name", "a.mp4,golf", "b.mp4,"]
    assert plain_csv.read([write(name, *lines)], None).attrs["notes"] == []


def test_validation_clips_of_a_data_set_as_test_split(write: Write) -> None:
    (note,) = plain_csv.read([write("val.csv", HEAD, "a.mp4,golf,test")], None).attrs["notes"]
    assert "its name says validation" in note
