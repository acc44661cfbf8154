"""Tables on the tuning seeds, with accuracies that are made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from diccae.artifacts import artifacts_of
from diccae.plans import Plan, load_plan
from diccae.reporting import collect
from diccae.reporting.selection import EDGE, INSIDE, spread, tuning


def test_the_best_rate_of_each_stage_and_whether_it_is_inside_the_grid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def accuracy(plan: Plan, variant: str, modality: str, split: str) -> NDArray[np.float64]:
        assert split == "validation"
        name, _, value = variant.partition("=")
        # fine-tuning: highest at 0.004 for both models; pre-training: the higher the better
        best = {"lr": 0.004, "pre": 1.0}[name.split("@")[1]]
        base = {"A": 40.0, "V": 50.0, "AV": 70.0}[modality]
        return base - abs(np.log2(float(value) / best)) + np.arange(4)

    monkeypatch.setattr(collect, "accuracy", accuracy)
    plan = load_plan("tuning")
    assert plan.tuning is not None
    rates = (0.0005, 0.001, 0.002, 0.004, 0.008)
    grids = ("from_scratch@lr", "no_confusion_loss@lr", "no_confusion_loss@pre")
    variants = [f"{grid}={rate}" for grid in grids for rate in rates]
    section = plan.tuning.model_copy(update={"variants": variants, "apart": False})
    table = tuning(plan.model_copy(update={"tuning": section}))
    assert len(table) == 3 * 15
    best = table[table["best"] != ""].drop_duplicates(["parameter", "value", "best"])
    found = {(row.parameter, row.value): row.best for row in best.itertuples()}
    assert found == {("lr", "0.004"): INSIDE, ("pre", "0.008"): EDGE}
    # mean over three modalities, both models and four seeds
    at_best = table[(table["parameter"] == "lr") & (table["value"] == "0.004")]
    assert len(at_best) == 6
    assert at_best["mean"].to_numpy() == pytest.approx(160 / 3 + 1.5)


def test_a_setting_without_a_value_has_no_place_in_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "accuracy", lambda *_: np.array([1.0, 2.0]))
    plan = load_plan("tuning")
    section = plan.tuning.model_copy(update={"variants": ["full", "from_scratch"]})  # type: ignore[union-attr]
    table = tuning(plan.model_copy(update={"tuning": section}))
    assert table["mean"].isna().all()
    assert set(table["best"]) == {""}


def test_the_spread_of_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    shift = {"full": 0.0, "full@stream=1": 1.0, "full@stream=2": 2.0}

    def accuracy(plan: Plan, variant: str, modality: str) -> NDArray[np.float64]:
        return np.array([70.0, 75.0, 60.0, 65.0]) + shift[variant] * (2 if modality == "A" else 1)

    monkeypatch.setattr(collect, "accuracy", accuracy)
    plan = load_plan("spread")
    table = spread(plan).set_index("modality")
    assert table.loc["AV", "spread"] == pytest.approx(2**0.5)
    assert table.loc["A", "spread"] == pytest.approx(2 * 2**0.5)
    assert (table["degrees_of_freedom"] == 8).all()
    assert (table["low"] < table["spread"]).all()
    assert (table["spread"] < table["high"]).all()
    assert isinstance(table, pd.DataFrame)
    # nothing of this plan is reported
    assert list(artifacts_of(plan)) == ["spread"]
    assert plan.reported() == []
