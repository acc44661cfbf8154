"""The mechanism's tables from made-up runs whose weights, errors and learning curves are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.artifacts import TABLES
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting import mechanism as mechanism_module
from diccae.reporting import pairs
from diccae.reporting.clusters import first_and_last
from diccae.reporting.histories import History
from diccae.reporting.mechanism import mechanism
from diccae.validation import checked
from tests.reporting.conftest import write_record

CLASSES, CLIPS = 5, 40
SLOPES = {0: -2.0, 1: -3.0, 2: -4.0, 3: -3.0}
# wrong clips of each pair with flat weights
FLAT = 6


def weights_of(seed: int) -> np.ndarray:
    """(C, C) weights of pairs, 0, 1 or 2."""
    weights = np.zeros((CLASSES, CLASSES), np.float32)
    rows, columns = np.triu_indices(CLASSES, 1)
    weights[rows, columns] = np.random.default_rng(seed).integers(0, 3, len(rows))
    return weights + weights.T


def confusion_of(seed: int, variant: str) -> np.ndarray:
    """(C, C) clips by true and predicted class. A wrong clip is 100 / (2 CLIPS) points of a pair's
    error, so the slope is so many points times the clips that a weight of 1 takes away."""
    step = SLOPES[seed] * 2 * CLIPS / 100
    fewer = step * weights_of(seed) if variant == "full" else np.zeros((CLASSES, CLASSES))
    matrix = np.triu(np.rint(FLAT + fewer), 1).astype(int)
    return matrix + np.diag(CLIPS - matrix.sum(1))


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    section = {"variants": ["full", "flat_mean"], "modalities": ["AV"]}
    content = {
        "name": "made",
        "scale": "embedded",
        "dataset": "made up",
        "data_root": "data",
        "seeds": list(SLOPES),
        "table2": section,
        "mechanism": {"variant": "full", "flat": "flat_mean", "modality": "AV"},
    }
    plan = checked(Plan, content, "made.yaml")
    Path("data").mkdir()
    names = pd.DataFrame({"label": range(CLASSES), "label_name": list("abcde")})
    names.assign(split="train").to_parquet(plan.manifest)
    for seed in SLOPES:
        for variant in section["variants"]:
            write_chain(plan, variant, seed)
    return plan


def write_chain(plan: Plan, variant: str, seed: int) -> None:
    """A fine-tuning run and the pre-training that it starts from."""
    folder = plan.run_folder(variant, seed, modality="AV")
    before = plan.run_folder(variant, seed, "pretrain")
    folder.mkdir(parents=True)
    before.mkdir(parents=True)
    matrix = confusion_of(seed, variant)
    rows, columns = np.nonzero(matrix >= 0)
    labels, top1 = (np.repeat(each, matrix[rows, columns]) for each in (rows, columns))
    ids = [f"clip{index:03d}" for index in range(len(labels))]
    table = pd.DataFrame({"id": ids, "group": ids, "label": labels, "top1": top1, "split": "test"})
    table = pd.concat([table.assign(view=view) for view in ("single", "multi")])
    table.assign(in_update=False).to_parquet(folder / "predictions.parquet")
    value = 100 * float((labels == top1).mean())
    stated = {"n": len(labels), "top1_single": value, "top1_multi": value}
    (folder / "metrics.json").write_text(f'{{"accuracy": {{"test": {stated}}}}}'.replace("'", '"'))
    degree = np.arange(CLASSES**2, dtype=float).reshape(CLASSES, CLASSES) * (1 + seed)
    arrays: dict[str, Any] = {"test_degree": degree, "update_degree": degree + degree.T}
    np.savez(folder / "confusion.npz", mean_weight=weights_of(seed), **arrays)
    parents = {str(before / "weights.pth"): "digest"}
    write_record(folder, plan, variant, "AV", seed, parents=parents)
    write_record(before, plan, variant, "AV", seed, stage="pretrain", parents={})
    curve = pd.DataFrame({"epoch": [1, 2], "loss": 1.0, "weight_mean": [1.0, 0.25 * seed]})
    curve.assign(similarity_scale=5.0, grad_share_cls=[0.25, np.nan]).to_csv(folder / "history.csv")
    curve.assign(share_infonce=1.0).to_csv(before / "history.csv")


def test_each_epoch_of_both_stages_is_a_mean_over_seeds(plan: Plan) -> None:
    table = mechanism(plan).set_index(["stage", "epoch", "quantity"])
    assert list(table.index.unique("stage")) == ["pretrain", "finetune"]
    assert set(table.index.unique("quantity")) == {"weight_mean", "share_infonce", "grad_share_cls"}
    row = table.loc["finetune", 2, "weight_mean"]
    assert (row["mean"], row["seeds"]) == (0.375, 4)
    assert row["low"] < 0.375 < row["high"]
    # all seeds have the same weights, and there is no spread
    first = table.loc["finetune", 1, "weight_mean"]
    assert first["mean"] == 1
    assert np.isnan(first["low"])
    # not measured in the second epoch
    assert ("finetune", 2, "grad_share_cls") not in table.index


def test_the_folds_of_a_seed_count_as_one(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def histories(plan: Plan, variant: str, seed: int, modality: str, fold: int) -> list[History]:
        curve = pd.DataFrame({"epoch": [1], "weight_mean": [seed + 0.5 * fold]})
        return [History("finetune", "full/seed0", curve)]

    monkeypatch.setattr(Plan, "folds", (1, 2))
    monkeypatch.setattr(mechanism_module, "histories", histories)
    (row,) = mechanism(plan).to_dict("records")
    assert (row["seeds"], row["mean"]) == (4, 1.5 + 0.75)


def test_the_purity_of_the_first_and_of_the_last_clusters(plan: Plan) -> None:
    ids = np.array(list("abcdef"))
    truth = pd.DataFrame({"id": ids, "label": [0, 0, 0, 1, 1, 1]})
    truth.to_parquet("data/truth.parquet")
    clusters = {"assign_0": [0, 0, 1, 1, 1, 1], "assign_4": [0, 0, 0, 1, 1, 1], "assign_2": [0] * 6}
    for seed in SLOPES:
        path = plan.run_folder("full", seed, "pretrain") / "assignments.npz"
        more = {"ids": ids, "epochs": [0, 2, 4], "inertia": [3.0, 2.0, 1.0]}
        np.savez(path, **clusters, **more)
    (row,) = first_and_last(plan)
    assert row["variant"] == "full"
    assert row["purity_first"] == pytest.approx(5 / 6)
    assert row["purity_last"] == row["mutual_information_last"] == 1
    assert 0 < row["mutual_information_first"] < 1
    table = mechanism(plan).query("quantity == 'purity'")
    assert table["epoch"].tolist() == [0, 2, 4]
    assert table["mean"].tolist() == pytest.approx([5 / 6, 1 / 2, 1])


def test_the_slope_of_each_seed_and_of_all(plan: Plan) -> None:
    table = pairs.pair_slopes(plan).set_index("seed")
    for seed in SLOPES:
        change = (confusion_of(seed, "full") - confusion_of(seed, "flat_mean"))[
            np.triu_indices(CLASSES, 1)
        ] * (100 / (2 * CLIPS))
        weights = weights_of(seed)[np.triu_indices(CLASSES, 1)]
        wanted = np.polyfit(weights, change, 1)[0]
        assert table.loc[str(seed), "slope"] == pytest.approx(wanted)
        assert wanted == pytest.approx(SLOPES[seed], abs=0.8)
    whole = table.loc["all"]
    assert whole["slope"] == pytest.approx(table["slope"].iloc[:-1].mean())
    assert whole["low"] < whole["slope"] < whole["high"] < 0
    assert whole["mantel_p"] <= 0.05
    assert set(table["pairs"]) == {10}
    said = pairs.conclusion({str(key): value for key, value in whole.items()})
    assert said == "The larger the weight of a pair, the lower its error relative to flat weights."


def test_the_most_confused_pairs_have_names_weights_and_errors(plan: Plan) -> None:
    table = pairs.pairs(plan)
    assert len(table) == 10
    # update_degree of i < j grows with i + j
    assert table[["first", "second"]].iloc[0].to_list() == ["d", "e"]
    assert table["degree"].is_monotonic_decreasing
    row = table.iloc[0]
    assert row["degree"] == pytest.approx(np.mean([(19 + 23) * (1 + seed) for seed in SLOPES]))
    assert row["weight"] == pytest.approx(np.mean([weights_of(seed)[3, 4] for seed in SLOPES]))
    assert row["error_flat"] == 100 * FLAT / (2 * CLIPS)
    assert row["difference"] == pytest.approx(row["error"] - row["error_flat"])


def test_equal_weights_and_runs_without_weights_are_said(plan: Plan) -> None:
    for seed in SLOPES:
        path = plan.run_folder("full", seed, modality="AV") / "confusion.npz"
        arrays = dict(np.load(path))
        np.savez(path, **(arrays | {"mean_weight": np.full((CLASSES, CLASSES), 0.4)}))
    table = pairs.pair_slopes(plan)
    assert table["slope"].isna().all()
    assert table["mantel_p"].isna().all()
    assert set(table["note"]) == {"all weights are equal"}
    last = table.to_dict("records")[-1]
    assert pairs.conclusion(last) == "No slope: in a seed, all weights are equal."
    del arrays["mean_weight"]
    np.savez(path, **arrays)
    with pytest.raises(UserError, match="^mechanism.variant: wanted a variant whose losses weigh"):
        pairs.pair_slopes(plan)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (
            -2.0,
            -0.1,
            "The larger the weight of a pair, the lower its error relative to flat weights.",
        ),
        (
            0.1,
            2.0,
            "The larger the weight of a pair, the higher its error relative to flat weights.",
        ),
        (-0.1, 2.0, "Undecided: the interval of the slope contains 0."),
        (float("nan"), float("nan"), "No conclusion: too few seeds."),
    ],
)
def test_the_place_of_the_interval_decides_the_sentence(low: float, high: float, said: str) -> None:
    assert pairs.conclusion({"slope": 0.5, "low": low, "high": high}).startswith(said)


def test_a_plan_without_the_section_is_told_its_name(plan: Plan) -> None:
    without = plan.model_copy(update={"mechanism": None})
    artifact = next(each for each in TABLES if each.name == "pairs")
    with pytest.raises(UserError, match="has no section 'mechanism'; add it to"):
        artifact.table(without)
