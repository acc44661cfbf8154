"""Kinetics-Sounds out of Kinetics' lists: 31 classes, 32, or the user's own."""

from __future__ import annotations

import pytest

from diccae.datasets.readers.kinetics_sounds import CLASSES_31, CLASSES_32, read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

HEADER = "label,youtube_id,time_start,time_end,split"
ROWS = [
    "tap dancing,-0nqfRcnAYE,6,16,train",
    "massaging person's head,---QUuC4vJs,84,94,train",
    '"a, ""b""",0_1_2_3_4_5,120,130,val',
]


def official(edition: tuple[str, ...]) -> list[str]:
    return [
        f"{name},{number:011d},{number},{number + 10},train" for number, name in enumerate(edition)
    ]


def test_the_built_in_lists() -> None:
    assert (len(CLASSES_31), len(CLASSES_32)) == (31, 32)
    assert list(CLASSES_31) == sorted(set(CLASSES_31))
    assert set(CLASSES_32) - set(CLASSES_31) == {"strumming guitar"}


@pytest.mark.parametrize("count", [31, 32])
def test_rows_of_a_built_in_list(write: Write, count: int) -> None:
    path = write("train.csv", HEADER, *official(CLASSES_32), ROWS[1], end="\r\n")
    table = read([path], None, str(count))
    assert len(table) == count
    assert table.attrs["other_classes"] == 33 - count
    assert table["label"].tolist() == list(range(count))
    assert table["label_name"].tolist() == list((CLASSES_31, CLASSES_32)[count - 31])
    assert table["id"].iloc[4] == "00000000004_000004_000014"


def test_a_class_list_of_your_own(write: Write) -> None:
    classes = write("hundred.txt", "tap_dancing", '"a, ""b"""', end="\r\n", bom=True)
    table = read(
        [write("train.csv", HEADER + ",is_cc", *(f"{row},0" for row in ROWS))], None, classes
    )
    assert table["label_name"].tolist() == ["tap dancing", 'a, "b"']
    assert table["label"].tolist() == [0, 1]
    assert table["split"].tolist() == ["train", "validation"]
    assert table["video"].tolist() == ["-0nqfRcnAYE", "0_1_2_3_4_5"]
    assert table["start"].tolist() == [6, 120]
    assert table["end"].tolist() == [16, 130]


def test_a_class_without_clips(write: Write) -> None:
    own = write("own.txt", "clog dancing", "massaging person's head", "yodelling")
    with pytest.raises(
        UserError,
        match=r"no clip of 2 of the 3 classes, e.g. 'clog dancing' \(near: 'tap dancing'\), "
        f"'yodelling'; editions of Kinetics name .* correct the names in {own}",
    ):
        read([write("train.csv", HEADER, *ROWS)], None, own)
    with pytest.raises(UserError, match="no clip of 30 of the 31 classes, .* as classes in the pl"):
        read([write("train.csv", HEADER, *ROWS)], None)


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (
            ["-0nqfRcnAYE_000006_000016.mp4", "0_1_2_3_4_5_000120_000130.mp4"],
            "<id>_<start 6 digits>_<end>",
        ),
        (
            [
                "train/tap_dancing/-0nqfRcnAYE_000006_000016.mp4",
                'val/a, "b"/0_1_2_3_4_5_000120_000130.mp4',
            ],
            "{train,val}/<class>/<id>_<start 6 digits>_<end>",
        ),
        (
            ["-0nqfRcnAYE.mkv", "0_1_2_3_4_5.webm"],
            "<id> (assumed to be cut clips: the length of no probed file shows it)",
        ),
    ],
)
def test_layouts(write: Write, hold: Write, names: list[str], layout: str) -> None:
    media = hold(*names)
    table = read(
        [write("train.csv", HEADER, *ROWS)], media, write("own.txt", "tap dancing", '"a, ""b"""')
    )
    assert table["path"].tolist() == [str(media / name) for name in names]
    assert table.attrs["layouts"] == {layout: 2}
    assert table["end"].tolist() == [10, 10]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROWS[0].replace("16", "6"), "the clip ends at 6.0 s and starts at 6.0 s"),
        (
            ROWS[0].replace(",train", ",trian"),
            "wanted a split of train, .* got 'trian'; did you",
        ),
        (
            ROWS[1].replace("---QUuC4vJs,84,94", "-0nqfRcnAYE,6,16"),
            "has label_name .*head.*, but 'tap dancing' in .* 2",
        ),
        (ROWS[0].replace("tap dancing", ""), "the class name is empty"),
        ("tap dancing, the clip,-0nqfRcnAYE,6,16,train", "wanted 5 cells .* got 6"),
    ],
)
def test_bad_rows(write: Write, row: str, words: str) -> None:
    lines = ROWS[:1] if row.startswith("massaging") else ROWS[1:2]
    path = write("train.csv", HEADER, *lines, row)
    with pytest.raises(UserError, match=f"{path}, line 3: .*{words}"):
        read([path], None, write("own.txt", "tap dancing", "massaging person's head"))


def test_a_missing_column(write: Write) -> None:
    with pytest.raises(UserError, match="label missing"):
        read(
            [write("test.csv", "youtube_id,time_start,time_end,split", "-0nqfRcnAYE,6,16,test")],
            None,
        )
