"""ESC-50, ESC-10, Kitchen20 and UrbanSound8K: recordings, official folds and layouts of files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from diccae.datasets.readers import esc50, kitchen20, urbansound8k
from diccae.datasets.readers.assemble import assemble
from diccae.datasets.readers.groups import check_official_folds
from diccae.errors import UserError
from diccae.source_lists import Folds, Lists
from tests.datasets.readers.conftest import Write

ESC = "filename,fold,target,category,esc10,src_file,take"
ESC_ROWS = [
    "1-101-A-0.wav,1,0,dog,True,101,A",
    "1-101-B-0.wav,1,0,dog,True,101,B",
    "2-303-A-14.wav,2,14,chirping_birds,False,303,A",
    "2-404-A-10.wav,2,10,rain,True,404,A",
]
KITCHEN = ",Unnamed: 0,category,fold,orig_idx,path,take,target,usr_id"
KITCHEN_ROWS = [
    "0,0,fridge,1,0,audio/0-505-A-2.wav,A,2,505",
    "1,1,fridge,2,1,audio/1-505-B-2.wav,B,2,505",
    "2,2,blender,1,2,audio/0-J-frigo(1).aac-A-0.wav,A,0,J-frigo(1).aac",
    "3,3,blender,2,3,audio/1-303-A-0.wav,A,0,303",
    "4,4,blender,6,4,audio/5-606-A-0.wav,A,0,606",
]
URBAN = "slice_file_name,fsID,start,end,salience,fold,classID,class"
URBAN_ROWS = [
    "101-3-0-0.wav,101,0.0,0.3,1,5,3,dog_bark",
    "101-3-0-1.wav,101,4.5,8.5,2,5,3,dog_bark",
    "707-1-0-0.wav,707,58.5,62.5,1,10,1,car_horn",
]


def test_esc50(write: Write, hold: Write) -> None:
    media = hold(*(f"audio/{row.split(',')[0]}" for row in ESC_ROWS[:3]))
    table = esc50.read([write("esc50.csv", ESC, *ESC_ROWS)], media)
    assert table["id"].tolist() == ["1-101-A-0", "1-101-B-0", "2-303-A-14", "2-404-A-10"]
    assert table["path"].tolist()[0] == str(media / "audio/1-101-A-0.wav")
    assert table["label"].tolist() == [0, 0, 2, 1]
    assert table.attrs["classes"] == ["dog", "rain", "chirping_birds"]
    assert table["group"].tolist() == [f"freesound-{i}" for i in (101, 101, 303, 404)]
    assert table["fold"].tolist() == [1, 1, 2, 2]
    assert set(table["split"]) == {"train"}
    assert table["start"].tolist() == [0] * 4
    assert np.isnan(table["end"]).all()
    assert (table.attrs["listed"], table.attrs["found"]) == (4, 3)
    assert table.attrs["layouts"] == {"audio/<file name of the list>": 3}
    check_official_folds(table)


def test_esc10_as_a_subset(write: Write) -> None:
    # as a spreadsheet writes it
    rows = [row.replace("True", "TRUE") for row in ESC_ROWS]
    table = esc50.read([write("esc50.csv", ESC, *rows)], None, subset="esc10")
    assert table["label_name"].tolist() == ["dog", "dog", "rain"]
    assert table["label"].tolist() == [0, 0, 1]
    assert (table.attrs["listed"], table.attrs["other_classes"]) == (3, 1)


def test_esc10_in_folders(hold: Write) -> None:
    media = hold(
        "ESC-10/010 - Rooster/2-202-A.ogg",
        "ESC-10/001 - Dog bark/1-101-B.ogg",
        "ESC-10/001 - Dog bark/1-101-A.ogg",
        "ESC-10/README.md",
    )
    table = esc50.read([media / "ESC-10"], media)
    assert table["id"].tolist() == ["1-101-A", "1-101-B", "2-202-A"]
    assert table["label_name"].tolist() == ["Dog bark", "Dog bark", "Rooster"]
    assert table["label"].tolist() == [0, 0, 1]
    assert table["group"].tolist() == ["freesound-101", "freesound-101", "freesound-202"]
    assert table["fold"].tolist() == [1, 1, 2]
    assert table.attrs["found"] == 3
    hold("ESC-10/010 - Rooster/1-101-A.ogg")
    with pytest.raises(UserError, match="ESC-10, 1-101-A: 1-101-A has label_name 'Rooster', but"):
        esc50.read([media / "ESC-10"], None)
    with pytest.raises(UserError, match="wanted True or False .* got ''.*; name ESC-50's"):
        esc50.read([media / "ESC-10"], None, subset="esc10")
    hold("ESC-10/audio/1-101-A-0.wav")
    with pytest.raises(UserError, match="got 'audio/1-101-A-0.wav'; remove it, or name ESC-50's"):
        esc50.read([media / "ESC-10"], None)


def test_kitchen20(write: Write, hold: Write) -> None:
    media = hold("audio/0-J-frigo(1).aac-A-0.wav", "flac/0-505-A-2.flac", "audio/5-606-A-0.wav")
    table = kitchen20.read([write("kitchen20.csv", KITCHEN, *KITCHEN_ROWS)], media)
    assert table["id"].tolist()[2] == "0-J-frigo(1).aac-A-0"
    assert table["group"].tolist() == [
        "freesound-505",
        "freesound-505",
        "kitchen20-J-frigo(1).aac",
        "freesound-303",
    ]
    assert table["fold"].tolist() == [1, 2, 1, 2]
    assert table.attrs["classes"] == ["blender", "fridge"]
    assert {name: table.attrs[name] for name in ("listed", "found", "other_folds")} == {
        "listed": 4,
        "found": 2,
        "other_folds": 1,
    }
    words = (
        r"1 of 3 groups of kitchen20 are in more than one official fold, first 'freesound-505' in "
        r"fold 1 \(.*kitchen20.csv, line 2\) and fold 2 \(.*kitchen20.csv, line 3\), .*; set "
        r"kind: grouped in data.folds of the plan, or shared_groups: leave_out beside kind: "
    )
    with pytest.raises(UserError, match=words):
        check_official_folds(table)


def test_urbansound8k(write: Write, hold: Write) -> None:
    media = hold("audio/fold5/101-3-0-1.wav", "audio/fold10/707-1-0-0.wav")
    table = urbansound8k.read([write("UrbanSound8K.csv", URBAN, *URBAN_ROWS)], media)
    assert table["id"].tolist() == ["101-3-0-0", "101-3-0-1", "707-1-0-0"]
    assert table["label_name"].tolist() == ["dog_bark", "dog_bark", "car_horn"]
    assert table["label"].tolist() == [1, 1, 0]
    assert table["group"].tolist() == ["freesound-101", "freesound-101", "freesound-707"]
    assert table["fold"].tolist() == [5, 5, 10]
    # a file is an excerpt; where it was cut is known
    assert table["start"].tolist() == [0, 0, 0]
    assert np.isnan(table["end"]).all()
    assert table["begin"].tolist() == [0, 4.5, 58.5]
    assert table.attrs["found"] == 2


@pytest.mark.parametrize(
    ("reader", "header", "row", "words"),
    [
        (esc50, ESC, "1-1-A-0.wav,2,0,dog,True,1,A", "'1-1-A-0', .* fold, src_file, .* '2-1-A-0'"),
        (esc50, ESC, "1-1-A-5.wav,1,5,dog,True,1,A", "dog belongs to 5 here, but to 0 in an earl"),
        (esc50, ESC, "1-1-A-0.wav,1,0,cat,True,1,A", "0 belongs to cat here, but to dog in an"),
        (esc50, ESC, "0-1-A-0.wav,0,0,dog,True,1,A", "wanted a fold counted from 1, got '0'"),
        (kitchen20, KITCHEN, "0,0,fridge,1,0,audio/0-5-A-2.wav,A,2,6", "'0-5-A-2', .* '0-6-A-2'"),
        (urbansound8k, URBAN, "1-3-0-0.wav,2,0,1,1,5,3,dog_bark", "'1-3-0-0', .* '2-3'"),
        (urbansound8k, URBAN, "1-3-0-0.wav,1,2,1,1,5,3,dog_bark", "ends at 1.0 s and starts at 2"),
    ],
)
def test_bad_rows(write: Write, reader: ModuleType, header: str, row: str, words: str) -> None:
    good = {ESC: ESC_ROWS[0], KITCHEN: KITCHEN_ROWS[0], URBAN: URBAN_ROWS[0]}[header]
    path = write("list.csv", header, good, row)
    with pytest.raises(UserError, match=f"{path}, line 3: .*{words}"):
        reader.read([path], None)


def plan_lists(write: Write, media: Path, labelled: str) -> Lists:
    lists = {
        "kitchen20": write("kitchen20.csv", KITCHEN, *KITCHEN_ROWS),
        "esc50": write("esc50.csv", ESC, *ESC_ROWS),
    }
    sources = [
        {"reader": name, "lists": [str(path)], "media": str(media)} for name, path in lists.items()
    ]
    return Lists(sources=sources, labelled=labelled, update_per_class=0, validation_per_class=0)


def test_an_unlabelled_pool_of_another_source(write: Write, hold: Write) -> None:
    media = hold(*(row.split(",")[5] for row in KITCHEN_ROWS), "audio/1-101-A-0.wav")
    lists = plan_lists(write, media, "kitchen20")
    table = assemble(lists, folds=Folds(kind="grouped", count=2))
    assert table["split"].tolist() == ["train"] * 4 + ["unlabelled"] * 4
    pool = table[table["source"] == "esc50"]
    assert pool["label"].tolist() == [-1] * 4
    # each fold leaves out those of its test recordings
    assert pool["group"].tolist()[2] == table["group"].tolist()[3] == "freesound-303"
    assert pool["fold"].tolist() == [1, 1, 2, 2]
    counts = table.attrs["sources"]
    assert counts["kitchen20"]["other_folds"] == 1
    assert (counts["esc50"]["listed"], counts["esc50"]["found"]) == (4, 1)
    with pytest.raises(UserError, match="1 of 3 groups of kitchen20 are in more than one official"):
        assemble(lists, folds=Folds(kind="official", count=2))


def test_clips_without_an_official_fold(write: Write) -> None:
    path = write("my.csv", "path,label_name,fold", "a.wav,x,1", "b.wav,x,")
    source = {"reader": "plain_csv", "lists": [str(path)], "media": "nowhere"}
    lists = Lists(
        sources=[source], labelled="plain_csv", update_per_class=0, validation_per_class=0
    )
    words = "1 of 2 labelled clips of plain_csv have no official fold, first .*my.csv, line 3; set"
    with pytest.raises(UserError, match=words):
        assemble(lists, search=False, folds=Folds(kind="official", count=2))


def test_sound_files_are_taken_where_no_clip_has_a_video(write: Write, hold: Write) -> None:
    path = write("esc50.csv", ESC, *ESC_ROWS)
    media = hold("sound/1-101-A-0.wav", "sound/1-101-A-0.flac", "sound/1-101-B-0.flac")
    table = esc50.read([path], media)
    assert [Path(name).name for name in table["path"]] == [
        "1-101-A-0.wav",
        "1-101-B-0.flac",
        "",
        "",
    ]
    assert table.attrs["several_files"] == 1
    # sound tracks beside their videos
    hold("1-101-A-0.mp4")
    table = esc50.read([path], media)
    assert [Path(name).name for name in table["path"]] == ["1-101-A-0.mp4", "", "", ""]
    assert table.attrs["several_files"] == 0


def test_a_subset_of_another_reader() -> None:
    source = {"reader": "kitchen20", "lists": ["k.csv"], "media": "m", "subset": "esc10"}
    with pytest.raises(ValueError, match="subset: kitchen20 has none; correct or remove the key"):
        Lists(sources=[source], labelled="kitchen20", update_per_class=0, validation_per_class=0)
