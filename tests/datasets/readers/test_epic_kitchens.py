"""EPIC-KITCHENS-100's lists: spans of long recordings, found as they ship or cut."""

from __future__ import annotations

import pytest

from diccae.datasets.readers.epic_kitchens import read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
ROWS = [
    "P01_01_0,P01,P01_01,00:00:01.089,00:00:00.14,00:00:03.37,8,202,"
    "open door,open,3,door,3,['door'],[3]",
    "P01_01_1,P01,P01_01,00:00:02.629,00:01:04.37,00:01:06.17,262,370,"
    "turn on light,turn-on,6,light,114,['light'],[114]",
    "P02_101_2,P02,P02_101,01:00:01.1,01:00:00.54,01:00:02.23,27,111,"
    '"take knife, plate",take,0,knife,4,"[\'knife\', \'plate\']","[4, 2]"',
    "P02_101_3,P02,P02_101,01:00:03.1,01:00:03,01:00:04,27,111,"
    "pick up cup,pick-up,0,cup,13,['cup'],[13]",
    "P02_101_4,P02,P02_101,01:00:05.1,01:00:05,01:00:06,27,111,take cup,take,0,cup,13,['cup'],[13]",
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows(write: Write, end: str) -> None:
    table = read([write("EPIC_100_train.csv", HEADER, *ROWS, end=end)], None)
    assert table["id"].tolist() == ["P01_01_0", "P01_01_1", "P02_101_2", "P02_101_3", "P02_101_4"]
    assert table["video"].tolist() == ["P01_01"] * 2 + ["P02_101"] * 3
    assert table["start"].tolist() == pytest.approx([0.14, 64.37, 3600.54, 3603, 3605])
    assert table["end"].tolist() == pytest.approx([3.37, 66.17, 3602.23, 3604, 3606])
    assert table["label"].tolist() == [3, 6, 0, 0, 0]
    assert table["label_name"].tolist() == ["open", "turn-on", "take", "take", "take"]
    assert table.attrs["classes"] == [
        "take",
        "verb 1",
        "verb 2",
        "open",
        "verb 4",
        "verb 5",
        "turn-on",
    ]
    assert set(table["split"]) == {"train"}


def test_official_class_names(write: Write) -> None:
    verbs = [
        "id,key,instances,category",
        *(f"{label},key{label},\"['a', 'b']\",x" for label in range(7)),
    ]
    classes = write("EPIC_100_verb_classes.csv", *verbs)
    table = read([write("EPIC_100_validation.csv", HEADER, *ROWS)], None, classes)
    assert table["label_name"].tolist() == ["key3", "key6", "key0", "key0", "key0"]
    assert set(table["split"]) == {"validation"}
    with pytest.raises(UserError, match="there is no verb class 3"):
        read([write("EPIC_100_train.csv", HEADER, *ROWS)], None, write("verbs.csv", *verbs[:4]))


def test_the_test_list_has_no_labels(write: Write) -> None:
    lines = [",".join(line.split(",")[:8]) for line in (HEADER, ROWS[1])]
    lists = [
        write("EPIC_100_train.csv", HEADER, ROWS[0]),
        write("EPIC_100_test_timestamps.csv", *lines),
    ]
    table = read(lists, None)
    assert table["label"].tolist() == [3, -1]
    assert table["label_name"].tolist() == ["open", ""]
    assert table["split"].tolist() == ["train", "test"]


@pytest.mark.parametrize("folder", ["", "EPIC-KITCHENS/{}/videos/", "{}/"])
def test_recordings_are_found_as_they_ship(write: Write, hold: Write, folder: str) -> None:
    names = [f"{folder.format(video[:3])}{video}.MP4" for video in ("P01_01", "P02_101")]
    media = hold(*names)
    table = read([write("EPIC_100_train.csv", HEADER, *ROWS)], media)
    assert table["path"].tolist() == [str(media / names[0])] * 2 + [str(media / names[1])] * 3
    assert table["start"].tolist() == pytest.approx([0.14, 64.37, 3600.54, 3603, 3605])
    assert table.attrs["layouts"] == {folder.replace("{}", "{P01,P02}") + "<video_id>": 5}


def test_cut_clips_are_preferred(write: Write, hold: Write) -> None:
    media = hold("P01_01.MP4", "clips/P01_01_1.mp4")
    table = read([write("EPIC_100_train.csv", HEADER, *ROWS)], media)
    assert table["path"].tolist() == [
        str(media / "P01_01.MP4"),
        str(media / "clips/P01_01_1.mp4"),
        "",
        "",
        "",
    ]
    assert table["start"].tolist()[:2] == pytest.approx([0.14, 0])
    assert table["end"].tolist()[:2] == pytest.approx([3.37, 1.8])
    assert table.attrs["layouts"] == {"clips/<narration_id>": 1, "<video_id>": 1}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            ROWS[0].replace("00:00:03.37", "00:00:00.10"),
            "the clip ends at 0.1 s and starts at 0.14 s",
        ),
        (ROWS[0].replace("00:00:03.37", "3.37"), "end: wanted a number >= 0, got '3.37'"),
        (
            ROWS[1].replace(",6,light", ",7,light"),
            "P01_01_1 has verb_class '7', but '6' in .*, line 2",
        ),
        (
            ROWS[0].replace("P01_01_0", "P01_01_9").replace(",3,door", ",three,door"),
            "verb_class: wanted a whole number",
        ),
        (ROWS[0] + ",more", "wanted 15 cells .* got 16"),
    ],
)
def test_bad_rows(write: Write, row: str, words: str) -> None:
    path = write("EPIC_100_train.csv", HEADER, *ROWS[1:], row)
    with pytest.raises(UserError, match=f"{path}, line 6: .*{words}"):
        read([path], None)


def test_bad_lists(write: Write) -> None:
    with pytest.raises(
        UserError, match="wanted the columns narration_id,.* stop_timestamp missing"
    ):
        read([write("EPIC_100_train.csv", HEADER.replace("stop_timestamp", "stop"), ROWS[0])], None)
    with pytest.raises(UserError, match="rename it to EPIC_100_train.csv"):
        read([write("EPIC.csv", HEADER, ROWS[0])], None)
