"""Controls: their table, and what is concluded from intervals whose place is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from diccae.artifacts import artifacts_of
from diccae.errors import UserError
from diccae.functional.bootstrap import Interval
from diccae.plans import Plan, load_plan
from diccae.reporting import collect, html, paper
from diccae.reporting.controls import control_verdicts, judge
from diccae.sections import Section
from diccae.validation import checked
from tests.reporting.conftest import CLASSES, PER_CLASS
from tests.reporting.test_systems import plan_of

N = CLASSES * PER_CLASS
# test clips that are right with each seed
RIGHT = {
    "full": [200, 203, 199, 205],
    "flat_mean": [200, 202, 200, 206],
    "random_clusters": [190, 195, 192, 193],
    "supcon": [208, 210, 209, 213],
    "full@stream=1": [203, 199, 204, 201],
}
RULES = {rule["id"]: rule for rule in paper.claims()["controls"]}


@pytest.fixture
def plan(fake: Plan) -> Plan:
    parameters = {"parameters": fake.parameters | {"stream": "schedule.stream"}}
    known = fake.model_copy(update=parameters)
    return plan_of(known, RIGHT, controls=Section(variants=list(RIGHT), modalities=["AV"]))


def written(plan: Plan, name: str) -> pd.DataFrame:
    """An artifact as it is written and read again."""
    path = plan.results_root() / f"{name}.csv"
    artifacts_of(plan)[name].make(plan, path)
    return pd.read_csv(path)


def test_the_table_has_the_paired_drop_of_each_control(plan: Plan) -> None:
    table = written(plan, "controls").set_index("variant")
    assert list(table.index) == list(RIGHT)
    for variant in list(RIGHT)[1:]:
        test = stats.ttest_rel(*(100 * np.array(RIGHT[name]) / N for name in ("full", variant)))
        found = table.loc[variant, ["drop_low", "drop_high"]].tolist()
        assert found == pytest.approx(list(test.confidence_interval(0.95)), abs=1e-3)
    assert np.isnan(table.loc["full", "drop"])
    assert set(table["seeds"]) == {4}


def test_conclusions_follow_from_the_intervals(plan: Plan) -> None:
    table = written(plan, "control_verdicts").set_index("id")
    # rules about variants that the plan lacks are left out
    assert table["verdict"].to_dict() == {
        "full/flat_mean": "no effect of that size here",
        "full/random_clusters": "same direction here",
        "full/supcon": "opposite direction here",
        "full/full": "as expected",
    }
    clusters = table.loc["full/random_clusters"]
    assert clusters["compared"] == "full - random_clusters"
    percent = [100 * np.array(RIGHT[name]) / N for name in ("full", "random_clusters")]
    ends = stats.ttest_rel(*percent).confidence_interval(0.95)
    found = clusters[["difference", "difference_low", "difference_high"]].tolist()
    assert found == pytest.approx([(percent[0] - percent[1]).mean(), *ends], abs=1e-3)
    assert table["conclusion"].tolist() == [
        RULES["full/flat_mean"]["inside"] + " (the difference is less than 1.0 points)",
        RULES["full/random_clusters"]["above"],
        RULES["full/supcon"]["below"],
        RULES["full/full"]["contains"],
    ]
    few = control_verdicts(plan.model_copy(update={"seeds": [0, 1, 2]}))
    assert set(few["verdict"]) == {"too few seeds"}
    assert set(few["conclusion"]) == {"undecided: 3 seeds, 4 are needed: no interval"}
    assert few[["difference_low", "difference_high"]].isna().all(axis=None)


def test_the_page_has_a_section(plan: Plan) -> None:
    for name, artifact in artifacts_of(plan).items():
        artifact.make(plan, plan.results_root() / f"{name}.csv")
    page = html.render(plan, plan.results_root(), None)
    section = page[page.index('<h2 id="controls">') : page.index('<h2 id="leakage">')]
    assert RULES["full/supcon"]["below"] in section
    assert "full − random_clusters" in section
    assert ">full@stream=1</a></th>" in section
    assert '<a href="#controls">' in page


def test_chance_is_what_predictions_reach_that_do_not_depend_on_the_clip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.repeat([0, *range(1, 12)], [220, *[20] * 11])

    def predictions(plan: Plan, variant: str, seed: int, *_: Any) -> pd.DataFrame:
        top1 = np.repeat([0, *range(1, 12)], [396, *[4] * 11])
        top1 = np.random.default_rng(seed).permutation(top1)
        table = pd.DataFrame({"id": np.arange(440), "label": labels, "top1": top1})
        return table.assign(group=table["id"], fold=-1, correct=table["top1"] == table["label"])

    def hits_of(plan: Plan, *runs: tuple[str, str]) -> list[NDArray[np.bool_]]:
        right = [predictions(plan, "", seed)["correct"] for seed in plan.seeds]
        return [np.stack(right) for _ in runs]

    monkeypatch.setattr(collect, "predictions", predictions)
    monkeypatch.setattr(collect, "hits_of", hits_of)
    controls = Section(variants=["permuted_labels"], modalities=["AV"])
    plan = load_plan("embedded").model_copy(update={"controls": controls})
    (row,) = control_verdicts(plan).to_dict("records")
    right = [predictions(plan, "", seed)["correct"].mean() for seed in plan.seeds]
    # half of the clips are of class 0, and nine of ten predictions are
    chance = 0.5 * 0.9 + 0.5 * 0.1 / 11
    assert row["compared"] == "permuted_labels - chance"
    assert row["difference"] == pytest.approx(100 * (np.mean(right) - chance))


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict", "text", "small"),
    [
        ("full/shuffled", 0.2, 2.0, "same direction", "above", False),
        ("full/shuffled", 0.2, 0.8, "same direction, no effect of that size", "above", True),
        ("full/shuffled", -0.8, 0.8, "no effect of that size", "inside", True),
        ("full/shuffled", -0.8, -0.1, "opposite direction, no effect of that size", "below", True),
        ("full/shuffled", -2.0, -0.1, "opposite direction", "below", False),
        ("full/shuffled", -0.1, 2.0, "too few seeds", None, False),
        ("full/full", -0.1, 2.0, "as expected", "contains", False),
        ("full/full", -2.0, -0.1, "alarm", "excludes", False),
    ],
)
def test_the_place_of_an_interval_is_its_conclusion(
    rule: str, low: float, high: float, verdict: str, text: str | None, small: bool
) -> None:
    plan = load_plan("embedded").model_copy(update={"dataset": "my clips"})
    found, conclusion = judge(plan, RULES[rule], Interval((low + high) / 2, low, high))
    assert found == verdict
    wanted = "undecided" if text is None else RULES[rule][text]
    assert conclusion == wanted + small * " (the difference is less than 1.0 points)"


def test_a_plan_without_the_reference_among_its_controls() -> None:
    content = load_plan("embedded").model_dump(by_alias=True, exclude_none=True)
    content |= {"controls": {"variants": ["flat_mean"], "modalities": ["AV"]}}
    message = r"reference: wanted one of the variants of controls \(flat_mean\), got 'full'"
    with pytest.raises(UserError, match=message):
        checked(Plan, content, "plan.yaml")
