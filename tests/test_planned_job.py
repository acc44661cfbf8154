"""Jobs of plans whose clips do not suit them, as the workflow refuses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diccae.plans import Plan, load_plan
from diccae.snakemake_request import unknown_target
from diccae.source_lists import Lists
from diccae.workflow import Workflow
from tests.own_clips import manifest, plan_of


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan whose number of classes is wrong, and its list, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("path\n")
    source = {"reader": "plain_csv", "lists": ["mine.csv"], "media": "media"}
    lists = Lists(
        sources=[source], labelled="plain_csv", update_per_class=2, validation_per_class=1
    )
    changes = {"data_root": "results/data/mine", "lists": lists}
    return plan_of(data__num_classes=4).model_copy(update=changes)


def job_of(*plans: Plan) -> str:
    """The first input of a job of the first plan."""
    folder = plans[0].seed_folder("full", plans[0].seeds[0])
    return Workflow(plans).job(str(folder)).inputs[0]


def write_manifest(plan: Plan) -> None:
    plan.manifest.parent.mkdir(parents=True)
    manifest().to_parquet(plan.manifest)


def test_what_is_listed_already_is_checked(mine: Plan) -> None:
    # nothing is listed yet: `data manifest` checks it
    assert job_of(mine) == "results/data/mine/cache/meta.json"
    write_manifest(mine)
    with pytest.raises(SystemExit) as error:
        job_of(mine)
    assert str(error.value).startswith("diccae: plan mine: data.num_classes is 4, but the clips ")
    assert str(error.value).endswith("run `diccae data manifest --plan mine` first")
    # other plans are not blocked, even on the same data
    assert job_of(load_plan("smoke"), mine)
    right = mine.model_copy(update={"name": "right", "overrides": plan_of().overrides})
    assert job_of(right, mine)
    assert Workflow([mine, right]).data_plan(mine.data_root) is right


def test_a_manifest_that_is_made_again_is_not_checked_before(mine: Plan) -> None:
    write_manifest(mine)
    later = mine.manifest.stat().st_mtime + 10
    os.utime("mine.csv", (later, later))
    assert job_of(mine)
    # a rendered one follows the plan, whatever an older one says
    smoke = load_plan("smoke")
    write_manifest(smoke)
    assert job_of(smoke)


def test_a_plan_that_cannot_be_used_is_refused_by_its_words() -> None:
    flow = Workflow([load_plan("smoke")], broken={"results/odd": "plan odd: no key 'seeds'"})
    for ask in (
        lambda: flow.job("results/odd/runs/full/seed0"),
        lambda: flow.targets("results/odd"),
        lambda: flow.inputs("table1", "results/odd"),
    ):
        with pytest.raises(SystemExit, match="^diccae: plan odd: no key 'seeds'$"):
            ask()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("method.coverage", 2, "coverage: Input should be less"),
        ("schedule.finetune.batch_size", 0, "batch_size: Input should be greater"),
    ],
)
def test_a_plan_that_is_impossible_is_refused_and_blocks_no_other(
    key: str, value: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    smoke = load_plan("smoke")
    odd = smoke.model_copy(update={"name": "odd", "overrides": smoke.overrides | {key: value}})
    flow = Workflow([odd, smoke])
    for ask in (
        lambda: flow.job("results/odd/runs/full/seed200"),
        lambda: flow.targets("results/odd"),
        lambda: flow.inputs("table1", "results/odd"),
    ):
        with pytest.raises(SystemExit, match=f"^diccae: .*{message}"):
            ask()
    assert flow.job("results/smoke/runs/full/seed200").inputs
    assert flow.targets("results/smoke")
    # they share a folder of clips
    assert flow.data_plan(smoke.data_root) is smoke
    assert "did you mean 'results/smoke/table2.csv'" in unknown_target(
        "results/smoke/tabl2.csv", flow
    )


def test_jobs_start_seed_by_seed_and_first_what_others_wait_for() -> None:
    flow, root = Workflow([load_plan("smoke")]), "results/smoke"
    order = sorted(flow.jobs(root), key=flow.priority, reverse=True)
    seeds = [folder.rpartition("/")[2] for folder in order]
    assert seeds == sorted(seeds)
    # its warm-up is what most variants start from
    assert order[0] == f"{root}/runs/full/seed200"


def test_a_folder_in_which_no_plan_trains_is_named() -> None:
    flow = Workflow([load_plan("smoke")])
    with pytest.raises(SystemExit, match="^diccae: .*ful/seed200: .* variant, .*runs/full/seed200"):
        flow.job("results/smoke/runs/ful/seed200")


@pytest.mark.parametrize(
    ("target", "root"),
    [
        ("results/ablations/no_infonc.csv", "results"),
        ("results/embedded-ful/table2.csv", "results"),
        ("results/smoke/ablations/no_infonc.csv", "results/smoke"),
        ("tables/table2.csv", "results"),
    ],
)
def test_an_unknown_target_is_answered_with_those_of_the_plan_it_lies_in(
    target: str, root: str
) -> None:
    # Snakemake gets the plans in the order of their names
    flow = Workflow([load_plan(name) for name in ("controls", "embedded", "smoke")])
    assert f"Targets: all, smoke, and in {root}: table1.csv" in unknown_target(target, flow)
