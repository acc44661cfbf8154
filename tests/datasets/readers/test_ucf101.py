"""UCF101's lists: labels from 1, test lists without labels, one class spelled in two ways."""

from __future__ import annotations

import numpy as np
import pytest

from diccae.datasets.readers.ucf101 import CLASSES_WITH_SOUND, read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

CLASSES = ["1 ApplyEyeMakeup", "2 Archery", "3 HandstandPushups"]
TRAIN = [
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1",
    "HandstandPushups/v_HandStandPushups_g10_c02.avi 3",
]
TEST = ["Archery/v_Archery_g01_c01.avi", "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c06.avi"]
IDS = [
    "v_ApplyEyeMakeup_g08_c01",
    "v_HandStandPushups_g10_c02",
    "v_Archery_g01_c01",
    "v_ApplyEyeMakeup_g01_c06",
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows(write: Write, end: str) -> None:
    write("classInd.txt", *CLASSES, end=end)
    table = read(
        [write("trainlist01.txt", *TRAIN, end=end), write("testlist01.txt", *TEST, end=end)], None
    )
    assert table["id"].tolist() == IDS
    assert table["video"].tolist() == [name[:-4] for name in IDS]
    groups = ["ApplyEyeMakeup_g08", "HandStandPushups_g10", "Archery_g01", "ApplyEyeMakeup_g01"]
    assert table["group"].tolist() == groups
    assert table["fold"].tolist() == [-1] * 4
    assert table["label"].tolist() == [0, 2, 1, 0]
    assert table["label_name"].tolist() == [
        "ApplyEyeMakeup",
        "HandstandPushups",
        "Archery",
        "ApplyEyeMakeup",
    ]
    assert table["split"].tolist() == ["train", "train", "test", "test"]
    assert table["start"].tolist() == [0] * 4
    assert np.isnan(table["end"]).all()
    assert table.attrs["classes"] == ["ApplyEyeMakeup", "Archery", "HandstandPushups"]


@pytest.mark.parametrize(
    ("folders", "layout"),
    [
        (["", "", "", ""], ""),
        (
            [
                "UCF-101/ApplyEyeMakeup/",
                "UCF-101/HandStandPushups/",
                "UCF-101/Archery/",
                "UCF-101/ApplyEyeMakeup/",
            ],
        )
        + ("UCF-101/<class>/",),
        (["train/", "train/", "test/", "test/"], "{test,train}/"),
    ],
)
def test_layouts(write: Write, hold: Write, folders: list[str], layout: str) -> None:
    names = [f"{folder}{name}.avi" for folder, name in zip(folders, IDS, strict=True)]
    media = hold(*names)
    write("classInd.txt", *CLASSES)
    table = read([write("trainlist01.txt", *TRAIN), write("testlist01.txt", *TEST)], media)
    assert table["path"].tolist() == [str(media / name) for name in names]
    assert table.attrs["layouts"] == {f"{layout}v_<class>_g<group>_c<clip>": 4}
    assert np.isnan(table["end"]).all()


def test_a_label_that_contradicts_the_class_list(write: Write) -> None:
    classes = write("classes.txt", *CLASSES)
    path = write("trainlist01.txt", *TRAIN, "Archery/v_Archery_g01_c01.avi 1")
    with pytest.raises(
        UserError, match=f"{path}, line 3: the label is 1, but Archery is 2 in {classes}"
    ):
        read([path], None, classes)


def test_lists_of_two_folds_contradict_each_other(write: Write) -> None:
    write("classInd.txt", *CLASSES)
    lists = [write("trainlist01.txt", *TRAIN), write("testlist02.txt", TRAIN[0].removesuffix(" 1"))]
    with pytest.raises(
        UserError, match="testlist02.txt, line 1: .* has split 'test', but 'train' in .*trainlist01"
    ):
        read(lists, None)


def test_bad_lists(write: Write) -> None:
    path = write("trainlist01.txt", *TRAIN, "Archery/film.avi 2")
    with pytest.raises(
        UserError,
        match="classInd.txt: no such file; put UCF101's classInd.txt into the folder of the lists",
    ):
        read([path], None)
    write("classInd.txt", *CLASSES)
    with pytest.raises(UserError, match=f"{path}, line 3: wanted Class/v_Class_g01_c01.avi"):
        read([path], None)
    with pytest.raises(UserError, match="line 1: 'Archer' is not one of the classes"):
        read([write("trainlist02.txt", "Archer/v_Archery_g01_c01.avi 2")], None)
    with pytest.raises(UserError, match="rename it to trainlist01.txt"):
        read([write("list.txt", *TRAIN)], None)


def test_the_classes_with_sound(write: Write) -> None:
    assert len(set(CLASSES_WITH_SOUND)) == 51
    write("classInd.txt", "1 YoYo", "2 Archery", "3 Basketball", "4 HandstandPushups")
    rows = [
        "HandstandPushups/v_HandStandPushups_g10_c02.avi 4",
        "YoYo/v_YoYo_g01_c01.avi 1",
        "Archery/v_Archery_g01_c01.avi 2",
    ]
    path = write("trainlist01.txt", *rows)
    table = read([path], None, subset="sound")
    assert table["label_name"].tolist() == ["HandstandPushups", "Archery"]
    # numbered anew, in the order of classInd.txt
    assert table["label"].tolist() == [1, 0]
    assert table.attrs["classes"] == ["Archery", "HandstandPushups"]
    assert table.attrs["other_classes"] == 1
    # the numbers in the lists are still held against classInd.txt
    with pytest.raises(UserError, match="line 1: the label is 2, but HandstandPushups is 4 in"):
        read([write("trainlist02.txt", rows[0].replace(" 4", " 2"))], None, subset="sound")
    with pytest.raises(UserError, match="there is no clip of 1 of them, Archery; download the"):
        read([write("trainlist03.txt", *rows[:2])], None, subset="sound")
    write("classInd.txt", "1 YoYo")
    with pytest.raises(UserError, match=r"classInd\.txt has none of them; download the lists"):
        read([write("trainlist01.txt", rows[1])], None, subset="sound")
