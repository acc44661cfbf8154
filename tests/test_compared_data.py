"""Systems that are compared have the same data, whatever else differs."""

from __future__ import annotations

import pytest

from diccae.compared_data import check_compared
from diccae.errors import UserError
from diccae.plans import Plan, known_plans, load_plan
from diccae.run_graph import check
from diccae.validation import checked


def plan_of(*variants: str, **more: object) -> Plan:
    content = load_plan("smoke").model_dump(by_alias=True)
    kept = {key: content[key] for key in ("scale", "dataset", "data_root", "overrides")}
    kept |= {"name": "compared", "seeds": [0], "reference": variants[0]}
    kept["parameters"] = {
        "n": "data.train_per_class",
        "f": "cache.num_frames",
        "lr": "schedule.finetune.lr",
    }
    table1 = {"variants": list(variants), "modalities": ["AV"]}
    return checked(Plan, kept | {"table1": table1} | more, "here")


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("mbt@n=5", "mbt@n=5 has data.train_per_class 5 and full 6"),
        ("mbt@f=8", "mbt@f=8 has cache.num_frames 8 and full 16"),
        ("no_kmeans_audioset", "no_kmeans_audioset has method.sources embedded-a and full all"),
        ("test_portion", "test_portion has an update set of test clips and full of other clips"),
    ],
)
def test_different_data_is_refused_before_anything_runs(variant: str, words: str) -> None:
    with pytest.raises(UserError, match=f"plan compared, table1: {words}.*leave one of them out"):
        check(plan_of("full", "from_scratch", variant))


def test_a_system_without_encoders_at_the_scale_is_named() -> None:
    more = {"scale": "frozen", "overrides": {}, "dataset": "mine", "lists": None}
    with pytest.raises(
        UserError, match=r"encoders for inputs 'tokens', which mbt reads: no .*leave mbt"
    ):
        check(plan_of("full", "mbt", **more))


def test_what_is_no_data_may_differ() -> None:
    check_compared(plan_of("full", "mbt@lr=0.001", "gblend_online", "avcl_no_selfcl"))
    # all of them have it
    check_compared(plan_of("mbt@n=5", "gblend@n=5"))
    # a table that compares nothing but DICCAE with itself
    section = {"variants": ["full", "no_kmeans_audioset"], "modalities": ["AV"]}
    check_compared(plan_of("full", sensitivity=section))
    for name in known_plans():
        check_compared(load_plan(name))
