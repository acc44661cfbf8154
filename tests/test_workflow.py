"""The Snakefile: what it plans and what it refuses."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from diccae import workflow
from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.snakemake_request import number_of_seeds, use_shards
from diccae.workflow import Workflow, load_workflow
from tests.documents import every_command, example_plan
from tests.empty_shard import write_empty_shard
from tests.workflow_copy import ROOT, copy_workflow, planned_jobs, snakemake


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def ablation(checkout: Path) -> subprocess.CompletedProcess[str]:
    """A dry run of one ablation of the default plan."""
    return snakemake(checkout, "results/ablations/no_infonce.csv", "--dry-run", "--verbose")


TARGETS = {"all", "smoke", "results/figure2.svg", "results/figure3.svg"}


def test_every_target_of_readme_and_docs_is_planned_by_name(checkout: Path) -> None:
    parser = get_argument_parser()
    calls = [command for command in every_command() if command.program == "snakemake"]
    shown = {target for call in calls for target in parser.parse_args(call.arguments).targets}
    assert {"results/table2.csv", "results/kitchen/report.html"} < shown
    plans = [*load_workflow().plans.values(), add_kitchen(checkout)]
    for path in [
        file for plan in plans if plan.lists for s in plan.lists.sources for file in s.lists
    ]:
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).touch()
    try:
        result = snakemake(checkout, *sorted(TARGETS | shown), "--dry-run")
    finally:
        (checkout / "configs" / "plans" / "kitchen.yaml").unlink()
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def add_kitchen(checkout: Path) -> Plan:
    """Add the plan of docs/data.md to a copy of the workflow."""
    path = checkout / "configs" / "plans" / "kitchen.yaml"
    path.write_text(example_plan())
    return load_plan(path)


def test_an_ablation_plans_its_own_jobs_and_those_of_the_reference(
    ablation: subprocess.CompletedProcess[str],
) -> None:
    assert set(planned_jobs(ablation)) == {
        f"{variant}/seed{seed}" for variant in ("full", "no_infonce") for seed in range(200, 204)
    }


def test_another_number_of_seeds(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--dry-run", "--verbose", "--printshellcmds", "--config")
    result = snakemake(checkout, "results/table2.csv", *words, "seeds=5")
    seeds = {f"seed{seed}" for seed in range(200, 205)}
    assert {job.split("/")[1] for job in planned_jobs(result)} == seeds
    assert "--plan embedded --seeds 5" in result.stdout
    # the default plan has them, this one does not
    words = "^diccae: seeds: plan smoke has 2 seeds, got 5; name a number from 1 to 2, "
    monkeypatch.setattr(workflow, "known_plans", lambda: ["smoke"])
    with pytest.raises(SystemExit, match=words):
        load_workflow.__wrapped__(5).inputs("table2", "results/smoke")


def test_a_seed_beyond_the_default_ones_has_its_jobs_and_its_shard() -> None:
    flow = load_workflow()
    assert flow.plan("results").seeds == [200, 201, 202, 203]
    assert {path.split("/")[3] for path in flow.inputs("table2", "results")} == {
        f"seed{seed}" for seed in range(200, 204)
    }
    assert flow.job("results/runs/full/seed207").command == (
        "diccae train --plan embedded --variant full --seed 207"
    )
    stamps = flow.shard_inputs("results", 207)
    assert stamps
    assert all("/seed207/job.json" in stamp for stamp in stamps)
    with pytest.raises(SystemExit, match="^diccae: plan embedded has no seed 212; it has 200, 201"):
        flow.shard_inputs("results", 212)


def test_seeds_whose_shard_is_there_are_not_trained(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkout / "results" / "smoke" / "shards"
    folder.mkdir(parents=True)
    # its name says nothing of the seed
    write_empty_shard(folder / "copy.npz", seed=201, plan={"name": "smoke"})
    words = ("--dry-run", "--verbose", "--config", "shards=True")
    result = snakemake(checkout, "results/smoke/table2.csv", *words)
    assert {job.split("/")[1] for job in planned_jobs(result)} == {"seed200"}
    folder.rename(tmp_path / "shards")
    monkeypatch.chdir(tmp_path)
    Path("results/smoke").mkdir(parents=True)
    Path("shards").rename("results/smoke/shards")
    own = Path("results/smoke/shards/seed201.npz")
    write_empty_shard(own, seed=201, plan={"name": "smoke"})
    flow = Workflow([load_plan("smoke")], shards=True)
    with pytest.raises(SystemExit, match="^diccae: .* both hold seed 201; remove one of them$"):
        flow.inputs("table2", "results/smoke")
    with pytest.raises(UserError, match="^--config shards=5: wanted True or False$"):
        use_shards({"shards": 5})


def test_an_unknown_ablation_is_named_without_a_traceback(checkout: Path) -> None:
    result = snakemake(checkout, "results/ablations/no_infonc.csv", "--dry-run")
    words = result.stdout + result.stderr
    assert result.returncode != 0
    assert "no ablation 'no_infonc' in table2; did you mean 'no_infonce'?" in words
    assert "Traceback" not in words


def test_an_unknown_target_is_answered_with_the_known_ones(checkout: Path) -> None:
    profile = ("--workflow-profile", "profiles/default")
    result = snakemake(checkout, "results/smoke/tabel1.csv", "--dry-run", *profile)
    words = result.stdout + result.stderr
    assert result.returncode != 0
    assert "'results/smoke/tabel1.csv'; did you mean 'results/smoke/table1.csv'?" in words
    assert "all, smoke, and in results/smoke: table1.csv, table2.csv" in words
    assert "No rule to produce" not in words


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"seeds": "four"}, "seeds=four: wanted a number of seeds from 1"),
        ({"seeds": 0}, "seeds=0: wanted a number of seeds from 1"),
        ({"sedes": 4}, "sedes: unknown key; did you mean 'seeds'"),
    ],
)
def test_the_configuration_on_the_command_line_is_checked(
    given: dict[str, object], answer: str
) -> None:
    assert number_of_seeds({"seeds": 4}) == 4
    assert number_of_seeds({}) is None
    with pytest.raises(UserError, match=re.escape(answer)):
        number_of_seeds(given)


def test_a_plan_without_audio_and_video_together(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "configs" / "plans" / "smoke.yaml").read_text())
    section = {"variants": ["full", "from_scratch"], "modalities": ["A", "V"]}
    for key in ("sensitivity", "controls", "figure2", "figure3", "mechanism", "leakage"):
        del content[key]
    content |= {"name": "apart", "table1": section, "table2": section}
    path = tmp_path / "apart.yaml"
    path.write_text(yaml.safe_dump(content))
    flow, root = Workflow([load_plan(path)]), "results/apart"
    assert f"{root}/report.html" in flow.targets(root)
    stamps = {stamp for name in flow.artifacts(root) for stamp in flow.inputs(name, root)}
    # no job starts from another one
    assert not any(flow.job(stamp.removesuffix("/job.json")).stamps for stamp in stamps)
    assert stamps == {
        f"{root}/runs/{variant}/seed{seed}/job.json"
        for variant in ("full", "from_scratch")
        for seed in (200, 201)
    }


def test_a_plan_with_a_typo_is_refused_and_blocks_no_other(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkout / "configs" / "plans" / "broken.yaml"
    path.write_text(
        (checkout / "configs" / "plans" / "smoke.yaml")
        .read_text()
        .replace("name: smoke", "name: broken")
        .replace("figure2:", "figur2:")
    )
    try:
        other = snakemake(checkout, "smoke", "--dry-run")
        monkeypatch.setattr(workflow, "known_plans", lambda: ["smoke", str(path)])
        flow = load_workflow.__wrapped__()
    finally:
        path.unlink()
    assert other.returncode == 0
    assert "plan broken is left out" in other.stderr
    words = f"^diccae: {path}: figur2: unknown key; did you mean 'figure2'?"
    with pytest.raises(SystemExit, match=words):
        flow.targets(str(path))


def test_plans_that_share_a_folder_but_not_its_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = (ROOT / "configs" / "plans" / "smoke.yaml").read_text()
    twin = twin.replace("name: smoke", "name: twin").replace("unlabelled: 360", "unlabelled: 300")
    (tmp_path / "twin.yaml").write_text(twin)
    monkeypatch.setattr(workflow, "known_plans", lambda: ["smoke", str(tmp_path / "twin.yaml")])
    with pytest.raises(SystemExit, match="plans smoke, twin share results/data/smoke but describe"):
        load_workflow.__wrapped__().data_plan("results/data/smoke")


def test_lint(checkout: Path) -> None:
    result = snakemake(checkout, "--lint")
    assert result.returncode == 0, result.stderr


def test_on_a_machine_with_a_gpu_one_run_at_a_time_takes_it(
    checkout: Path,
    ablation: subprocess.CompletedProcess[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 570.86\n")
    driver.chmod(0o755)
    target = "results/smoke/runs/rank/seed200/job.json"
    assert "mem_mb=4000" in ablation.stdout + ablation.stderr
    assert "gpu=" not in ablation.stdout + ablation.stderr
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = snakemake(checkout, "--dry-run", "--forceall", "--verbose", target)
    # the reference, whose warm-up it starts from, and the variant itself; data needs none
    assert (found.stdout + found.stderr).count("gpu=1") == 2
