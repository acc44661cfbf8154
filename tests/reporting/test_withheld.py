"""A-V models with a modality withheld: in Table 1, on the page, and in the comparison of runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae.artifacts import artifact_of
from diccae.errors import UserError
from diccae.evaluation.withheld import COLUMNS, FILE, KINDS
from diccae.plans import Plan
from diccae.reporting import withheld
from diccae.reporting.compare_clips import compare_clips


def edit(fake: Plan, change: object, seed: int = 1) -> Path:
    """Write a run's file again after `change`, a function of its table."""
    path = fake.run_folder("full", seed, modality="AV") / FILE
    assert callable(change)
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    return path


def test_table_1_has_a_column_for_each_modality_and_filling(fake: Plan, tmp_path: Path) -> None:
    artifact_of(fake, "table1").make(fake, tmp_path / "table1.csv")
    table = pd.read_csv(tmp_path / "table1.csv").set_index("system")
    names = [name for name in table if name.startswith("AV_without") and "_low" not in name]
    assert [name for name in names if "_high" not in name] == list(COLUMNS)
    row = table[table["source"].str.startswith("measured")].loc["DICCAE"]
    # of 240 clips seed s has 192 + s right, and the n-th filling the first of n of them
    for number, name in enumerate(COLUMNS, start=2):
        wanted = np.mean([100 * ((192 + seed) // number) / 240 for seed in fake.seeds])
        assert row[name] == pytest.approx(wanted, abs=1e-3)
    assert row["A"] == pytest.approx(100 * (0.6 + 1 / 240), abs=1e-3)
    assert table.loc["GBlend", list(COLUMNS)].isna().all()


def test_a_filling_that_clips_lack_is_left_out(fake: Plan) -> None:
    def without_other(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["filling"] != "another_clip") | (table["id"] != "test-0000")]

    edit(fake, without_other)
    row = withheld.columns(fake, "full")
    assert np.isnan(row["AV_without_audio_another_clip"])
    assert np.isfinite(row["AV_without_audio_mean"])


def test_the_clips_of_all_folds_are_pooled(fake: Plan) -> None:
    folds = {"kind": "official", "count": 2}
    plan = fake.model_copy(update={"overrides": {"data.folds": folds}, "seeds": [1]})
    whole = fake.run_folder("full", 1, modality="AV")
    for fold, prefix in ((1, "b"), (2, "a")):
        folder = plan.run_folder("full", 1, modality="AV", fold=fold)
        shutil.copytree(whole, folder)
        for name in ("predictions.parquet", FILE):
            table = pd.read_parquet(folder / name)
            table.assign(id=prefix + table["id"]).to_parquet(folder / name, index=False)
    table = withheld.predictions(plan, "full", 1)
    assert table["id"].is_monotonic_increasing
    assert table.groupby("fold").size().to_dict() == {1: 1440, 2: 1440}
    # half of the clips that are right with both modalities
    correct = withheld.hits(plan, "full")[KINDS[0]]
    assert correct.sum(axis=1).tolist() == [2 * (193 // 2)]


EDITS = (
    (lambda table: pd.concat([table, table.head(3)]), "3 clips are listed twice"),
    (
        lambda table: table.assign(label=table["label"].where(table.index != 7, 11)),
        "1 of 1440 rows have a clip or a label that predictions.parquet beside it does not",
    ),
    (
        lambda table: table.assign(id=table["id"].replace("test-0003", "other")),
        "6 of 1440 rows have a clip or a label",
    ),
    (lambda table: table.drop(columns="filling"), "filling"),
)


def test_a_file_that_was_edited(fake: Plan) -> None:
    whole = pd.read_parquet(fake.run_folder("full", 1, modality="AV") / FILE)
    for change, message in EDITS:
        path = edit(fake, lambda _, change=change: change(whole))
        with pytest.raises(UserError, match=message) as error:
            withheld.predictions(fake, "full", 1)
        assert str(path) in str(error.value)


def test_a_run_without_the_file_names_its_command(fake: Plan) -> None:
    (fake.run_folder("full", 1, modality="AV") / FILE).unlink()
    with pytest.raises(UserError, match="withheld.parquet is missing; run `diccae train"):
        withheld.columns(fake, "full")


def test_runs_are_compared_clip_by_clip(fake: Plan, tmp_path: Path) -> None:
    root = fake.results_root()
    other = tmp_path / "other"
    for seed in fake.seeds:
        folder = other / "runs" / "full" / f"seed{seed}" / "finetune" / "AV"
        folder.mkdir(parents=True)
        for name in ("predictions.parquet", FILE):
            table = pd.read_parquet(fake.run_folder("full", seed, modality="AV") / name)
            if name == FILE:
                # twelve clips more are wrong without sound, with zeros in its place
                kind = (table["withheld"] == "audio") & (table["filling"] == "zeros")
                right = table.index[kind & (table["split"] == "test") & (table.top1 == table.label)]
                table.loc[right[:12], "top1"] = -1
            table.to_parquet(folder / name, index=False)
    found = compare_clips(root, other)
    scores = found.scores.set_index("modality")
    assert list(scores.index) == ["AV", *sorted(COLUMNS)]
    assert scores.loc["AV_without_audio_zeros", "difference"] == pytest.approx(100 * 12 / 240)
    assert (scores.drop("AV_without_audio_zeros")["difference"] == 0).all()
    assert set(found.changed["modality"]) == {"AV_without_audio_zeros"}
    words = found.words()
    assert "1 of 6 accuracies of A-V models with a modality withheld differ, by up to 5.00" in words
    assert "No clip changed" in words
    assert "AV_without" not in words
    for path in other.rglob(FILE):
        path.unlink()
    skipped = compare_clips(root, other).skipped
    assert f"full AV, a modality withheld: {other} has no run of it" in skipped
    assert len(KINDS) == 6
