"""One real run of every rule of the Snakefile that the smoke plan needs.

With fewer clips and systems than the smoke plan has: `.ci/run` runs `make smoke`, the whole of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import yaml

from tests.conftest import SMALL
from tests.workflow_copy import copy_workflow, planned_jobs, snakemake


def shrink(path: Path) -> None:
    """Take clips and systems from the smoke plan; every section stays."""
    plan = yaml.safe_load(path.read_text())
    plan["table1"]["variants"] = ["full", "from_scratch", "mbt"]
    plan["overrides"] |= SMALL
    path.write_text(yaml.safe_dump(plan))


def test_the_smoke_plan_runs_from_clips_to_report_and_is_then_done(tmp_path: Path) -> None:
    checkout = copy_workflow(tmp_path)
    shrink(checkout / "configs" / "plans" / "smoke.yaml")
    first = ("--config", "seeds=1")
    result = snakemake(checkout, "smoke", *first)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    root = checkout / "results" / "smoke"
    table = pd.read_csv(root / "table2.csv")
    assert table["top1"].between(0, 100).all()
    assert set(table["variant"]) == {"full", "no_confusion_loss", "no_dynamic_weighting"}
    page = (root / "report.html").read_text()
    assert "This is a test run on a few clips" in page
    assert "data:image/jpeg" in page
    logs = (checkout / "results" / "logs").rglob("*.log")
    assert any("results/smoke/interim.html: written" in path.read_text() for path in logs)
    # the report takes its place
    assert not (root / "interim.html").exists()
    seal = json.loads((root / "verify.json").read_text())
    assert seal["sealed"]
    assert f'<code id="root">{seal["root"]}</code>' in page
    assert not list((checkout / "results" / "work").iterdir())
    again = snakemake(checkout, "smoke", *first)
    assert "Nothing to do" in again.stdout + again.stderr
    # a job that lost a file is planned again
    (root / "runs" / "rank" / "seed200" / "finetune" / "A" / "predictions.parquet").unlink()
    job = "results/smoke/runs/rank/seed200/job.json"
    result = snakemake(checkout, job, "--dry-run", "--verbose", *first)
    assert planned_jobs(result) == ["rank/seed200"]
