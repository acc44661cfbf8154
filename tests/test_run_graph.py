"""Which runs start from which, and the jobs that they form."""

from __future__ import annotations

import pytest

from diccae.errors import UserError
from diccae.jobs import jobs
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run, with_parents


def test_variants_with_the_same_pre_training_share_it() -> None:
    plan = load_plan("embedded-first")

    def starts_from(variant: str, seed: int) -> list[str]:
        runs = with_parents([Run(plan, "finetune", variant, seed, "A")])
        return [f"{run.stage} {run.variant} {run.seed}" for run in runs if run.stage != "finetune"]

    # InfoNCE alone, for as many epochs as the warm-up: that run serves as both
    assert starts_from("no_kmeans", 0) == ["warmup full 0"]
    assert starts_from("no_kmeans_audioset", 0) == ["pretrain no_kmeans_audioset 0"]
    assert starts_from("test_portion", 1) == ["warmup full 1", "pretrain full 1"]
    assert starts_from("fixed_weight@w=4", 2) == ["warmup full 2"]
    assert starts_from("dynamic_weight@c=4", 2) == ["warmup full 2"]
    assert starts_from("no_infonce", 0) == ["warmup full 0", "pretrain no_infonce 0"]
    assert starts_from("from_scratch", 0) == []


@pytest.mark.parametrize(
    "overrides", [{"schedule.pretrain.epochs": 13}, {"schedule.pretrain.lr": 0.001}]
)
def test_a_warm_up_of_another_budget_does_not_stand_for_pre_training(
    overrides: dict[str, float],
) -> None:
    plan = load_plan("embedded").model_copy(update={"name": "other", "overrides": overrides})
    own = Run(plan, "pretrain", "no_kmeans", 0).owner
    assert (own.stage, own.variant) == ("pretrain", "no_confusion_loss")


def test_the_literal_plans_share_the_warm_up_as_well() -> None:
    for name in ("vggsound", "vggsound-literal-steps", "vggsound-literal-epochs", "smoke"):
        assert Run(load_plan(name), "pretrain", "no_confusion_loss", 0).owner.stage == "warmup"


def test_a_job_has_all_runs_of_a_variant_or_of_a_sweep_with_one_seed() -> None:
    plan = load_plan("embedded")
    of_plan = jobs(plan)
    assert [str(run) for run in of_plan["full", 201, None].runs] == [
        "warmup full seed 201",
        "pretrain full seed 201",
        *(f"finetune full {modality} seed 201" for modality in ("A", "V", "AV")),
    ]
    assert of_plan["full", 201, None].owners == []
    sweep = of_plan["fixed_weight@w", 202, None]
    assert len(sweep.runs) == 9
    assert sweep.owners == [("full", 202, None)]
    # seed by seed; every run of the plan is in one job
    assert [key[1] for key in of_plan] == sorted(key[1] for key in of_plan)
    runs = [run for job in of_plan.values() for run in job.runs]
    assert len(runs) == len(set(runs)) == 12 * 83


def test_the_first_seeds_of_a_plan_are_its_own_runs() -> None:
    plan = load_plan("embedded")
    four = plan.first_seeds()
    assert four == plan.first_seeds(4)
    assert four.seeds == [200, 201, 202, 203]
    hashes = {
        (run.stage, run.variant, run.seed, run.modality): run.config_hash for run in all_of(plan)
    }
    for run in all_of(four):
        assert hashes[run.stage, run.variant, run.seed, run.modality] == run.config_hash
        assert run.folder == Run(plan, run.stage, run.variant, run.seed, run.modality).folder
    assert four.first_seeds(2).whole is four.whole is plan
    with pytest.raises(UserError, match="plan embedded has 12 seeds, got 13; name a number"):
        plan.first_seeds(13)
    # only some plans have a default
    smoke = load_plan("smoke")
    assert smoke.first_seeds().seeds == smoke.seeds


def all_of(plan: Plan) -> list[Run]:
    return [run for job in jobs(plan).values() for run in job.runs]
