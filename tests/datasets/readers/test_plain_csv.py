"""A CSV of the user's own: few columns or many."""

from __future__ import annotations

import os

import numpy as np
import pytest

from diccae.datasets.readers.plain_csv import read
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write


def test_paths_alone(write: Write, hold: Write) -> None:
    media = hold("a/x.mp4", "b/x.mp4")
    elsewhere = hold("z.mp4") / "z.mp4"
    table = read([write("my.csv", "path", "a/x.mp4", "b/x.mp4", "gone.mp4", str(elsewhere))], media)
    assert table["id"].tolist() == ["a/x", "b/x", "gone", str(elsewhere)[:-4]]
    assert table["path"].tolist() == [
        str(media / "a/x.mp4"),
        str(media / "b/x.mp4"),
        "",
        str(elsewhere),
    ]
    assert table["label"].tolist() == [-1] * 4
    assert set(table["split"]) == {"unlabelled"}
    assert np.isnan(table["end"]).all()
    assert table.attrs["layouts"] == {"paths of the list": 3}
    assert set(table["source"]) == {"plain_csv"}


def test_every_column(write: Write) -> None:
    path = write(
        "my.csv",
        "split,label,label_name,path,start,end,id,video",
        'test,1,"cut, slice",x.mp4,2.5,4,one,v1',
        "train,0,stir,x.mp4,10,12.25,two,v1",
        ",,,y.mp4,,,,",
        end="\r\n",
        bom=True,
    )
    table = read([path], None, source="mine")
    assert table["id"].tolist() == ["one", "two", "y"]
    assert table["video"].tolist() == ["v1", "v1", "y.mp4"]
    assert table["start"].tolist() == [2.5, 10, 0]
    assert table["end"].tolist()[:2] == [4, 12.25]
    assert table["label"].tolist() == [1, 0, -1]
    assert table["label_name"].tolist() == ["cut, slice", "stir", ""]
    assert table["split"].tolist() == ["test", "train", "unlabelled"]
    assert table.attrs["classes"] == ["stir", "cut, slice"]
    assert set(table["source"]) == {"mine"}


def test_names_without_indices_are_sorted_or_follow_the_class_list(write: Write) -> None:
    path = write(
        "my.csv", "path,label_name", "x.mp4,stir", "y.mp4,cut", "x2.mp4,stir", "x.mp4,stir"
    )
    table = read([path], None)
    assert table["label"].tolist() == [1, 0, 1]
    assert table.attrs["duplicates"] == 1
    assert read([path], None, write("names.txt", "stir", "cut"))["label"].tolist() == [0, 1, 0]


def test_indices_without_names_are_their_own_names(write: Write) -> None:
    table = read([write("my.csv", "path,label", "x.mp4,1", "y.mp4,0")], None)
    assert table["label"].tolist() == [1, 0]
    assert table["label_name"].tolist() == ["1", "0"]
    assert table.attrs["classes"] == ["0", "1"]


def test_spans_of_one_file_are_clips_of_their_own(write: Write) -> None:
    table = read([write("my.csv", "path,start,end", "x.mp4,0,5", "x.mp4,5,10", "x.mp4,5,10")], None)
    assert table["id"].tolist() == ["x", "x_5"]
    assert table.attrs["duplicates"] == 1


def test_ids_keep_the_milliseconds_of_long_recordings(write: Write) -> None:
    table = read([write("my.csv", "path,start", "x.mp4,12345.124", "x.mp4,12345.126")], None)
    assert table["id"].tolist() == ["x_12345.124", "x_12345.126"]


def test_two_files_whose_names_differ_by_their_suffix(write: Write) -> None:
    lines = ["path,id", "x.wav,", "x.mp4,"]
    with pytest.raises(UserError, match="x has path 'x.mp4', but 'x.wav' in .*the column id"):
        read([write("my.csv", *lines)], None)
    lines[2] += "film"
    assert read([write("my.csv", *lines)], None)["id"].tolist() == ["x", "film"]


def test_a_span_beside_the_whole_file(write: Write) -> None:
    path = write("my.csv", "path,end", "x.mp4,", "x.mp4,5")
    with pytest.raises(UserError, match="line 3: x has end '5.0', but '' in .*, line 2; "):
        read([path], None)


def test_indices_as_spreadsheets_write_them_where_some_are_missing(write: Write) -> None:
    lines = ["path,label_name,label", "x.mp4,stir,1.0", "y.mp4,cut,0.0", "z.mp4,,"]
    table = read([write("my.csv", *lines)], None)
    assert table["label"].tolist() == [1, 0, -1]
    bare = read([write("my.csv", "path,label", "x.mp4,1.0", "y.mp4,0.0", "z.mp4,")], None)
    assert bare["label_name"].tolist() == ["1", "0", ""]
    assert bare["split"].tolist() == ["train", "train", "unlabelled"]


def test_why_a_clip_has_no_file(write: Write, hold: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    media = hold("a/x.mp4", "y.mp4")

    def note(line: str) -> str:
        return read([write("my.csv", "path", line, "y.mp4")], media).attrs["notes"][0]

    assert f"line 2: {media}/a is no file (path counts from the folder" in note("a")
    assert f"line 2: there is no {media}/gone.mp4 (path" in note("gone.mp4")
    stat = os.stat

    def refuse(path: str, **options: bool) -> os.stat_result:
        if path == f"{media}/a/x.mp4":
            raise PermissionError
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os.path, "isfile", lambda path: path == f"{media}/y.mp4")
    assert f"line 2: there is no permission to read {media}/a/x.mp4" in note("a/x.mp4")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x.mp4,cut,0,0,5", "x has label_name 'cut', but 'stir' in .*, line 2"),
        ("y.mp4,stir,1,0,5", "stir belongs to 1 here, but to 0 in an earlier line"),
        ("y.mp4,cut,0,0,5", "0 belongs to cut here, but to stir in an earlier line"),
        ("y.mp4,cut,one,0,5", "label: wanted a whole number >= 0, got 'one'"),
        ("y.mp4,cut,1,5,5", "the clip ends at 5.0 s and starts at 5.0 s"),
        (",cut,1,0,5", "the path is empty"),
        (
            "x.mp4,stir,0,0,6",
            "x has end '6.0', but '5.0' in .*, line 2; .* give each clip an id of its own",
        ),
    ],
)
def test_bad_rows(write: Write, line: str, words: str) -> None:
    path = write("my.csv", "path,label_name,label,start,end", "x.mp4,stir,0,0,5", line)
    with pytest.raises(UserError, match=f"{path}, line 3: .*{words}"):
        read([path], None)


def test_a_label_that_contradicts_the_class_list(write: Write) -> None:
    path = write("my.csv", "path,label_name,label", "x.mp4,stir,0")
    with pytest.raises(
        UserError, match=f"{path}, line 2: 'stir' has the label 0, but it is 1 in .*names.txt"
    ):
        read([path], None, write("names.txt", "cut", "stir"))


def test_a_list_without_paths(write: Write) -> None:
    with pytest.raises(UserError, match="wanted the columns path, path missing"):
        read([write("my.csv", "file,label", "x.mp4,a")], None)


def test_groups_and_folds(write: Write) -> None:
    lines = ["x/a.mp4,,Ann,1", "./x//b.mp4,,,2.0", "c.mp4,tape 3,,"]
    table = read([write("my.csv", "path,video,group,fold", *lines)], None)
    assert table["group"].tolist() == ["Ann", "x/b.mp4", "tape 3"]
    assert table["fold"].tolist() == [1, 2, -1]
    assert table["fold"].dtype == np.int32


@pytest.mark.parametrize("fold", ["0", "1.5", "-1", "one"])
def test_bad_folds(write: Write, fold: str) -> None:
    path = write("my.csv", "path,fold", "x.mp4,1", f"y.mp4,{fold}")
    with pytest.raises(UserError, match=f"{path}, line 3: .*wanted a .*, got '{fold}'"):
        read([path], None)


@pytest.mark.parametrize(
    ("other", "difference"),
    [("zo\u00eb 1", "case"), ("Zo\u00eb\u00a01", "blanks"), ("Zoe\u0308 1", "Unicode form")],
)
def test_groups_that_look_alike_are_noted(write: Write, other: str, difference: str) -> None:
    rows = ("a.mp4,x,train,Zo\u00eb 1", f"b.mp4,x,test,{other}", "c.mp4,x,test,", "C.mp4,x,test,")
    (note,) = read([write("my.csv", "path,label_name,split,group", *rows)], None).attrs["notes"]
    assert f"only: 1, first {other!r} from 'Zo\u00eb 1' by {difference};" in note
