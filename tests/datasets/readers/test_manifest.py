"""Manifests on the disk, several put together, and the commands that make them."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from diccae.cli import lists as command
from diccae.datasets.readers import audioset, ucf101, vggsound
from diccae.datasets.readers.manifest import COLUMNS, ORIGIN, combine, read_manifest, write_manifest
from diccae.errors import UserError
from tests.datasets.readers.conftest import Write

VGGSOUND = ["---g-f_I2yQ,1,people marching,test", '-0jeONf82dE,21,"bird chirping, tweeting",train']
AUDIOSET = ['---g-f_I2yQ, 300.000, 310.000, "/m/a,/m/b"', 'ZZZZZZZZZZZ, 30.000, 40.000, "/m/b"']


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    command.register(made)
    return made


def test_a_manifest_comes_back_as_it_was(write: Write, hold: Write, tmp_path: Path) -> None:
    media = hold("a/---g-f_I2yQ_000001.mp4")
    table = vggsound.read([write("vggsound.csv", *VGGSOUND)], media)
    names = write_manifest(table, tmp_path / "manifest.parquet")
    # what lies below the manifest moves with it
    assert pd.read_parquet(tmp_path / "manifest.parquet")["path"].tolist() == [
        "media/a/---g-f_I2yQ_000001.mp4",
        "",
    ]
    back = read_manifest(tmp_path / "manifest.parquet")
    assert back.equals(table[COLUMNS])
    # where each row comes from is known in memory only
    assert table["line"].tolist() == [1, 2]
    assert back.attrs.items() <= table.attrs.items()
    assert table.attrs.keys() - back.attrs == {"lists", "notes"}
    assert names == tmp_path / "classes.csv"
    assert names.read_text() == 'label,label_name\n0,"bird chirping, tweeting"\n1,people marching\n'
    assert vggsound.read([write("vggsound.csv", *VGGSOUND)], media, names).equals(table)
    assert not list(tmp_path.glob(".*"))


def test_media_elsewhere_keep_absolute_paths(write: Write, hold: Write, tmp_path: Path) -> None:
    media = hold("---g-f_I2yQ_000001.mp4")
    table = vggsound.read([write("vggsound.csv", *VGGSOUND)], Path(os.path.relpath(media)))
    names = write_manifest(table, tmp_path / "out" / "vgg.parquet")
    paths = pd.read_parquet(tmp_path / "out" / "vgg.parquet")["path"].tolist()
    assert paths == [str(media / "---g-f_I2yQ_000001.mp4"), ""]
    assert names == tmp_path / "out" / "vgg.classes.csv"


def test_media_below_the_current_directory_move_with_it(
    write: Write, hold: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = hold("---g-f_I2yQ_000001.mp4")
    table = vggsound.read([write("vggsound.csv", *VGGSOUND)], media)
    out = tmp_path / "results" / "data" / "manifest.parquet"
    monkeypatch.chdir(tmp_path)
    write_manifest(table, out)
    assert pd.read_parquet(out)["path"].tolist() == ["../../media/---g-f_I2yQ_000001.mp4", ""]
    assert read_manifest(out).equals(table[COLUMNS])
    # the same file on another machine, and a manifest that is not below the current directory
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "results").rename(elsewhere / "results")
    moved = read_manifest(elsewhere / "results" / "data" / "manifest.parquet")
    assert moved["path"].tolist() == [str(elsewhere / "media/---g-f_I2yQ_000001.mp4"), ""]
    monkeypatch.chdir(elsewhere)
    write_manifest(table, tmp_path / "other" / "manifest.parquet")
    kept = pd.read_parquet(tmp_path / "other" / "manifest.parquet")["path"].tolist()
    assert kept == [str(media / "---g-f_I2yQ_000001.mp4"), ""]


def test_bad_manifests(write: Write, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="no manifest can be read there; make one with `diccae data lists`"
    ):
        read_manifest(tmp_path / "nowhere.parquet")
    with pytest.raises(UserError, match="no manifest can be read there"):
        read_manifest(write("x.csv", "a"))
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(UserError, match="it has no column path"):
        read_manifest(tmp_path / "x.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="x.classes.csv: it cannot be written .*; correct that"):
        write_manifest(
            vggsound.read([write("vggsound.csv", *VGGSOUND)], None), tmp_path / "file" / "x.parquet"
        )


def test_combine_takes_training_clips_without_their_labels(write: Write) -> None:
    write("classInd.txt", "1 Archery")
    rows = ["Archery/v_Archery_g01_c01.avi 1", "Archery/v_Archery_g02_c01.avi"]
    tables = [
        vggsound.read([write("vggsound.csv", *VGGSOUND)], None),
        audioset.read(
            [
                write("unbalanced_train_segments.csv", *AUDIOSET),
                write("eval_segments.csv", 'YYYYYYYYYYY, 0.000, 1.000, "/m/a"'),
            ],
            None,
        ),
        ucf101.read([write("trainlist01.txt", rows[0]), write("testlist01.txt", rows[1])], None),
    ]
    table = combine(tables, "vggsound")
    assert list(table.columns) == COLUMNS + ORIGIN
    places = [
        f"{Path(table.attrs['lists'][row.list]).name}:{row.line}" for row in table.itertuples()
    ]
    assert places == [
        "vggsound.csv:1",
        "vggsound.csv:2",
        "unbalanced_train_segments.csv:1",
        "unbalanced_train_segments.csv:2",
        "trainlist01.txt:1",
    ]
    assert table["source"].tolist() == ["vggsound", "vggsound", "audioset", "audioset", "ucf101"]
    assert table["split"].tolist() == ["test", "train", "unlabelled", "unlabelled", "unlabelled"]
    assert table["label"].tolist() == [1, 0, -1, -1, -1]
    assert table["label_name"].tolist()[-1] == "Archery"
    assert table["label"].dtype == tables[0]["label"].dtype
    assert table.attrs["held_out"] == {"audioset": 1, "ucf101": 1}
    assert table.attrs["classes"] == tables[0].attrs["classes"]
    assert tables[2]["label"].tolist() == [0, 0]

    alone = combine(tables)
    assert set(alone["split"]) == {"unlabelled"}
    assert set(alone["label"]) == {-1}
    assert alone.attrs["held_out"] == {"vggsound": 1, "audioset": 1, "ucf101": 1}
    assert alone.attrs["classes"] == []

    with pytest.raises(
        UserError, match="there is no source 'epic'; the sources are audioset, ucf101, vggsound"
    ):
        combine(tables, "epic")
    with pytest.raises(UserError, match="ucf101 is in two of the manifests"):
        combine([*tables, tables[2]])


def test_the_command_prints_every_count(
    write: Write, hold: Write, tmp_path: Path, app: typer.Typer
) -> None:
    media = hold("a/ZZZZZZZZZZZ_30.mp4", "b/ZZZZZZZZZZZ_30.mp4", "---g-f_I2yQ_300.mp4")
    audio = write(
        "unbalanced_train_segments.csv", *AUDIOSET, AUDIOSET[0], 'YYYYYYYYYYY, 0.000, 1.000, "/m/a"'
    )
    vgg = write("vggsound.csv", *VGGSOUND)
    out = tmp_path / "pretrain" / "manifest.parquet"
    arguments = [
        "lists",
        "audioset",
        "--lists",
        audio,
        "--media",
        media,
        "--exclude-vggsound-test",
        vgg,
        "--out",
        out,
    ]
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "audioset: 4 rows listed, 1 duplicates dropped",
        f"  2 clips found below {media}, 1 not found",
        "          1 as <id>_<start s>",
        "          1 as a/<id>_<start s>",
        "  1 clips have more than one file; one of them is used",
        "  1 clips of recordings in VGGSound's test list removed, 2 left",
        f"{out}: 2 clips, 1 of them on the disk; class order in {out.with_name('classes.csv')}",
    ]
    table = read_manifest(out)
    assert table["video"].tolist() == ["ZZZZZZZZZZZ", "YYYYYYYYYYY"]
    assert table.attrs["vggsound_test_removed"] == 1


def test_the_commands_together(write: Write, hold: Write, tmp_path: Path, app: typer.Typer) -> None:
    media = hold("-0jeONf82dE_000021.mp4", "ZZZZZZZZZZZ_30.mp4")
    run = CliRunner().invoke
    own = write("own.txt", "tap dancing")
    kinetics = write(
        "train.csv",
        "label,youtube_id,time_start,time_end,split",
        "tap dancing,KKKKKKKKKKK,0,10,train",
        "golf,LLLLLLLLLLL,0,10,train",
    )
    for source, path, more in (
        ("vggsound", write("vggsound.csv", *VGGSOUND), []),
        ("audioset", write("balanced_train_segments.csv", *AUDIOSET), []),
        ("kinetics_sounds", kinetics, ["--classes", str(own)]),
    ):
        out = tmp_path / f"{source}.parquet"
        result = run(
            app,
            [
                "lists",
                source,
                "--lists",
                str(path),
                "--media",
                str(media),
                "--out",
                str(out),
                *more,
            ],
        )
        assert result.exit_code == 0, result.output
    assert "  1 rows of other classes left out" in result.output
    manifests = [
        str(tmp_path / f"{source}.parquet")
        for source in ("vggsound", "audioset", "kinetics_sounds")
    ]
    out = tmp_path / "all" / "manifest.parquet"
    result = run(app, ["combine", *manifests, "--labelled", "vggsound", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:3] == [
        "vggsound: 2 clips",
        "audioset: 2 clips, 0 of held-out splits left out",
        "kinetics_sounds: 1 clips, 0 of held-out splits left out",
    ]
    table = read_manifest(out)
    assert table["path"].tolist()[1] == str(media / "-0jeONf82dE_000021.mp4")
    assert out.with_name("classes.csv").read_text().splitlines()[1] == '0,"bird chirping, tweeting"'
