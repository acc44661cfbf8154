"""A manifest against the lists that it was made from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from diccae.datasets.list_changes import list_changes
from diccae.datasets.readers.assemble import assemble
from diccae.datasets.readers.manifest import write_manifest
from diccae.source_lists import Lists
from tests.datasets.readers.conftest import Write

ROWS = ("path,label_name,split", "a.mp4,cut,train", "b.mp4,stir,train", "late.mp4,cut,test")


@pytest.fixture
def lists(write: Write, hold: Write) -> Lists:
    source = {
        "reader": "plain_csv",
        "lists": [str(write("my.csv", *ROWS))],
        "media": str(hold("a.mp4", "b.mp4")),
    }
    return Lists(sources=[source], labelled="plain_csv", update_per_class=0, validation_per_class=0)


@pytest.fixture
def manifest(lists: Lists, tmp_path: Path) -> Path:
    write_manifest(assemble(lists), tmp_path / "data" / "manifest.parquet")
    return tmp_path / "data" / "manifest.parquet"


def test_nothing_has_changed_or_nothing_is_here(lists: Lists, manifest: Path) -> None:
    assert list_changes(lists, manifest, folds=None) is None
    Path(lists.sources[0].media, "b.mp4").unlink()
    assert list_changes(lists, manifest, folds=None) is None
    Path(lists.sources[0].media).rename(manifest.parent / "elsewhere")
    assert list_changes(lists, manifest, folds=None) is None


def test_a_file_that_arrived_late(lists: Lists, manifest: Path, hold: Write) -> None:
    hold("late.mp4")
    changes = list_changes(lists, manifest, folds=None)
    assert changes == ("lists 1 clips without a file that have one now, late first", False)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((*ROWS, "c.mp4,stir,test"), "1 clips are new and 0 are gone, c first"),
        ((ROWS[0], ROWS[2], ROWS[1], ROWS[3]), "another order"),
        ((*ROWS[:2], "b.mp4,stir,test", ROWS[3]), "split of b is 'train', the lists give 'test'"),
        ((ROWS[0], "a.mp4,cut,train", "b.mp4"), "cannot be made again from the lists: "),
    ],
)
def test_an_edited_list(
    lists: Lists, manifest: Path, write: Write, rows: tuple[str, ...], words: str
) -> None:
    write("my.csv", *rows)
    changes = list_changes(lists, manifest, folds=None)
    assert changes is not None
    assert words in changes[0]
    assert changes[1]


def test_an_edited_manifest(lists: Lists, manifest: Path) -> None:
    table = pd.read_parquet(manifest)
    table.loc[1, "label_name"] = "cut"
    table.to_parquet(manifest, index=False)
    assert list_changes(lists, manifest, folds=None) == (
        "label_name of b is 'cut', the lists give 'stir'",
        True,
    )


def test_paths_as_find_writes_them(
    lists: Lists, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the folders of the clips and of the manifest are both below the working directory
    monkeypatch.chdir(tmp_path)
    write("my.csv", ROWS[0], "./a.mp4,cut,train", ".//b.mp4,stir,train", "./late.mp4,cut,test")
    write_manifest(assemble(lists), tmp_path / "data" / "manifest.parquet")
    assert list_changes(lists, tmp_path / "data" / "manifest.parquet", folds=None) is None
