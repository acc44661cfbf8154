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
from diccae.reporting import collect, verdicts
from diccae.sections import Section, Tuning
from tests.reporting.conftest import SKILL, N, expected, make, set_right, write_run


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
    used = np.arange(N) % 5 == 0
    reached = {
        name: [right(fake, variant, seed)[clips].mean() for seed in fake.seeds]
        for name, variant, clips in (
            ("train_holdout", "full", ~used),
            ("test_portion", "test_portion", ~used),
            ("train_holdout, the same clips", "full", used),
            ("test_overlap, its update clips", "test_portion", used),
        )
    }
    assert set(table.index) == set(reached)
    for name, values in reached.items():
        assert table.loc[name, "n_test"] == (N // 5 if "clips" in name else N - N // 5)
        assert table.loc[name, "top1"] == pytest.approx(100 * np.mean(values), abs=1e-3)
    for name, other in (
        ("test_portion", "train_holdout"),
        ("test_overlap, its update clips", "train_holdout, the same clips"),
    ):
        gain = 100 * np.mean(np.subtract(reached[name], reached[other]))
        assert abs(gain) > 1
        assert table.loc[name, "gain"] == pytest.approx(gain, abs=1e-3)


def right(plan: Plan, variant: str, seed: int) -> np.ndarray:
    """Whether each test clip is right in A-V, in all views together, read from the file."""
    path = plan.run_folder(variant, seed, modality="AV") / "predictions.parquet"
    table = pd.read_parquet(path).query("split == 'test' and view == 'multi'").sort_values("id")
    return (table["top1"] == table["label"]).to_numpy()


def test_splits_and_views_are_told_apart(fake: Plan, tmp_path: Path) -> None:
    fewer = {"table1": fake.table1.model_copy(update={"variants": ["full"]})}
    plan = fake.model_copy(update=fewer)
    for variant, modality in (("full", "AV"), ("full@lr=0.002", "AV"), ("no_infonce", "AV")):
        for split, view, clips in (
            ("test", "multi", 120),
            ("test", "single", 96),
            ("validation", "multi", 72),
            ("validation", "single", 48),
        ):
            set_right(plan, variant, modality, split, view, clips)
    row = make(plan, "ablations/no_infonce", tmp_path).set_index(["variant", "modality"])
    assert row.loc[("no_infonce", "AV"), ["top1", "top1_single_view"]].tolist() == [50, 40]
    measured = make(plan, "table1", tmp_path).iloc[-1]
    assert measured[["AV", "AV_single_view"]].tolist() == [50, 40]
    rates = make(plan, "learning_rates", tmp_path).set_index(["variant", "lr"])
    assert rates.loc[("full", 0.002), ["validation", "test"]].tolist() == [30, 50]


def test_a_spread_is_a_standard_deviation_over_seeds(fake: Plan, tmp_path: Path) -> None:
    row = make(fake, "ablations/no_infonce", tmp_path).set_index(["variant", "modality"])
    # accuracies of three seeds that are one clip apart
    assert row["seed_std"].tolist() == pytest.approx([100 / N] * len(row), abs=1e-3)
    # bootstrap intervals over clips would pass for the whole uncertainty
    ends = [column for column in row if "clip_" in column]
    assert len(ends) == 4
    assert row[ends].isna().all(axis=None)


def test_rows_with_cluster_ids_as_classes_are_compared_with_their_own_reference(
    fake: Plan, tmp_path: Path
) -> None:
    names = ["full", "no_confusion_loss", "full_ce", "no_confusion_loss_ce"]
    section = Section(variants=names, modalities=["AV"])
    plan = fake.model_copy(update={"cluster_ce": section})
    for variant, skill in zip(names, (0.8, 0.7, 0.6, 0.55), strict=True):
        for seed in plan.seeds:
            write_run(plan, variant, "AV", seed, skill)
    table = make(plan, "cluster_ce", tmp_path).set_index(["cluster_cross_entropy", "variant"])
    drops = table["drop"].dropna()
    assert drops["no", "no_confusion_loss"] == pytest.approx(10, abs=1e-3)
    assert drops["yes", "no_confusion_loss_ce"] == pytest.approx(5, abs=1e-3)
    assert len(drops) == 2


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


def test_a_table_that_is_read_again_is_not_changed_by_who_had_it_before(fake: Plan) -> None:
    first = collect.predictions(fake, "full", 1, "AV")
    right = first["correct"].sum()
    first["correct"] = False
    assert collect.predictions(fake, "full", 1, "AV")["correct"].sum() == right > 0


def test_wrong_classes_and_accuracy_are_those_of_the_predictions(fake: Plan) -> None:
    table = collect.predictions(fake, "full", 1, "AV")
    pairs = [pair for pair in zip(table["label"], table["top1"], strict=True) if pair[0] != pair[1]]
    assert [*map(tuple, collect.wrong_classes(fake, "full", 1, "AV").tolist())] == pairs
    (accuracy,) = collect.accuracy(fake, "full", "AV", seeds=[1])
    assert accuracy == pytest.approx(100 * (1 - len(pairs) / len(table)))


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
