"""The section `dose_response`: which runs it needs, which they share, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run, check, scored_runs, with_parents
from diccae.validation import checked

PLAN = load_plan("dose-response")
CURVE = {"variant": "full", "parameter": "c", "values": [0, 1, 4], "default": 1}


def plan_with(**changes: Any) -> Plan:
    section = {"modality": "AV", "curves": [CURVE | changes]}
    content = PLAN.model_dump(by_alias=True) | {"dose_response": section}
    plan: Plan = checked(Plan, content, "here")
    return plan


def test_a_weight_of_zero_is_the_model_without_confusion_loss() -> None:
    for variant in ("full@c=0", "rank@c=0"):
        run, without = (
            Run(PLAN, "finetune", name, 200, "AV") for name in (variant, "no_confusion_loss")
        )
        assert run.config_hash == without.config_hash
        # its pre-training is the warm-up of all curves
        assert [str(parent) for parent in run.parents.values()] == ["warmup full seed 200"]


def test_the_variant_as_it_is_stands_for_the_default_in_every_curve() -> None:
    first = [need.variant for need in PLAN.needs()[:2]]
    assert first == ["full", "rank"]
    runs = [run for run in with_parents(scored_runs(PLAN, PLAN.needs())) if run.seed == 200]
    names = {run.variant for run in runs}
    assert {"full@c=0", "full@c=4", "rank@range=16"} < names
    assert not {"full@c=1", "full@range=2", "rank@c=1", "rank@range=2"} & names
    # one pre-training a value, but none for the two curves at c=0
    scored = sum(run.stage == "finetune" for run in runs)
    assert sum(run.stage == "pretrain" for run in runs) == scored - 2


def test_a_range_of_zero_leaves_the_pairs_of_one_class() -> None:
    config = Run(PLAN, "finetune", "full@range=0", 200, "AV").config()
    (hook,) = (hook for hook in config.custom_hooks if hook.type == "ConfusionDegreeHook")
    assert (hook.weights.weight_range, hook.weights.diagonal_weight) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": [1, 0]}, "wanted ascending values, with the default (1) among them, got 1, 0"),
        ({"values": [0, 4]}, "wanted ascending values, with the default (1) among them, got 0, 4"),
        ({"values": [1]}, "curves.0.values: List should have at least 2 items"),
        ({"parameter": "d"}, "variant 'full@d=0': no parameter 'd' in `parameters` (c, range)"),
    ],
)
def test_a_wrong_curve_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        plan_with(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_default_that_is_not_the_value_of_the_variant_is_refused() -> None:
    check(plan_with())
    with pytest.raises(UserError) as error:
        check(plan_with(default=4))
    assert str(error.value) == (
        "plan dose-response, dose_response: default 4 of c is not the value of full, whose runs "
        "stand for it, in stage finetune; write its own value"
    )
