"""Groups in published splits: the splits are kept, and no group is in two of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from diccae.cli import lists as command
from diccae.datasets.readers.assemble import assemble
from diccae.errors import UserError
from diccae.source_lists import Lists
from tests.datasets.readers.conftest import Write

# letters are recordings; D has clips in both splits
VGGSOUND = {"A": ["train"], "B": ["train"], "C": ["train"], "D": ["train", "test", "train"]}
SPANS = {0: "test", 20: "train"}


def rows(spans: int = 20) -> list[str]:
    return [
        f"{name * 11},{spans * number},golf,{split}"
        for name, splits in VGGSOUND.items()
        for number, split in enumerate(splits)
    ]


def made(write: Write, lines: list[str], update: int = 0) -> pd.DataFrame:
    segments = [f'{name * 11}, 300.000, 310.000, "/m/a"' for name in "ABCDE"]
    named = {
        "vggsound": write("vggsound.csv", *lines),
        "audioset": write("unbalanced_train_segments.csv", *segments),
    }
    sources = [
        {"reader": name, "lists": [str(path)], "media": "nowhere"} for name, path in named.items()
    ]
    lists = Lists(
        sources=sources, labelled="vggsound", update_per_class=update, validation_per_class=0
    )
    return assemble(lists, search=False)


def test_training_clips_of_a_tested_recording_are_removed_and_counted(write: Write) -> None:
    table = made(write, rows())
    own = table[table["source"] == "vggsound"]
    assert [name[0] for name in own["group"]] == ["A", "B", "C", "D"]
    assert own["split"].tolist() == ["train", "train", "train", "test"]
    counts = table.attrs["sources"]
    assert counts["vggsound"]["of_held_out_groups_removed"] == 2
    assert counts["audioset"]["vggsound_test_removed"] == 1
    assert table.attrs["notes"] == []


def test_the_pool_may_overlap_a_recording_that_published_splits_divide(write: Write) -> None:
    names = write("names.txt", "golf")
    lines = [f"golf,{'D' * 11},{start},{start + 10},{split}" for start, split in SPANS.items()]
    lines.append(f"golf,{'A' * 11},0,10,train")
    header = "label,youtube_id,time_start,time_end,split"
    segments = [f'{name * 11}, 0.000, 10.000, "/m/a"' for name in "AD"]
    named = {
        "kinetics_sounds": write("kinetics.csv", header, *lines),
        "audioset": write("unbalanced_train_segments.csv", *segments),
    }
    sources = [
        {"reader": name, "lists": [str(path)], "media": "nowhere"} for name, path in named.items()
    ]
    sources[0]["classes"] = str(names)
    table = assemble(
        Lists(
            sources=sources, labelled="kinetics_sounds", update_per_class=0, validation_per_class=0
        ),
        search=False,
    )
    assert [name[0] for name in table["group"]] == ["D", "A", "A"]
    assert table["split"].tolist() == ["test", "train", "unlabelled"]


def test_overlapping_spans_of_published_splits_are_refused(write: Write) -> None:
    with pytest.raises(UserError, match="vggsound.csv, line 5: .* spans overlap; give both one"):
        made(write, rows(spans=5))


def test_the_pool_has_no_recording_of_the_update_clips(write: Write) -> None:
    table = made(write, rows(), update=2)
    update = set(table.loc[table["split"] == "update", "group"])
    pool = set(table.loc[table["split"] == "unlabelled", "group"])
    assert len(update) == 2
    # D is tested, so it was not drawn
    assert update | pool == {name * 11 for name in "ABCE"}
    assert not update & pool
    assert table.attrs["sources"]["audioset"]["of_held_out_groups_removed"] == 2


def test_the_command_counts_what_it_removes(write: Write, hold: Write, tmp_path: Path) -> None:
    app = typer.Typer()
    command.register(app)
    arguments = ["--media", hold("x.mp4"), "--out", tmp_path / "vgg.parquet"]
    arguments = ["lists", "vggsound", "--lists", write("vggsound.csv", *rows()), *arguments]
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert "  2 clips of vggsound removed: their groups are held out of training" in result.output
    assert len(pd.read_parquet(tmp_path / "vgg.parquet")) == 4
