"""The Snakefile: what it plans, what it refuses, and one real run of every rule on the smoke plan."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow_copy import copy_workflow, snakemake


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("checkout"))


TARGETS = [
    "all",
    "smoke",
    "results/table1.csv",
    "results/table2.csv",
    "results/figure2.svg",
    "results/figure2.csv",
    "results/figure3.svg",
    "results/figure3.csv",
    "results/sensitivity.csv",
    "results/ablations/no_infonce.csv",
    "results/report.html",
    "results/embedded-10/table2.csv",
]


def test_every_target_is_planned_by_name(checkout: Path) -> None:
    result = snakemake(checkout, *TARGETS, "--dry-run")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_an_ablation_plans_its_own_runs_and_the_full_methods_alone(checkout: Path) -> None:
    result = snakemake(checkout, "results/ablations/no_infonce.csv", "--dry-run", "--verbose")
    assert result.returncode == 0, result.stderr
    jobs = {
        line.split("results/runs/")[1].split(",")[0]
        for line in result.stdout.splitlines()
        if line.strip().startswith("output: results/runs/")
    }
    assert jobs == {
        f"{variant}/seed{seed}/job.json" for variant in ("full", "no_infonce") for seed in range(3)
    }


def test_a_typo_in_a_plan_ends_before_the_dag(checkout: Path) -> None:
    path = checkout / "configs" / "plans" / "broken.yaml"
    path.write_text(
        (checkout / "configs" / "plans" / "smoke.yaml")
        .read_text()
        .replace("name: smoke", "name: broken")
        .replace("figure2:", "figur2:")
    )
    try:
        result = snakemake(checkout, "all", "--dry-run")
    finally:
        path.unlink()
    assert result.returncode != 0
    words = result.stdout + result.stderr
    assert "figur2: unknown key; did you mean 'figure2'?" in words
    assert "Traceback" not in words


def test_lint(checkout: Path) -> None:
    result = snakemake(checkout, "--lint")
    assert result.returncode == 0, result.stderr


def test_the_smoke_plan_runs_from_clips_to_report_and_is_then_done(checkout: Path) -> None:
    result = snakemake(checkout, "smoke")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    root = checkout / "results" / "smoke"
    table = pd.read_csv(root / "table2.csv")
    assert table["top1"].between(0, 100).all()
    assert set(table["variant"]) == {"full", "no_confusion_loss", "no_dynamic_weighting"}
    page = (root / "report.html").read_text()
    assert "This is a smoke run" in page
    assert "data:image/jpeg" in page
    assert not list((checkout / "results" / "work").iterdir())
    again = snakemake(checkout, "smoke")
    assert "Nothing to do" in again.stdout + again.stderr


def test_on_a_machine_with_a_gpu_one_run_at_a_time_takes_it(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 570.86\n")
    driver.chmod(0o755)
    target = "results/smoke/runs/rank/seed0/job.json"
    without = snakemake(checkout, "--dry-run", "--forceall", "--verbose", target)
    assert "mem_mb=4000" in without.stdout + without.stderr
    assert "gpu=" not in without.stdout + without.stderr
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = snakemake(checkout, "--dry-run", "--forceall", "--verbose", target)
    # the reference, whose warm-up it starts from, and the variant itself; data needs none
    assert (found.stdout + found.stderr).count("gpu=1") == 2
