"""The numbers of the figures, and where these put their words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diccae.plans import Plan
from diccae.reporting.effects import effects
from diccae.reporting.systems import spread_out
from tests.reporting.conftest import CLASSES, N, make, set_right


def test_names_beside_a_plot_do_not_cover_each_other() -> None:
    found = spread_out(np.array([0.0, 0.01, 0.5, 0.97, 0.98, 0.99]), 0.07)
    assert (np.diff(found) > 0.07 - 1e-9).all()
    assert found[[0, -1]].tolist() == [0, 1]
    assert found[2] == 0.5  # one with room stays where it is
    assert spread_out(np.array([0.1]), 0.07).tolist() == [0.1]


def test_figure_2_describes_the_degrees_of_each_seed(fake: Plan, tmp_path: Path) -> None:
    assert fake.figure2 is not None
    written = {}
    for model, variant in (
        ("with DICCAE", fake.figure2.with_),
        ("without DICCAE", fake.figure2.without),
    ):
        for seed in fake.seeds:
            folder = fake.run_folder(variant, seed, modality=fake.figure2.modality)
            arrays = dict(np.load(folder / "confusion.npz"))
            arrays["test_degree"][0, 1] = arrays["test_degree"][1, 0] = 0
            np.savez(folder / "confusion.npz", **arrays)
            rows, columns = np.triu_indices(CLASSES, 1)
            written[model, seed] = arrays["test_degree"][rows, columns]
    table = make(fake, "figure2", tmp_path).set_index(["model", "seed"])
    assert set(table.index) == set(written)
    for place, values in written.items():
        row = table.loc[place]
        found = row[["pairs", "mean", "variance", "zero_share", "q50", "q99"]].tolist()
        ends = np.quantile(values, [0.5, 0.99])
        pairs = CLASSES * (CLASSES - 1) // 2
        wanted = [pairs, values.mean(), np.mean(values**2) - values.mean() ** 2, 1 / pairs, *ends]
        assert found == pytest.approx(wanted, abs=1e-4)


def test_a_fixed_weight_is_chosen_by_validation_clips_alone(fake: Plan, tmp_path: Path) -> None:
    accuracies = {"w=0": (60, 90), "w=1": (180, 120), "w=16": (120, 168)}
    assert fake.figure3 is not None
    for name, (validation, test) in accuracies.items():
        for split, clips in (("validation", validation), ("test", test)):
            set_right(fake, f"fixed_weight@{name}", "A", split, "multi", clips)
    set_right(fake, fake.figure3.dynamic, "A", "test", "multi", 144)
    table = make(fake, "figure3", tmp_path).set_index("variant")
    row = table.loc["fixed_weight@w=1"]
    assert table.index[table["chosen"]].tolist() == ["fixed_weight@w=1"]
    assert row[["validation", "top1"]].tolist() == [75, 50]
    # the best weight against the largest one, and dynamic weighting against the best one
    found = effects(fake).set_index("claim")
    drops = {"fig3/threshold": (120, 168), "fig3/dynamic_better": (144, 120)}
    for claim, (better, worse) in drops.items():
        assert found.loc[claim, "top1"] == pytest.approx(100 * better / N)
        assert found.loc[claim, "drop"] == pytest.approx(100 * (better - worse) / N)
