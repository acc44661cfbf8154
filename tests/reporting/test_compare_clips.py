"""`diccae compare --clips`: two results folders on the clips that both scored."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from diccae.cli.main import app
from diccae.errors import UserError
from diccae.reporting.compare_clips import compare_clips

CLASSES = 4


def write_run(
    folder: Path,
    right: Sequence[bool],
    ids: Sequence[str],
    seed: int = 0,
    variant: str = "full",
    modality: str = "AV",
    shift: int = 0,
) -> Path:
    """Predictions of one run; the label of clip `c<i>` is i modulo 4, plus `shift`."""
    labels = (np.array([int(name[1:]) for name in ids]) + shift) % CLASSES
    top1 = np.where(right, labels, (labels + 1) % CLASSES)
    table = pd.DataFrame({"id": ids, "group": ids, "label": labels, "top1": top1})
    # one view and the validation split say something else, and are not scored
    rows = [
        table.assign(split="test", view="multi"),
        table.assign(split="test", view="single", top1=-1),
        table.assign(split="validation", view="multi", top1=-1),
    ]
    path = folder / "runs" / variant / f"seed{seed}" / "finetune" / modality / "predictions.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    # the order of the rows is no part of the result
    pd.concat(rows).sample(frac=1, random_state=seed).to_parquet(path, index=False)
    return path


def names(numbers: Sequence[int] | range) -> list[str]:
    return [f"c{number}" for number in numbers]


@pytest.fixture
def labs(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with 36 clips in common: two seeds here, one there."""
    rng = np.random.default_rng(0)
    here, there = tmp_path / "a" / "results", tmp_path / "b"
    for seed in (0, 10):
        write_run(here, rng.random(40) < 0.8, names(range(40)), seed)
    write_run(there, rng.random(36) < 0.5, names(range(4, 40)))
    # five clips of there alone, all right
    path = write_run(there, [True] * 5, names(range(40, 45)))
    extra = pd.read_parquet(path)
    write_run(there, rng.random(36) < 0.5, names(range(4, 40)))
    pd.concat([pd.read_parquet(path), extra]).to_parquet(path, index=False)
    write_run(here, [True] * 4, names(range(4)), variant="no_infonce")
    return here, there


def slow_means(folder: Path, seeds: Sequence[int]) -> dict[str, float]:
    """Share of seeds that are right, by clip."""
    means: dict[str, float] = {}
    for seed in seeds:
        path = folder / f"runs/full/seed{seed}/finetune/AV/predictions.parquet"
        for row in pd.read_parquet(path).itertuples():
            if row.split == "test" and row.view == "multi":
                means[row.id] = means.get(row.id, 0) + (row.top1 == row.label) / len(seeds)
    return means


def test_copies_of_folders_of_runs_are_no_runs(labs: tuple[Path, Path]) -> None:
    before = compare_clips(*labs).scores
    for name in ("seed0-old", "seed0/old"):
        shutil.copytree(
            labs[1] / "runs/full/seed0/finetune", labs[1] / f"runs/full/{name}/finetune"
        )
    pd.testing.assert_frame_equal(compare_clips(*labs).scores, before)


def test_common_clips_are_scored_as_in_a_loop(labs: tuple[Path, Path]) -> None:
    found = compare_clips(*labs)
    own, other = slow_means(labs[0], (0, 10)), slow_means(labs[1], (0,))
    common = sorted(own.keys() & other.keys())
    (row,) = found.scores.to_dict("records")
    assert (row["clips"], row["only_here"], row["only_there"]) == (36, 4, 5)
    assert (row["seeds_here"], row["seeds_there"]) == (2, 1)
    first, second = (np.array([side[c] for c in common]) for side in (own, other))
    assert row["here"] == pytest.approx(100 * first.mean())
    assert row["there"] == pytest.approx(100 * second.mean())
    assert row["here_all"] == pytest.approx(100 * np.mean(list(own.values())))
    assert row["there_all"] == pytest.approx(100 * np.mean(list(other.values())))
    assert row["difference"] == pytest.approx(row["here"] - row["there"])
    assert row["p"] == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert row["low"] < row["difference"] < row["high"]
    assert (row["better"], row["worse"]) == ((first > second).sum(), (first < second).sum())
    moved = {c: (own[c], other[c]) for c in common if own[c] != other[c]}
    assert {r.id: (r.here, r.there) for r in found.changed.itertuples()} == moved
    sizes = (found.changed["here"] - found.changed["there"]).abs().tolist()
    assert sizes == sorted(sizes, reverse=True)
    for group in found.classes.itertuples():
        members = [c for c in common if int(c[1:]) % CLASSES == group.label]
        assert group.clips == len(members)
        assert group.difference == pytest.approx(
            100 * np.mean([own[c] - other[c] for c in members])
        )
    assert found.skipped == [f"no_infonce AV: {labs[1]} has no run of it"]
    # here is better in most classes: a class that is worse differs too
    for pair in (found, compare_clips(*labs[::-1])):
        assert "Differences of 4 classes\n" in pair.words()


def test_clips_of_one_recording_are_not_independent(labs: tuple[Path, Path]) -> None:
    alone = compare_clips(*labs).scores.iloc[0]
    # each clip becomes four of one recording
    for folder in labs:
        for path in folder.rglob("predictions.parquet"):
            table = pd.read_parquet(path)
            parts = [table.assign(id=table["id"] + f"-{part}") for part in range(4)]
            pd.concat(parts).to_parquet(path, index=False)
    found = compare_clips(*labs)
    grouped = found.scores.iloc[0]
    assert (grouped["clips"], grouped["groups"]) == (144, 36)
    assert grouped["difference"] == pytest.approx(alone["difference"])
    width = alone["high"] - alone["low"]
    assert grouped["high"] - grouped["low"] == pytest.approx(width, rel=0.15)
    assert grouped["p"] == pytest.approx(alone["p"], rel=0.5)
    assert "groups" in found.words()
    assert "groups" not in alone


def test_the_same_runs_give_no_interval_and_no_p(labs: tuple[Path, Path]) -> None:
    found = compare_clips(labs[0], labs[0])
    assert found.scores["difference"].eq(0).all()
    assert found.scores[["low", "high", "p"]].isna().all(axis=None)
    assert found.changed.empty
    assert "No clip changed" in found.words()


def test_the_command_prints_and_writes_three_tables(
    labs: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    call = ["compare", str(labs[0]), str(labs[1]), "--clips", "--out", str(out)]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    for words in ("clips changed", "Differences of 4 classes", "not compared: no_infonce AV"):
        assert words in result.output
    wanted = {"clips.csv", "clips_changed.csv", "clips_by_class.csv"}
    assert {path.name for path in out.iterdir()} == wanted
    assert pd.read_csv(out / "clips.csv").loc[0, "clips"] == 36


def test_folders_that_cannot_be_compared(labs: tuple[Path, Path], tmp_path: Path) -> None:
    def error(here: Path, there: Path) -> str:
        with pytest.raises(UserError) as caught:
            compare_clips(here, there)
        return str(caught.value)

    here, other = labs[0], tmp_path / "other"
    assert error(here, other).startswith(f"{other} is not there")
    other.mkdir()
    assert "has no runs/<variant>/seed<k>/finetune/<modality>/predictions.parquet" in error(
        here, other
    )
    path = write_run(other, [True] * 2, ["c1", "c2"], variant="rank")
    assert "no variant and modality in common: full AV, no_infonce AV here, rank AV there" in error(
        here, other
    )
    write_run(other, [True] * 2, ["c101", "c102"])
    assert "have no test clip in common: 'c0' here, 'c101' there" in error(here, other)
    path = write_run(other, [True] * 2, ["c1", "c2"], shift=1)
    assert "2 of 2 common clips have other labels, the first is 'c1' (1 here, 2 there)" in error(
        here, other
    )
    write_run(other, [True] * 2, ["c1", "c3"], seed=1, shift=1)
    assert "seed1/finetune/AV/predictions.parquet has other test clips" in error(here, other)
    write_run(other, [True] * 3, ["c1", "c2", "c2"])
    assert "clip 'c2' is listed twice" in error(here, other)
    path.write_bytes(path.read_bytes()[:100])
    assert "cannot be read as predictions" in error(here, other)
