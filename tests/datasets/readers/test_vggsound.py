"""VGGSound's two editions, its class lists and test recordings, and reading of lists in general."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diccae.datasets.readers.manifest import COLUMNS
from diccae.datasets.readers.vggsound import exclude_vggsound_test, read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write
from tests.datasets.readers.vggsound_rows import IDS, LONG, NAMES, SHORT


@pytest.mark.parametrize(
    ("end", "bom"), [("\n", False), ("\r\n", False), ("\r\n", True), ("\r", False)]
)
def test_rows_of_the_original_edition(write: Write, end: str, bom: bool) -> None:
    table = read([write("vggsound.csv", *LONG, end=end, bom=bom)], None)
    assert table["id"].tolist() == IDS
    assert table["video"].tolist() == [row[:11] for row in IDS]
    assert table["group"].tolist() == table["video"].tolist()
    assert table["fold"].tolist() == [-1] * 4
    assert table["fold"].dtype == np.int32
    assert table["label_name"].tolist() == ["people marching", NAMES[0], NAMES[2], NAMES[3]]
    assert table["label"].tolist() == [1, 0, 2, 3]
    assert table["split"].tolist() == ["test", "train", "train", "test"]
    assert table["start"].tolist() == [1, 21, 110, 0]
    assert table["end"].tolist() == [11, 31, 120, 10]
    assert set(table["source"]) == {"vggsound"}
    assert set(table["path"]) == {""}
    assert table.attrs["classes"] == NAMES
    assert table["label"].dtype == np.int32


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_editions_say_the_same(write: Write, end: str) -> None:
    one = read([write("vggsound.csv", *LONG)], None)
    two = read([write(name, *lines, end=end) for name, lines in SHORT.items()], None)
    order = one.sort_values("id", ignore_index=True)
    assert order[COLUMNS].equals(two.sort_values("id", ignore_index=True)[COLUMNS])


def test_a_header_and_comments_and_blank_lines_are_no_clips(write: Write) -> None:
    path = write(
        "vggsound.csv",
        "# made by me",
        "",
        "ytid,start,label,split",
        LONG[0],
        "",
        "   ",
        LONG[1],
        "",
    )
    assert read([path], None)["id"].tolist() == IDS[:2]


def test_both_editions_at_once_are_duplicates(write: Write) -> None:
    lists = [
        write("vggsound.csv", *LONG, LONG[0]),
        *(write(name, *lines) for name, lines in SHORT.items()),
    ]
    table = read(lists, None)
    assert table["id"].tolist() == IDS
    assert (table.attrs["listed"], table.attrs["duplicates"]) == (9, 5)


def test_contradictions_name_both_lines(write: Write) -> None:
    path = write("vggsound.csv", "# comment", *LONG, "", "-0jeONf82dE,21,hail,train")
    with pytest.raises(UserError) as caught:
        read([path], None)
    assert (
        f"{path}, line 7: -0jeONf82dE_000021 has label_name 'hail', "
        "but 'bird chirping, tweeting' in " in str(caught.value)
    )
    assert f"{path}, line 3; remove one of the two lines" in str(caught.value)


def test_a_clip_in_both_splits_is_a_contradiction(write: Write) -> None:
    train, test = (write(name, SHORT["test.csv"][0]) for name in ("train.csv", "test.csv"))
    with pytest.raises(
        UserError, match=f"{test}, line 1: .* has split 'test', but 'train' in {train}, line 1"
    ):
        read([train, test], None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-0jeONf82dE,21,bird chirping, tweeting,train", "wanted 4 cells .* got 5 .* needs quotes"),
        ("-0jeONf82dE,21,hail", "wanted 4 cells .* got 3"),
        ("-0jeONf82dE,soon,hail,train", "start: wanted a number >= 0, got 'soon'"),
        ("-0jeONf82dE,-3,hail,train", "start: wanted a number >= 0, got '-3'"),
        (
            "-0jeONf82dE,3,hail,validation",
            "wanted a split of train, test, got 'validation'",
        ),
        ("-0jeONf82dE,3,,train", "the class name is empty"),
        ("#NAME?,3,hail,train", "wanted a YouTube id of 11 characters, got '#NAME\\?'"),
    ],
)
def test_bad_rows_are_named_by_their_line(write: Write, line: str, words: str) -> None:
    path = write("vggsound.csv", LONG[0], "", line, LONG[1])
    with pytest.raises(UserError, match=f"^{path}, line 3: .*{words}"):
        read([path], None)


def test_a_bad_file_name_in_the_short_edition(write: Write) -> None:
    path = write("train.csv", *SHORT["train.csv"], "-0jeONf82dE.mp4,hail")
    with pytest.raises(
        UserError, match=f"{path}, line 3: wanted a file name like .* got '-0jeONf82dE.mp4'"
    ):
        read([path], None)


def test_bad_lists(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere.csv: the list cannot be read .*--lists"):
        read([tmp_path / "nowhere.csv"], None)
    with pytest.raises(UserError, match="no row in this list"):
        read([write("test.csv", "# only this", "")], None)
    with pytest.raises(UserError, match="its first row has 3"):
        read([write("test.csv", "a,b,c")], None)
    with pytest.raises(UserError, match="rename it to train.csv or test.csv"):
        read([write("clips.csv", *SHORT["test.csv"])], None)
    with pytest.raises(UserError, match="no list file was given"):
        read([], None)
    path = write("test.csv")
    path.write_bytes("---g-f_I2yQ_000001.mp4,caf\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read([path], None)
    path.write_bytes("---g-f_I2yQ_000001.mp4,hail\n".encode("utf-16"))
    with pytest.raises(UserError, match="UTF-16; save it as UTF-8"):
        read([path], None)


# class order


def test_a_class_list_sets_the_order(write: Write) -> None:
    quoted = [
        '"bird chirping, tweeting"',
        "people marching",
        "police car (siren)",
        '"the ""quoted"" class"',
    ]
    shuffled = [f"{index},/m/{place},{quoted[place]}" for index, place in enumerate((3, 1, 0, 2))]
    classes = write("class_labels_indices_vgg.csv", "index,mid,display_name", *shuffled, end="\r\n")
    table = read([write("vggsound.csv", *LONG)], None, classes)
    assert table["label"].tolist() == [1, 2, 3, 0]
    assert table.attrs["classes"] == [NAMES[3], NAMES[1], NAMES[0], NAMES[2]]


def test_vggsounds_stat_csv_is_sorted(write: Write) -> None:
    stat = write(
        "stat.csv",
        "people marching,1050,people",
        '"bird chirping, tweeting",1050,animals',
        "hail,9,nature",
    )
    table = read([write("vggsound.csv", *LONG[:2])], None, stat)
    assert table.attrs["classes"] == ["bird chirping, tweeting", "hail", "people marching"]
    assert table["label"].tolist() == [2, 0]


def test_a_class_that_is_not_in_the_class_list(write: Write) -> None:
    path = write("vggsound.csv", *LONG)
    with pytest.raises(
        UserError, match=f"{path}, line 3: 'police car \\(siren\\)' is not one of the classes"
    ):
        read([path], None, write("names.txt", "people marching", "bird chirping, tweeting"))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["index,mid,display_name", "0,/m/a,hail", "2,/m/b,rain"], "without gaps"),
        (["label,label_name", "0,hail", "1,hail"], "'hail' occurs twice"),
        (["label,label_name", "0,hail", "one,rain"], "must be a number"),
        (["label;label_name", "0;hail", "1;rain"], "separated by ';': save the list with commas"),
    ],
)
def test_bad_class_lists(write: Write, lines: list[str], words: str) -> None:
    with pytest.raises(UserError, match=f"names.csv: .*{words}"):
        read([write("vggsound.csv", *LONG)], None, write("names.csv", *lines))


# the test recordings


def test_other_clips_of_test_recordings_go(write: Write) -> None:
    vggsound = read([write("vggsound.csv", *LONG)], None)
    others = read(
        [write("train.csv", "---g-f_I2yQ_000300.mp4,hail", "ZZZZZZZZZZZ_000001.mp4,hail")], None
    )
    kept, count = exclude_vggsound_test(others, vggsound)
    assert count == 1
    assert kept["id"].tolist() == ["ZZZZZZZZZZZ_000001"]
    assert kept.attrs["vggsound_test_removed"] == 1
    assert kept.attrs["listed"] == 2
    assert len(others) == 2
    kept, count = exclude_vggsound_test(vggsound, vggsound)
    assert count == 2
    assert kept["split"].tolist() == ["train", "train"]


def test_removing_needs_a_test_list(write: Write) -> None:
    train = read([write("train.csv", *SHORT["train.csv"])], None)
    with pytest.raises(UserError, match="no test clips"):
        exclude_vggsound_test(train, train)
