"""Verdicts on claims, against values worked out by hand from the synthetic runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from diccae.functional.bootstrap import Interval
from diccae.functional.two_way import two_way_interval
from diccae.plans import CONFIG_ROOT, Plan
from diccae.reporting import claims, collect, verdicts
from tests.reporting.conftest import SKILL, N, expected, make, write_run

OTHER_SECTIONS = (
    "sensitivity",
    "cluster_ce",
    "figure2",
    "figure3",
    "mechanism",
    "leakage",
    "learning_rates",
)


def test_verdicts_follow_the_rules(fake: Plan, tmp_path: Path) -> None:
    plan = four_seeds(fake)
    for seed in plan.seeds:
        write_run(plan, "no_dynamic_weighting", "AV", seed, SKILL["full"] + 0.005 * (seed - 1.5))
    # one clip more in a seed, so that no gap to another variant is equal in all seeds
    write_run(plan, "no_infonce", "AV", 3, SKILL["no_infonce"] + 2 / N)
    table = claims.evaluate(plan).set_index("id")
    judged = table["verdict"]
    assert judged["table2/no_infonce/AV"] == "same direction here"
    assert judged["table2/no_refinement/AV"] == "opposite direction here"
    assert judged["table2/no_dynamic_weighting/AV"] == verdicts.TOO_FEW
    assert judged["table1/DICCAE/AV"] == claims.NOT_TESTABLE
    assert judged["text/drop_4.2"] == claims.SELF_CONTRADICTION
    assert judged["text/infonce_largest/AV"] == "confirmed here"
    assert judged["text/order/AV"] == "contradicted here"
    contradicted = "no_refinement over no_dynamic_weighting: -"
    assert table.loc["text/order/AV", "evidence"].startswith(contradicted)
    assert "(98.8 %); holds in 0 % of" in table.loc["text/order/AV", "evidence"]
    # gaps that are equal in all seeds
    assert judged["text/infonce_largest/A"] == verdicts.TOO_FEW
    # A-V is better than A by the same 48 clips in every seed
    assert judged["text/avgain"] == verdicts.TOO_FEW
    assert set(table.index[table["family"] == "primary"]) == {
        name for name in table.index if name.startswith("table2/") and name.endswith("/AV")
    }
    assert set(table.loc[["table2/no_infonce/A", "text/order/AV"], "family"]) == {"exploratory"}
    # the evidence of a primary row is its simultaneous interval, of an exploratory one that of 95 %
    full = np.array([expected("full", "AV", seed) for seed in plan.seeds])
    more = np.array([0, 1, 0, 2]) * 100 / N
    own = np.array([expected("no_infonce", "AV", seed) for seed in plan.seeds]) + more
    low, high = stats.t.interval(1 - 0.05 / 7, 3, np.mean(full - own), stats.sem(full - own))
    row = make(plan, "table2", tmp_path).set_index(["variant", "modality"]).loc["no_infonce", "AV"]
    ends = [row["simultaneous_low"], row["simultaneous_high"]]
    assert ends == pytest.approx([low, high], abs=1e-3)
    words = f"{np.mean(full - own):+.2f} [{low:+.2f}, {high:+.2f}] (99.3 %)"
    assert table.loc["table2/no_infonce/AV", "evidence"] == words
    assert table.loc["table2/no_infonce/A", "evidence"].endswith("(95 %)")


def test_the_best_fixed_weight_is_chosen_without_the_scored_seed(fake: Plan) -> None:
    more = fake.model_copy(
        update={name: None for name in OTHER_SECTIONS if name != "figure3"}
        | {"seeds": [0, 1, 2, 3], "table1": None, "table2": None}
    )
    # each weight is good with one seed, in validation as in the test
    for place, variant in enumerate(("fixed_weight@w=0", "fixed_weight@w=1", "fixed_weight@w=16")):
        for seed in more.seeds:
            write_run(more, variant, "A", seed, 0.5 + 0.1 * (seed == place + 1) - seed / N)
    for seed in more.seeds:
        write_run(more, "no_kmeans", "A", seed, 0.5)
    row = claims.evaluate(more).set_index("id").loc["fig3/dynamic_better"]
    # with a seed, the weight that is good with it is not among the best with the others
    assert row["evidence"].startswith("dynamic over the best fixed weight: +0.62 ")


@pytest.mark.parametrize(
    ("values", "statistic", "evidence"),
    [
        # the ratio of the variances is 2, whatever their size
        ([[1.0, 2.1], [50.0, 100.0], [2.0, 4.0], [1.0, 2.0]], "variance", "logarithm of +0.71"),
        ([[1.0, 2.1], [50.0, 100.0], [2.0, 4.0], [1.0, 2.0]], "mean", "fall of +13.53"),
        ([[0.0, 2.0], [50.0, 100.0], [2.0, 4.0], [1.0, 2.0]], "variance", "no logarithm"),
    ],
)
def test_variances_are_compared_by_their_logarithm(
    fake: Plan,
    monkeypatch: pytest.MonkeyPatch,
    values: list[list[float]],
    statistic: str,
    evidence: str,
) -> None:
    plan = fake.model_copy(update={"seeds": [0, 1, 2, 3]})
    table = pd.DataFrame(
        [
            {"model": f"{name} DICCAE", "seed": seed, statistic: pair[place]}
            for seed, pair in enumerate(values)
            for place, name in enumerate(("with", "without"))
        ]
    )
    monkeypatch.setattr(claims, "figure2", lambda plan: table)
    found = claims.RULES["change"](plan, {"statistic": statistic, "value": -1.0})
    assert evidence in found[1]
    small = statistic == "variance" and "no" not in evidence
    assert found[0] == ("same direction here" if small else verdicts.TOO_FEW)


def test_a_fall_is_held_against_the_printed_one(
    fake: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = fake.model_copy(update={"seeds": [0, 1, 2, 3]})
    pairs = zip((1.0, 1.0, 1.0, 1.0), (1.5, 1.51, 1.49, 1.52), strict=True)
    rows = [
        {"model": f"{name} DICCAE", "seed": seed, "mean": value}
        for seed, pair in enumerate(pairs)
        for name, value in zip(("with", "without"), pair, strict=True)
    ]
    monkeypatch.setattr(claims, "figure2", lambda plan: pd.DataFrame(rows))
    for printed, verdict in (
        (-2.0, "same direction, smaller than printed here"),
        (-0.2, "same direction here"),
    ):
        claim = {"statistic": "mean", "value": printed}
        assert claims.RULES["change"](plan, claim)[0] == verdict


def test_accuracies_of_the_papers_data_set_are_held_against_the_printed_ones(fake: Plan) -> None:
    plan = four_seeds(fake, ("full",)).model_copy(update={"dataset": "vggsound"})
    # 80 %, and a clip more with each seed
    claim = {"variant": "full", "modality": "AV", "value": 100 * (0.8 + 1.5 / N)}
    close = verdicts.paper.claims()["tolerance"]["absolute"]
    for away, verdict in ((0.9, claims.REPRODUCED), (1.1, claims.CONTRADICTED)):
        for sign in (-1, 1):
            printed = claim | {"value": claim["value"] + sign * away * close}
            assert claims.RULES["absolute"](plan, printed)[0] == verdict
    few = plan.model_copy(update={"seeds": [0, 1, 2]})
    assert claims.RULES["absolute"](few, claim)[0] == verdicts.TOO_FEW


def test_the_variant_that_costs_least_is_above_all_others(fake: Plan) -> None:
    plan = four_seeds(fake)
    write_run(plan, "no_refinement", "AV", 3, SKILL["no_refinement"] + 3 / N)
    claim = {"test": "smallest", "modality": "AV"}
    least, other = (
        claims.RULES["order"](plan, claim | {"variant": name})
        for name in ("no_refinement", "no_infonce")
    )
    # the lowest drop of all is that of the highest accuracy
    assert (least[0], other[0]) == ("confirmed here", "contradicted here")
    assert other[1].endswith("holds in 0 % of the resamplings")


def four_seeds(plan: Plan, variants: tuple[str, ...] = tuple(SKILL)) -> Plan:
    """Tables 1 and 2 of the plan with four seeds, whose drops differ by a few clips; the runs of
    some variants."""
    assert plan.table1
    table1 = plan.table1.model_copy(update={"variants": ["full"]})
    more = plan.model_copy(
        update=dict.fromkeys(OTHER_SECTIONS) | {"seeds": [0, 1, 2, 3], "table1": table1}
    )
    for variant, modalities in more.variants().items():
        for modality in modalities if variant in variants else ():
            for seed in more.seeds:
                if variant != "full" or seed not in plan.seeds:
                    skill = SKILL[variant] - {"A": 0.2, "V": 0.25, "AV": 0.0}[modality]
                    clips = 0 if variant == "full" else seed % 2
                    write_run(more, variant, modality, seed, skill + clips / N)
    return more


def test_four_seeds_have_paired_intervals(fake: Plan, tmp_path: Path) -> None:
    plan = four_seeds(fake, ("full", "no_infonce"))
    table = make(plan, "ablations/no_infonce", tmp_path).set_index(["variant", "modality"])
    row = table.loc["no_infonce", "AV"]
    own = [expected("no_infonce", "AV", seed) + 100 / N * (seed % 2) for seed in plan.seeds]
    full = [expected("full", "AV", seed) for seed in plan.seeds]
    low, high = stats.t.interval(0.95, 3, np.mean(own), stats.sem(own))
    assert [row["low"], row["high"]] == pytest.approx([low, high], abs=1e-3)
    test = stats.ttest_rel(full, own)
    interval = test.confidence_interval(0.95)
    assert row["drop_low"] == pytest.approx(interval.low, abs=1e-3)
    assert row["drop_high"] == pytest.approx(interval.high, abs=1e-3)
    assert row["drop_clip_low"] < row["drop"] < row["drop_clip_high"]


def test_an_order_that_is_not_contradicted_shows_the_interval_that_failed_to(fake: Plan) -> None:
    gap, wider = Interval(-1.9, -3.1, -0.7), Interval(-1.9, -3.9, 0.04)
    other, both = Interval(2.0, 1.0, 3.0), Interval(2.0, 0.5, 3.5)
    found = verdicts.judge_order(fake, [other, gap], [both, wider], ["a over b", "c over b"])
    assert found == (verdicts.TOO_FEW, "c over b: -1.90 [-3.90, +0.04] (97.5 %)")
    # a gap that the order leaves open keeps the interval that would confirm it
    open_gap = Interval(0.5, -0.2, 1.2)
    found = verdicts.judge_order(fake, [other, open_gap], [both, wider], ["a over b", "c over b"])
    assert found == (verdicts.TOO_FEW, "c over b: +0.50 [-0.20, +1.20] (90 %)")


def test_primary_rows_have_an_interval_for_other_clips_too(fake: Plan, tmp_path: Path) -> None:
    plan = four_seeds(fake)
    assert plan.table2
    table = make(plan, "table2", tmp_path).set_index(["variant", "modality"])
    row = table.loc["no_infonce", "AV"]
    full, own = collect.hits_of(plan, ("full", "AV"), ("no_infonce", "AV"))
    values, labels = 100.0 * full - 100.0 * own, collect.labels(plan, "no_infonce", "AV")
    level = 1 - 0.05 / row["family_size"]
    wanted = two_way_interval(values, labels, np.arange(values.shape[1]), level)
    assert [row["two_way_low"], row["two_way_high"]] == pytest.approx(wanted[1:], abs=1e-3)
    # other clips add to it, and it decides nothing
    assert row["two_way_low"] < row["simultaneous_low"]
    assert row["two_way_high"] > row["simultaneous_high"]
    few = make(plan.model_copy(update={"seeds": [0, 1, 2]}), "table2", tmp_path)
    assert few["two_way_low"].isna().all()
    assert "two_way_low" not in make(plan, "ablations/no_infonce", tmp_path)


def test_every_claim_has_a_rule_and_every_alias_a_target() -> None:
    content = yaml.safe_load((CONFIG_ROOT / "claims.yaml").read_text())
    ids = [claim["id"] for claim in content["claims"]]
    assert len(ids) == len(set(ids))
    for claim in content["claims"]:
        assert claim.get("rule") in content["rules"] or claim["verdict"] in (
            claims.NOT_TESTABLE,
            claims.SELF_CONTRADICTION,
        )
    assert set(content["aliases"].values()) <= set(ids)
    assert all(remark["source"] for remark in content["remarks"])
