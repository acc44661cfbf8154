"""The first screen of a page: sentences, verdicts and the forest plot, from made-up tables."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from diccae.plans import load_plan
from diccae.reporting import first_screen, forest, verdict_words
from diccae.reporting.page_values import evidence, p_value

NAN = float("nan")
SCORED = [{"modality": "A", "top1": 50.0}, {"modality": "AV", "top1": 71.25}]


def row(variant: str, drop: float, half: float, modality: str = "AV") -> dict:
    """A row of table2.csv; without intervals if `half` is NaN."""
    return {
        "variant": variant,
        "modality": modality,
        "seeds": 12 if np.isfinite(half) else 2,
        "family": "primary" if modality == "AV" else "exploratory",
        "drop": drop,
        "drop_low": drop - half,
        "drop_high": drop + half,
        "simultaneous_low": drop - 2 * half,
        "simultaneous_high": drop + 2 * half,
        "paper_drop": 3.9 if variant == "no_infonce" else NAN,
    }


WHOLE = {"variant": "full", "modality": "AV", "drop": NAN, "family": NAN}
# the 95 % interval of the second one lies below zero, the interval that decides does not
TABLE2 = [WHOLE, row("no_infonce", 3.0, 1.0), row("flat_mean", -0.75, 0.5), row("x", -3.0, 1.0)]


def test_the_forest_plot_has_drop_both_intervals_and_the_drop_of_the_paper() -> None:
    shown = forest.forest([*TABLE2, row("no_infonce", 9.0, 1.0, "A")])
    assert shown is not None
    assert shown.primary
    assert shown.modality == "A-V"
    assert not shown.few
    infonce, mean, other = shown.rows
    assert infonce == ("without InfoNCE", 3.0, (1.0, 5.0), (2.0, 4.0), 3.9)
    assert mean[:4] == ("the mean weight for every pair", -0.75, (-1.75, 0.25), (-1.25, -0.25))
    assert np.isnan(mean.paper)
    assert forest.describe(shown) == (
        "Forest plot of Table 2 in A-V, 3 rows; intervals above zero: 1, below: 1, with zero "
        "inside: 1. The largest drop is 3.0 points (without InfoNCE), the smallest −3.0 points (x)."
    )
    assert other.words == "x"


def test_a_forest_plot_of_few_seeds_has_means_alone() -> None:
    shown = forest.forest([row("no_infonce", 3.0, NAN), row("flat_mean", 1.0, NAN)])
    assert shown is not None
    assert shown.few == "no verdict with 2 seeds (4 are needed)"
    assert all(np.isnan([*each.simultaneous, *each.single]).all() for each in shown.rows)
    assert "2 rows; no verdict with 2 seeds (4 are needed). The" in forest.describe(shown)


def test_rows_that_are_not_primary_have_no_simultaneous_interval() -> None:
    shown = forest.forest([row("no_infonce", 3.0, 1.0, "A")])
    assert shown is not None
    assert not shown.primary
    assert np.isnan(shown.rows[0].simultaneous).all()
    assert forest.describe(shown).startswith(
        "Forest plot of Table 2 in audio, 1 row; intervals above zero: 1,"
    )
    assert forest.forest(None) is forest.forest([WHOLE]) is None


def test_the_forest_plot_is_the_same_bytes_twice_and_has_a_white_ground() -> None:
    shown = forest.forest(TABLE2)
    assert shown is not None
    uri = forest.draw(shown)
    assert uri == forest.draw(shown)
    assert "fill: #ffffff" in base64.b64decode(uri.partition(",")[2]).decode()
    # the band of effects that are too small to matter is part of primary rows alone
    assert forest.draw(shown._replace(primary=False)) != uri


def test_what_was_asked_is_counted_from_plan_and_paper() -> None:
    asked = first_screen.question(load_plan("smoke"), 1080, 240)
    assert "It claims 65.5 % on VGGSound" in asked
    assert "without one of 5 parts of the method the accuracy falls by 1.4 to 3.9 points" in asked
    assert asked.endswith(
        "what holds on the embedded benchmark: 18 variants and systems, 2 seeds, 1,080 training "
        "runs, 240 test clips."
    )


def test_a_plan_without_tables_says_so_in_each_sentence() -> None:
    found = first_screen.sentences(load_plan("smoke"), {"systems": None}, SCORED)
    assert len(found) == 5
    assert found[0].sentence == (
        "DICCAE reaches 71.2 % in A-V; training from scratch is not part of this plan."
    )
    assert {each.sentence for each in found[1:]} == {first_screen.ABSENT}


def test_sentences_have_real_minus_signs_and_the_unit_of_the_plan() -> None:
    effects = [{"claim": "table2/flat_mean", "modality": "A", "seeds": 2, "drop": -1.0}]
    effects[0] |= {"family": "exploratory", "low": NAN, "high": NAN, "smallest_visible": NAN}
    found = first_screen.sentences(load_plan("kitchen20"), {"effects": effects}, SCORED)
    assert found[1].sentence == (
        "No verdict with 2 rotations (4 are needed); means of 1 exploratory audio drop, in points: "
        "the mean weight for every pair: −1.0."
    )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("embedded", "The 12 classes of rendered clips can show whether"),
        ("kitchen20", "the size of an effect on VGGSound. This plan uses sound alone;"),
        ("vggsound", "measured on 15,000 of 15,446 test clips."),
    ],
)
def test_what_the_data_can_show(plan: str, said: str) -> None:
    words = first_screen.limits(load_plan(plan), 12, 15446, 15000)
    assert said in words
    assert words.count(". ") <= 1


def test_claims_are_counted_by_verdict_and_every_word_is_explained() -> None:
    verdicts = [
        "not part of this plan",
        "too few seeds",
        "opposite direction, no effect of that size here",
        "too few seeds",
    ]
    claims = [{"verdict": verdict} for verdict in verdicts]
    found = verdict_words.counts(load_plan("smoke"), claims)
    assert [(each.verdict, each.claims) for each in found] == [
        ("opposite direction, no effect of that size here", 1),
        ("too few seeds", 2),
        ("not part of this plan", 1),
    ]
    assert found[0].meaning == (
        "the effect has the opposite sign; any effect is smaller than 1 point"
    )
    assert found[1].meaning == "2 seeds give no interval; 4 are needed"
    (enough,) = verdict_words.counts(load_plan("embedded"), claims[1:2])
    assert enough.meaning == "12 seeds do not decide it: the interval includes both answers"


@pytest.mark.parametrize(
    ("rule", "words", "shown"),
    [
        ("drop", "+1.25 (2 seeds, 4 are needed: no interval)", "+1.25 points (2 seeds, 4 are"),
        ("order", "A over B: -1.50 [-2.00, -1.00] (95 %)", "−1.50 [−2.00, −1.00] points (95 %)"),
        ("gaps", "mbt A over avcl A: -1.50 [-2.00, -1.00]", "A: −1.50 [−2.00, −1.00] points"),
        ("change", "fall of +0.65 [-0.10, +1.40] (95 %)", "mean degree without − with: +0.65 [−0"),
        ("change", "fall of the logarithm of -0.19", "logarithm of the variance without − with: −"),
        ("absolute", "measured 8.8 % on VGGSound", "measured 8.8 % on VGGSound"),
    ],
)
def test_evidence_has_units(rule: str, words: str, shown: str) -> None:
    assert shown in evidence({"rule": rule, "evidence": words})


def test_a_small_p_value_is_a_bound() -> None:
    shown = [p_value(value) for value in (0.0005, 0.001, 0.25, NAN)]
    assert shown == ["p < 0.001", "p = 0.001", "p = 0.250", "–"]
