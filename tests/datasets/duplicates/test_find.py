"""Copies among rendered clips, and what the list says of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.cli.duplicates import duplicates
from diccae.datasets.checksums import checksum, column
from diccae.datasets.clips import read_index, write_index, write_meta
from diccae.datasets.duplicates.find import find_duplicates, write_list
from diccae.datasets.duplicates.likeness import PictureLikeness, SoundLikeness
from diccae.errors import UserError
from tests.datasets.duplicates.conftest import CACHE, COPIES, plan_on


def found(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(table["first"], table["second"], strict=True))


def test_each_kind_of_copy_is_found_and_nothing_else(planted: Path, tmp_path: Path) -> None:
    result = find_duplicates(plan_on(tmp_path, planted))
    assert found(result.table) == {(f"test{n}", f"copy{n}") for n in range(len(COPIES))}
    assert result.clips == 2 * len(COPIES) + 6
    assert result.apart.total() == 0


def test_the_clip_of_the_test_split_stays_and_rows_are_in_order(
    planted: Path, tmp_path: Path
) -> None:
    table = find_duplicates(plan_on(tmp_path, planted)).table
    assert table["dropped"].tolist() == table["second"].tolist()
    assert table["rank"].tolist() == [*range(1, len(COPIES) + 1)]
    sound, picture = (1 - table["sound"]) / SoundLikeness.unit, 1 - table["picture"]
    difference = sound + picture / PictureLikeness.unit
    assert difference.is_monotonic_increasing
    assert difference.max() <= 1
    sources = dict(zip(table["second"], table["second_source"], strict=True))
    assert sources["copy5"] == "embedded-c"
    assert sources["copy0"] == "embedded-b"
    for name in ("one", "two"):
        write_list(
            table if name == "one" else find_duplicates(plan_on(tmp_path, planted)).table,
            tmp_path / f"{name}.csv",
        )
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize(
    ("modality", "column", "other"), [("A", "sound", "picture"), ("V", "picture", "sound")]
)
def test_a_plan_of_one_modality_is_compared_in_it(
    planted: Path, tmp_path: Path, modality: str, column: str, other: str
) -> None:
    table = find_duplicates(plan_on(tmp_path, planted, modality)).table
    assert {("test0", "copy0"), ("test5", "copy5")} <= found(table)
    assert table[column].between(0.9, 1).all()
    assert table[other].isna().all()


def test_the_command_writes_the_list_of_the_plan(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    plan_on(tmp_path, planted)
    duplicates("mine.yaml", None, 1)
    assert len(pd.read_csv("results/mine/duplicates.csv")) == len(COPIES)
    printed = capsys.readouterr().out
    assert "results/mine/duplicates.csv: 6 pairs of near-duplicates among 18 clips" in printed
    assert "test and unlabelled: 6" in printed
    assert "data.drop_duplicates: results/mine/duplicates.csv` in the plan's overrides" in printed
    assert "leaves out 6 unlabelled" in printed


def test_without_a_cache_the_command_that_makes_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `diccae data cache --plan mine` first"):
        find_duplicates(plan_on(tmp_path, tmp_path / "nothing"))


def cache_of(folder: Path, frames: np.ndarray, fbank: np.ndarray, splits: list[str]) -> None:
    """A stored cache of made-up clips."""
    cache = folder / "cache"
    cache.mkdir(parents=True)
    names = [f"clip{number}" for number in range(len(splits))]
    index = pd.DataFrame({"id": names, "split": splits, "source": "a", "label": -1, "path": "x"})
    index = index.assign(status="ok", message="", group=names, fold=-1, file_sha256="")
    for name, array in (("frames", frames), ("fbank", fbank)):
        np.save(cache / f"{name}.npy", array)
        index[column(name)] = [checksum(row) for row in array]
    digest = write_index(cache, index)
    meta = {"settings": CACHE | {"modality": "AV"}, "manifest_sha256": "0" * 64}
    write_meta(cache, meta | {"counts": {}, "sha256": {"index": digest}})


def test_silent_and_dark_clips_are_no_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (8, 16, 36, 36, 3)).astype(np.uint8)
    frames = np.repeat(frames[:, :1], 16, axis=1)
    fbank = rng.normal(0, 2, (8, 64, 64)).astype(np.float16)
    # silent and dark; silent and the same picture; dark and the same sound; the same in both
    frames[[0, 1, 4, 5]] = 3
    fbank[[0, 1, 2, 3]] = -15.9
    frames[3], fbank[5] = frames[2], fbank[4]
    frames[7], fbank[7] = frames[6], fbank[6]
    cache_of(tmp_path, frames, fbank, ["test", "train"] * 4)
    result = find_duplicates(plan_on(tmp_path, tmp_path))
    assert found(result.table) == {("clip6", "clip7")}
    assert dict(result.unclear) == {"A": 4, "V": 4}
    assert dict(result.apart) == {"A": 1, "V": 1}


def test_pairs_within_a_split_and_source_are_not_searched_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 255, (1, 16, 36, 36, 3)).astype(np.uint8), 3, axis=0)
    fbank = np.repeat(rng.normal(0, 2, (1, 64, 64)).astype(np.float16), 3, axis=0)
    cache_of(tmp_path, frames, fbank, ["train", "train", "validation"])
    table = find_duplicates(plan_on(tmp_path, tmp_path)).table
    assert found(table) == {("clip2", "clip0"), ("clip2", "clip1")}
    assert set(table["sound"]) == {1.0}
    assert set(table["picture"]) == {1.0}
    index = read_index(tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    cache_of(tmp_path, frames, fbank, ["test"] * len(index))
    assert find_duplicates(plan_on(tmp_path, tmp_path)).table.empty
