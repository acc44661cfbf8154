"""Table, figure and page of the section `dose_response`, on runs of known accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diccae.artifacts import artifact_of
from diccae.plans import Plan
from diccae.reporting.html import render
from diccae.sections import DoseResponse
from tests.reporting.conftest import CLASSES, PER_CLASS, write_run

N = CLASSES * PER_CLASS
SECTION = DoseResponse.model_validate(
    {
        "modality": "AV",
        "curves": [
            {"variant": "full", "parameter": "c", "values": [0, 1, 16], "default": 1},
            {"variant": "rank", "parameter": "range", "values": [0.5, 2], "default": 2},
        ],
    }
)
# right clips of the first seed; each later seed has one more
RIGHT = {"full@c=0": 120, "full": 144, "full@c=16": 96, "rank@range=0.5": 168, "rank": 160}
EMPTY = ("table1", "table2", "sensitivity", "cluster_ce", "figure2", "figure3", "leakage")


@pytest.fixture
def plan(fake: Plan) -> Plan:
    """The synthetic results with four seeds of two curves."""
    changes = dict.fromkeys((*EMPTY, "learning_rates")) | {
        "seeds": [0, 1, 2, 3],
        "dose_response": SECTION,
        "parameters": {"c": "method.confusion_weight", "range": "method.weight_range"},
    }
    plan = fake.model_copy(update=changes)
    for variant, right in RIGHT.items():
        for seed in plan.seeds:
            # one curve has differences that are not all equal
            more = 2 * seed if variant == "full@c=16" else 0
            write_run(plan, variant, "AV", seed, (right + more) / N)
    return plan


def test_accuracies_and_differences_to_the_default(plan: Plan, tmp_path: Path) -> None:
    artifact_of(plan, "dose_response").make(plan, tmp_path / "dose.csv")
    table = pd.read_csv(tmp_path / "dose.csv")
    assert list(table["parameter"]) == [
        *["method.confusion_weight"] * 3,
        *["method.weight_range"] * 2,
    ]
    assert list(table["value"]) == [0, 1, 16, 0.5, 2]
    none, default, most, *_ = rows = table.to_dict("records")
    assert [row["top1"] for row in rows[:2]] == [round(100 * r / N, 4) for r in (121.5, 145.5)]
    assert (none["lowest"], none["highest"]) == (50.0, round(100 * 123 / N, 4))
    assert none["low"] < none["lowest"] < none["highest"] < none["high"]
    # paired by seed, and equal in all of them
    assert none["difference"] == -10
    assert np.isnan(none["difference_low"])
    assert np.isnan(default["difference"])
    differences = 100 * (np.arange(4) * 2 - 48) / N
    ends = stats.t.interval(0.95, 3, differences.mean(), stats.sem(differences))
    assert [most["difference_low"], most["difference_high"]] == pytest.approx(ends, abs=1e-4)
    # its own default, not that of the other curve
    assert rows[3]["difference"] == pytest.approx(100 * 8 / N, abs=1e-4)


def test_with_three_of_four_seeds_there_are_means_alone(plan: Plan, tmp_path: Path) -> None:
    three = plan.first_seeds(3)
    artifact = artifact_of(three, "dose_response")
    artifact.make(three, tmp_path / "dose_response.csv")
    table = pd.read_csv(tmp_path / "dose_response.csv")
    assert table[["low", "high", "difference_low", "difference_high"]].isna().all(axis=None)
    assert set(table["seeds"]) == {3}
    assert table["top1"].notna().all()
    drawn = (tmp_path / "dose_response.svg").read_bytes()
    artifact.make(three, tmp_path / "again.csv")
    assert (tmp_path / "again.svg").read_bytes() == drawn
    page = render(three, tmp_path, None)
    assert "the first 3 of 4 seeds" in page
    assert "with a line from the lowest to the highest seed" in page
    assert ">0.5</td>" in page
    assert 'id="dose"' in page
