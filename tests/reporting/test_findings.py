"""The rules of the sentences on a page and in README.md, in every state of their tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diccae.reporting import findings, system_findings

NAN = float("nan")
FEW = "no verdict with 2 seeds (4 are needed)"


def ends(name: str, value: float, half: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def effect(variant: str, drop: float, half: float = 1.0, **more: Any) -> dict[str, Any]:
    """A row of effects.csv about a drop; without an interval if `half` is NaN."""
    low, high = drop - half, drop + half
    verdict = "same direction" if low > 0 else "opposite direction" if high < 0 else "too few seeds"
    row = {"claim": f"table2/{variant}", "modality": "AV", "family": "primary", "drop": drop}
    row |= {"low": low, "high": high, "verdict": verdict, "seeds": 12, "smallest_visible": 2 * half}
    return row | more


def system(variant: str, over: float, half: float = 1.0, **more: Any) -> dict[str, Any]:
    """A row of systems.csv; without an interval if `half` is NaN."""
    rate = "chosen" if "@" in variant else "common"
    row = {"variant": variant, "system": f"{variant.partition('@')[0].upper()} (miniature)"}
    row |= {"modality": "AV", "rate": rate, "seeds": 12, **ends("over_diccae", over, half)}
    row |= {"top1": 70.0, "low": 69.0, "high": 71.0, **ends("over_scratch", over, half)}
    return row | more


def control(name: str, value: float, conclusion: str, half: float = 1.0) -> dict[str, Any]:
    row = {"id": name, "conclusion": conclusion, "statement": "The method is better", "seeds": 12}
    return row | {"compared": "full - shuffled_weights", **ends("difference", value, half)}


@pytest.mark.parametrize(
    ("over", "words"),
    [
        (3.0, "is better than its encoders trained from scratch (+3.0 [+2.0, +4.0] points)"),
        (-3.0, "is worse than its encoders trained from scratch (-3.0 [-4.0, -2.0] points)"),
        (
            0.5,
            "is not told apart from its encoders trained from scratch (+0.5 [-0.5, +1.5] points)",
        ),
    ],
)
def test_the_full_method_against_training_from_scratch(over: float, words: str) -> None:
    audio = system("full", 9.0, modality="A")
    said = system_findings.accuracy([audio, system("full", over), system("from_scratch", NAN)])
    assert said == f"DICCAE reaches 70.0 % [69.0, 71.0] in A-V and {words}"


def test_the_full_method_without_an_interval_or_without_what_it_is_compared_with() -> None:
    few = system("full", 3.0, NAN, seeds=2, low=NAN, high=NAN)
    assert system_findings.accuracy([few]) == (
        "DICCAE reaches 70.0 % in A-V; mean difference to its encoders trained from scratch, in "
        "points: +3.0; " + FEW
    )
    alone = system_findings.accuracy([system("full", NAN)])
    assert alone.endswith("in A-V; training from scratch is not part of these results")
    assert system_findings.accuracy([]) == system_findings.accuracy([system("mbt", 1.0)]) == ""


def test_systems_are_compared_at_the_rates_chosen_for_them() -> None:
    names = ("gblend", "mbt", "mbt_late", "avcl")
    common = [system("full", NAN), *(system(name, -3.0) for name in names)]
    said = "of 3 systems beside DICCAE in A-V"
    assert system_findings.others(common, intervals=False) == (
        f"{said}, differences in points: 3 worse (GBLEND: -3.0; MBT: -3.0; AVCL: -3.0)"
    )
    values = {"full": NAN, "gblend": 2.0, "mbt": 0.2, "avcl": -1.5}
    chosen = [system(f"{name}@lr=0.004", value) for name, value in values.items()]
    assert system_findings.others(common + chosen) == (
        f"{said}, each at the learning rate chosen for it on validation clips, differences in "
        "points: 1 better (GBLEND: +2.0 [+1.0, +3.0]), 1 not told apart from it (MBT: +0.2 [-0.8, "
        "+1.2]), 1 worse (AVCL: -1.5 [-2.5, -0.5]); at the common rate 3 worse"
    )
    # a system at its best is not compared with DICCAE at another rate
    assert system_findings.others(common + chosen[1:]) == system_findings.others(common)


def test_other_systems_without_an_interval_are_no_better_or_worse() -> None:
    rows = [system("full", NAN, seeds=2), system("mbt", 5.0, NAN, seeds=2)]
    assert system_findings.others(rows) == (
        f"{FEW}; mean A-V differences to DICCAE, in points: MBT: +5.0"
    )
    assert system_findings.others(rows[:1]) == system_findings.others([]) == ""


def test_parts_without_verdicts_and_without_primary_rows() -> None:
    few = [effect("no_infonce", 2.0, NAN, seeds=2), effect("flat_mean", -1.0, NAN, seeds=2)]
    assert findings.parts(few) == (
        f"{FEW}; means of 2 A-V drops, in points: without InfoNCE: +2.0; "
        "the mean weight for every pair: -1.0"
    )
    audio = [effect("no_infonce", 2.0, modality="A", family="exploratory")]
    assert findings.parts(audio, intervals=False) == (
        "of 1 exploratory audio drop, in points: 1 in the claimed direction (without InfoNCE: +2.0)"
    )
    assert findings.parts([]) == findings.parts([effect("", 1.0, claim="fig3/threshold")]) == ""


def test_a_drop_that_is_equal_in_all_seeds_is_undecided() -> None:
    rows = [effect("no_infonce", 2.0), effect("flat_mean", 0.4, NAN)]
    assert findings.parts(rows).endswith("1 undecided (the mean weight for every pair: +0.4)")
    assert findings.parts(rows[1:]).startswith("no verdict with 12 seeds, without an interval; ")


def test_which_pairs_are_weighted_by_drops_and_by_controls() -> None:
    drops = [
        effect("no_dynamic_weighting", 2.0),
        effect("flat_mean", 0.1, 0.5, verdict="no effect of that size here"),
        effect("no_infonce", 9.0),
    ]
    rules = [
        control("full/supcon", 1.0, "not about weights"),
        control("full/flat_mean", 4.0, "the pattern helps"),
        control("full/shuffled", -2.0, "it does worse"),
        control("oracle/shuffled", 0.0, "undecided"),
    ]
    assert findings.weights(drops, rules) == (
        "dynamic weights do better than a static weight of 1 (+2.0 [+1.0, +3.0] points); dynamic "
        "weights do as well as their mean for every pair (+0.1 [-0.4, +0.6] points); undecided "
        "whether the method is better (+0.0 [-1.0, +1.0] points); it does worse (-2.0 [-3.0, "
        "-1.0] points)"
    )
    assert "the pattern helps (+4.0 [+3.0, +5.0] points)" in findings.weights([], rules)
    worse = [effect("shuffled_weights", -2.0), effect("flat_mean", 0.2)]
    assert findings.weights(worse, []) == (
        "dynamic weights do worse than the same weights on wrong pairs (-2.0 [-3.0, -1.0] points); "
        "dynamic weights are not told apart from their mean for every pair (+0.2 [-0.8, +1.2] "
        "points)"
    )


def test_which_pairs_are_weighted_without_verdicts() -> None:
    few = [effect("flat_mean", -1.0, NAN, seeds=2)]
    rule = control("full/shuffled", 0.5, "undecided: 2 seeds, 4 are needed: no interval", NAN)
    assert findings.weights(few, [rule]) == (
        f"{FEW}; mean differences, in points: dynamic weights minus their mean for every pair: "
        "-1.0; full minus shuffled_weights: +0.5"
    )
    assert findings.weights([], [rule | {"seeds": 2}]).startswith(f"{FEW}; ")
    other = [control("full/supcon", 1.0, "not about weights")]
    assert findings.weights([effect("no_infonce", 9.0)], other) == ""


def test_what_can_be_seen() -> None:
    rows = [effect("no_infonce", 2.0), effect("flat_mean", 0.0, 0.5)]
    said = "with 80 % power, a 95 % interval shows a true A-V drop of 1.0 to 2.0 points or more"
    assert findings.visible(rows).startswith(
        f"{said}, by the spread of each row; the wider intervals of the verdicts need a larger one;"
    )
    # of a single primary row, the interval that decides is this one, as of exploratory rows
    alone = findings.visible(rows[:1])
    assert "a true A-V drop of 2.0 points or more, by the spread of each row; a smaller" in alone
    exploratory = [row | {"family": "exploratory"} for row in rows]
    assert findings.visible(exploratory).startswith(f"{said}, by the spread of each row; a smaller")
    few = [effect("no_infonce", 2.0, np.nan, seeds=1)]
    assert findings.visible(few, "rotation") == (
        "nothing yet: no verdict with 1 rotation (4 are needed)"
    )
    assert findings.visible([]) == ""
