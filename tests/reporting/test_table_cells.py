"""Cells of tables, against values worked out by hand from the synthetic runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting import verdicts
from diccae.sections import Tuning
from tests.reporting.conftest import SKILL, N, expected, make


def test_table2_cells(fake: Plan, tmp_path: Path) -> None:
    table = make(fake, "table2", tmp_path).set_index(["variant", "modality"])
    own = [expected("no_infonce", "AV", seed) for seed in fake.seeds]
    full = [expected("full", "AV", seed) for seed in fake.seeds]
    row = table.loc[("no_infonce", "AV")]
    assert row["top1"] == pytest.approx(np.mean(own), abs=1e-3)
    assert row["drop"] == pytest.approx(np.mean(np.subtract(full, own)), abs=1e-3)
    assert row["paper"] == 61.6
    assert row["paper_drop"] == 3.9
    odds = [np.log((p * N + 50) / (N * (100 - p) + 50)) for p in (np.array(full), np.array(own))]
    assert row["drop_log_odds"] == pytest.approx((odds[0] - odds[1]).mean(), abs=1e-3)
    assert row["paper_drop_log_odds"] == pytest.approx(np.log(65.5 / 34.5 * 38.4 / 61.6), abs=1e-4)
    primary = table[table["family"] == "primary"]
    assert sorted(primary.index) == sorted(
        (name, "AV") for name in SKILL if name not in ("full", "from_scratch")
    )
    assert set(primary["family_size"]) == {7}
    assert set(primary["verdict"]) == set(primary["verdict_at_0.5"]) == {verdicts.TOO_FEW}
    assert table.loc[table["family"] != "primary", "verdict"].isna().all()


def test_an_ablation_has_rows_for_itself_and_the_full_method_only(
    fake: Plan, tmp_path: Path
) -> None:
    table = make(fake, "ablations/no_infonce", tmp_path)
    assert set(table["variant"]) == {"full", "no_infonce"}


def test_leakage_arms_are_scored_on_clips_that_neither_used_as_update_set(
    fake: Plan, tmp_path: Path
) -> None:
    table = make(fake, "leakage", tmp_path).set_index("arm")
    assert table.loc["train_holdout", "n_test"] == N - N // 5
    assert table.loc["test_overlap, its update clips", "n_test"] == N // 5
    assert np.isfinite(table.loc["test_portion", "gain"])


def test_tuning_reads_validation_only(fake: Plan, tmp_path: Path) -> None:
    tuning = fake.model_copy(
        update={"tuning": Tuning(**fake.table1.model_dump(exclude={"at_chosen_rates"}))}
    )
    for path in Path("results").rglob("predictions.parquet"):
        predictions = pd.read_parquet(path)
        metrics = json.loads(path.with_name("metrics.json").read_text())
        predictions.loc[predictions["split"] == "test", "top1"] = -1
        metrics["accuracy"]["test"] |= {"top1_single": 0.0, "top1_multi": 0.0}
        path.with_name("metrics.json").write_text(json.dumps(metrics))
        predictions.to_parquet(path, index=False)
    written = make(tuning, "tuning", tmp_path).set_index(["variant", "modality"])
    # 240 clips; with seed s, s more clips are right than the share in SKILL
    assert written.loc[("full", "AV"), "validation"] == pytest.approx(80 + 100 / 240, abs=1e-3)
    assert written.loc[("full", "AV"), "lowest"] == pytest.approx(80, abs=1e-3)


def test_table1_names_the_dataset_of_each_row(fake: Plan, tmp_path: Path) -> None:
    table = make(fake, "table1", tmp_path)
    measured = table["source"].str.startswith("measured")
    assert set(table.loc[measured, "dataset"]) == {"embedded benchmark"}
    assert set(table.loc[~measured, "dataset"]) == {"VGGSound"}
    assert table["source"].str.startswith("printed").sum() == 7


def test_an_edited_metrics_file_is_noticed(fake: Plan, tmp_path: Path) -> None:
    path = fake.run_folder("full", 1, modality="AV") / "metrics.json"
    content = json.loads(path.read_text())
    content["accuracy"]["test"]["top1_multi"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="one was edited") as error:
        make(fake, "table2", tmp_path)
    assert str(path) in str(error.value)


def test_a_missing_run_names_its_command(fake: Plan, tmp_path: Path) -> None:
    (fake.run_folder("no_infonce", 2, modality="A") / "predictions.parquet").unlink()
    with pytest.raises(
        UserError, match=re.escape("diccae train --plan fake --variant no_infonce --seed 2")
    ):
        make(fake, "table2", tmp_path)
