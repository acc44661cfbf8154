"""AudioSet's three lists, exactly as they ship."""

from __future__ import annotations

import numpy as np
import pytest

from diccae.datasets.readers.audioset import read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

HEADER = [
    "# Segments csv created Sun Mar  5 10:54:31 2017",
    "# num_ytids=3, num_segs=3, num_unique_labels=3, num_positive_labels=4",
    "# YTID, start_seconds, end_seconds, positive_labels",
]
ROWS = [
    '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"',
    '-_BcDeFgHiJ, 0.000, 7.500, "/m/09x0r"',
    'Z_y_x_w_v-u, 420.000, 430.000, "/m/04rlf"',
]
CLASSES = [
    "index,mid,display_name",
    '0,/m/09x0r,"Speech"',
    '1,/t/dd00088,"Male speech, man speaking"',
    '2,/m/04rlf,"Music"',
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("unbalanced_train_segments.csv", "unbalanced_train"),
        ("balanced_train_segments.csv", "balanced_train"),
        ("eval_segments.csv", "eval"),
    ],
)
def test_rows(write: Write, name: str, split: str, end: str) -> None:
    table = read([write(name, *HEADER, *ROWS, end=end)], None)
    assert table["id"].tolist() == ["--PJHxphWEs_30000", "-_BcDeFgHiJ_0", "Z_y_x_w_v-u_420000"]
    assert table["start"].tolist() == [30, 0, 420]
    assert table["end"].tolist() == [40, 7.5, 430]
    assert table["label_name"].tolist() == ["/m/09x0r; /t/dd00088", "/m/09x0r", "/m/04rlf"]
    assert table["label"].tolist() == [-1, -1, -1]
    assert set(table["split"]) == {split}
    assert set(table["source"]) == {"audioset"}


def test_class_names_and_their_order(write: Write) -> None:
    table = read(
        [write("eval_segments.csv", *HEADER, *ROWS)],
        None,
        write("class_labels_indices.csv", *CLASSES, end="\r\n"),
    )
    assert table["label_name"].tolist() == ["Speech; Male speech, man speaking", "Speech", "Music"]
    assert table["label"].tolist() == [-1, -1, -1]
    assert table.attrs["classes"] == ["Speech", "Male speech, man speaking", "Music"]


def test_an_unknown_class(write: Write) -> None:
    path = write("eval_segments.csv", *HEADER, *ROWS)
    with pytest.raises(UserError, match=f"{path}, line 6: '/m/04rlf' has an id that is not in "):
        read([path], None, write("class_labels_indices.csv", *CLASSES[:3]))


def test_a_bad_class_list(write: Write) -> None:
    path = write("eval_segments.csv", *HEADER, *ROWS)
    classes = write("class_labels_indices.csv", CLASSES[0], CLASSES[1].replace("0,", "one,"))
    with pytest.raises(UserError, match="indices.csv: the first column .* must be a number"):
        read([path], None, classes)


def test_several_lists_and_duplicates(write: Write) -> None:
    lists = [
        write("unbalanced_train_segments.csv", *HEADER, *ROWS[:2], ROWS[0]),
        write("eval_segments.csv", *HEADER, ROWS[2]),
    ]
    table = read(lists, None)
    assert table["split"].tolist() == ["unbalanced_train", "unbalanced_train", "eval"]
    assert (table.attrs["listed"], table.attrs["duplicates"]) == (4, 1)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            '--PJHxphWEs, 30.000, 40.000, "/m/04rlf"',
            "has mids '/m/04rlf', but '/m/09x0r,/t/dd00088' in .*, line 4",
        ),
        (
            '--PJHxphWEs, 30.000, 41.000, "/m/09x0r,/t/dd00088"',
            "has end '41.0', but '40.0' in .*, line 4",
        ),
        ('--PJHxphWEs, 50.000, 50.000, "/m/09x0r"', "the clip ends at 50.0 s and starts at 50.0 s"),
        ('--PJHxphWEs, 50.000, nan, "/m/09x0r"', "end: wanted a number >= 0, got 'nan'"),
        ("--PJHxphWEs, 50.000, 60.000, ", "there is no class"),
        ("--PJHxphWEs, 50.000, 60.000, /m/09x0r,/m/04rlf", "wanted 4 cells .* got 5"),
    ],
)
def test_bad_rows(write: Write, row: str, words: str) -> None:
    path = write("balanced_train_segments.csv", *HEADER, *ROWS, row)
    with pytest.raises(UserError, match=f"{path}, line 7: .*{words}"):
        read([path], None)


def test_a_list_of_another_name(write: Write) -> None:
    with pytest.raises(UserError, match="rename it to one of unbalanced_train_segments.csv"):
        read([write("segments.csv", *HEADER, *ROWS)], None)


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["--PJHxphWEs_30", "-_BcDeFgHiJ_0", "Z_y_x_w_v-u_420"], "<id>_<start s>"),
        (["--PJHxphWEs_30.000", "-_BcDeFgHiJ_0.000", "Z_y_x_w_v-u_420.000"], "<id>_<start s.000>"),
        (["--PJHxphWEs_30000", "-_BcDeFgHiJ_0", "Z_y_x_w_v-u_420000"], "<id>_<start ms>"),
        (["--PJHxphWEs_30_40", "-_BcDeFgHiJ_0_7.5", "Z_y_x_w_v-u_420_430"], "<id>_<start s>_<end>"),
        (
            ["--PJHxphWEs_30.0-40.0", "-_BcDeFgHiJ_0.0-7.5", "Z_y_x_w_v-u_420.0-430.0"],
            "<id>_<start s.0>-<end>",
        ),
        (
            ["--PJHxphWEs_30000_40000", "-_BcDeFgHiJ_0_7500", "Z_y_x_w_v-u_420000_430000"],
            "<id>_<start ms>_<end>",
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["", "Y"])
def test_layouts(write: Write, hold: Write, names: list[str], layout: str, prefix: str) -> None:
    media = hold(*(f"eval/{prefix}{name}.mp4" for name in names))
    table = read([write("eval_segments.csv", *HEADER, *ROWS)], media)
    assert table["path"].tolist() == [str(media / f"eval/{prefix}{name}.mp4") for name in names]
    # second 0 looks the same in seconds and milliseconds
    assert table.attrs["layouts"].get(f"eval/{prefix}{layout}", 0) >= 2
    assert sum(table.attrs["layouts"].values()) == table.attrs["found"] == 3
    assert np.array_equal(table["start"], [0, 0, 0])
    assert np.array_equal(table["end"], [10, 7.5, 10])


def test_whole_recordings_keep_the_span(write: Write, film: Write) -> None:
    film("Y--PJHxphWEs.mp4", 60)
    media = film("Z_y_x_w_v-u.mp4", 440)
    table = read([write("eval_segments.csv", *HEADER, *ROWS)], media)
    assert table.attrs["layouts"] == {
        "<id> (whole recordings, by the length of 1 of 1 probed)": 1,
        "Y<id> (whole recordings, by the length of 1 of 1 probed)": 1,
    }
    assert table["start"].tolist() == [30, 0, 420]
    assert table["end"].tolist() == [40, 7.5, 430]
    assert table["path"].tolist() == [
        str(media / "Y--PJHxphWEs.mp4"),
        "",
        str(media / "Z_y_x_w_v-u.mp4"),
    ]
