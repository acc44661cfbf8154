"""Plans with changed values: their names, folders and runs, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from diccae import workflow
from diccae.changed_plan import check_changes, check_effect
from diccae.changed_values import NOWHERE, changes_of, value_of
from diccae.errors import UserError
from diccae.plan_name import changed_name, read_changes, results_root_of, split_name
from diccae.plans import Plan, known_plans, load_plan
from diccae.run_graph import Run
from diccae.settings import plan_settings, settings_of
from diccae.snakemake_request import changed_values
from diccae.validation import checked
from diccae.workflow import Workflow, load_workflow


@pytest.mark.parametrize("text", ["b.c=1.0 a=0.10", "a=.1   b.c=1", "b.c=1e0 a=1e-1"])
def test_one_change_has_one_name(text: str) -> None:
    name = changed_name("smoke", read_changes(text))
    assert name == "smoke@a=0.1@b.c=1"
    assert split_name(name) == ("smoke", {"a": 0.1, "b.c": 1})
    assert results_root_of(name) == Path("results/changed/smoke@a=0.1@b.c=1")


def test_words_and_empty_values() -> None:
    found = read_changes("a=null b=True c=false d=cross_modal e=1e-9 f=-3")
    assert found == {"a": None, "b": True, "c": False, "d": "cross_modal", "e": 1e-9, "f": -3}
    assert split_name(changed_name("x", found)) == ("x", found)


@pytest.mark.parametrize("name", ["embedded", "my@home/plan.yaml", "a@b/c=1/plan.yaml"])
def test_a_name_without_changes_is_left_as_it_is(name: str) -> None:
    assert split_name(name) == (name, {})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "set: wanted key=value, such as method.temperature=0.1, several with blanks"),
        ("method.temperature", "set method.temperature: wanted key=value"),
        ("=1", "set =1: wanted key=value"),
        ("a=", "set a=: wanted a number, a word, true, false or null after a=, got ''"),
        ("a=[1,2]", "set a=[1,2]: wanted a number, a word"),
        ("a=../b", "set a=../b: wanted a number, a word"),
        ("a=1 a=2", "set a=2: a is set twice; name it once"),
        (0.1, "--config set=0.1: wanted key=value"),
        ({"a": "1"}, "--config set={'a': '1'}: wanted key=value"),
        (" ".join(f"key{n}=1" for n in range(40)), "@key0=1"),
    ],
)
def test_what_is_no_change(value: object, message: str) -> None:
    assert changed_values({}) == ""
    with pytest.raises(UserError, match="^" + re.escape(message)):
        changed_values({"set": value})


def test_a_change_is_an_override_of_a_plan_with_its_own_folder() -> None:
    plan = load_plan("smoke@method.temperature=0.1").first_seeds(1)
    own = load_plan("smoke").first_seeds(1)
    assert settings_of(plan, "warmup", "full").choices.temperature == 0.1
    assert (plan.data_root, plan.seeds) == (own.data_root, own.seeds)
    assert plan.unchanged.name == "smoke"
    run = Run(plan, "pretrain", "full", plan.seeds[0])
    root = "results/changed/smoke@method.temperature=0.1"
    assert str(run.folder).startswith(f"{root}/runs/full/")
    assert all(str(path).startswith(root) for path in run.parent_files.values())
    # as a shard or verify.json keeps it
    again = checked(Plan, plan.model_dump(by_alias=True), "here")
    assert again == plan or again.model_dump() == plan.model_dump()
    assert again.unchanged == load_plan("smoke")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("method.temprature=1", "unknown key; did you mean 'method.temperature'?"),
        ("temperature=1", "unknown key; did you mean 'method.temperature'?"),
        ("schedule.finetune.lrate=1", "unknown key; did you mean 'schedule.finetune.lr'?"),
        ("seeds=4", "unknown key; it is the option --seeds, and --config seeds= of Snakemake"),
        ("reference=full", "unknown key; 'reference' is a section of the plan"),
        ("qqq=4", "unknown key; known sections: benchmark, "),
        ("benchmark.seed=4", "benchmark.seed describes the clips, which are shared"),
        ("cache.num_frames=8", "cache.num_frames describes the clips"),
        ("audio_encoder.in_channels=one", "wanted a number, as 1 is, got 'one'"),
        ("method.temperature=-1", "temperature: Input should be greater than 0, got -1"),
        ("method.temperature=warm", "temperature: Input should be a valid number"),
        ("method.kmeans_k=2.5", "kmeans_k: Input should be a valid integer"),
        ("method.pairs=fuzed", "pairs: Input should be 'fused', 'intra_modal' or"),
        ("data.num_frames=99", "data.num_frames is 99 and cache.num_frames only 16"),
        ("schedule.finetune.lr=0", "finetune.lr: Input should be greater than 0, got 0"),
    ],
)
def test_a_change_that_is_not_possible(change: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        check_changes(load_plan(f"smoke@{change}"))
    assert message in str(error.value)
    assert f"smoke with {change}: " in str(error.value) or f"smoke@{change}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_variant_that_sets_the_key_keeps_its_own_value() -> None:
    plan = load_plan("embedded@method.infonce_weight=0.5")
    assert settings_of(plan, "pretrain", "no_infonce").choices.infonce_weight == 0
    (change,) = changes_of(plan)
    assert str(change) == "method.infonce_weight = 0.5 (1.0 in the plan)"
    assert {"no_infonce", "from_scratch"} < set(change.kept)
    assert "full" not in change.kept
    assert change.exceptions == f"{', '.join(change.kept)} keep their own values."
    assert check_effect(plan) == [f"method.infonce_weight: {change.exceptions}"]
    (one,) = changes_of(load_plan("smoke@method.normalization=log1p"))
    assert one.exceptions == "rank keeps its own value."
    (rate,) = changes_of(load_plan("embedded@schedule.finetune.lr=0.002"))
    assert {"full@lr=0.001", "mbt@lr=0.001"} < set(rate.kept)


def test_a_change_without_effect_is_refused() -> None:
    plan = load_plan("esc10@method.supcon_temperature=0.2")
    with pytest.raises(UserError, match=r"^plan esc10 with .* \(0.1 in the plan\): no run of the"):
        check_effect(plan)


def test_the_values_of_a_plan_are_those_that_its_runs_are_composed_of() -> None:
    for name in known_plans():
        plan = load_plan(name)
        found = dict(_scalars(plan_settings(plan)))
        stated = {key: value_of(plan, key) for key in found}
        # the seed of the benchmark is in configs/seeds.yaml, and cannot be changed
        differ = {k for k in found if stated[k] not in (found[k], NOWHERE)}
        unstated = {k for k in found if stated[k] is NOWHERE}
        assert differ == set(), name
        assert {k.split(".")[0] for k in unstated} <= {"benchmark", "cache", "features"}, name


def _scalars(content: dict, prefix: str = ""):  # type: ignore[no-untyped-def, type-arg]
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{prefix}{key}.")
        elif isinstance(value, bool | int | float | str | None):
            yield f"{prefix}{key}", value


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workflow:
    """The workflow of two plans with a changed value that one of them cannot have."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workflow, "known_plans", lambda: ["esc10", "smoke"])
    return load_workflow.__wrapped__(changes="@method.supcon_temperature=0.2")


def test_a_target_of_the_plan_stands_for_that_of_the_changed_one(flow: Workflow) -> None:
    root = "results/changed/smoke@method.supcon_temperature=0.2"
    assert flow.in_place_of()["results/smoke/table2.csv"] == f"{root}/table2.csv"
    assert flow.root("smoke") == root
    assert flow.command("table2", root) == f"table2 --plan {Path(root).name}"
    stamps = flow.inputs("table2", root)
    assert all(stamp.startswith(f"{root}/runs/") for stamp in stamps)
    # clips are made by the same commands as without the change
    assert flow.data_plan("results/data/smoke") == load_plan("smoke")


def test_results_of_the_plan_itself_are_refused(flow: Workflow) -> None:
    with pytest.raises(SystemExit, match="^diccae: with --config set, results/smoke is left as it"):
        flow.plan("results/smoke")
    with pytest.raises(
        SystemExit, match="^diccae: plan esc10 with method.supcon_temperature = 0.2"
    ):
        flow.plan("results/changed/esc10@method.supcon_temperature=0.2")
