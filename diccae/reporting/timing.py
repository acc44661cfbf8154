"""Time that each step of a plan took, as runs and Snakemake state it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from diccae.plans import Plan
from diccae.reporting import collect, sources
from diccae.reporting.shard_folder import shards_of
from diccae.stored_file import MAKE_AGAIN, read_json, reading


def timing(plan: Plan) -> list[dict[str, Any]]:
    """CPU seconds and core seconds held by each step.

    Data steps hold every core, a run holds one. The time that a job takes beyond its runs comes
    from the benchmark files of Snakemake, if there are any.
    """
    records = collect.all_records(plan)
    rows: list[dict[str, Any]] = []
    steps = data_steps(plan)
    if steps:
        cores = records[0]["hardware"]["cores"]
        rows = [
            {
                "step": f"data: {step}",
                "jobs": 1,
                "cpu": spent["cpu_seconds"],
                "held": spent["wall_seconds"] * cores,
            }
            for step, spent in steps.items()
        ]
    order = sorted(records, key=lambda record: record["started"])
    for stage in dict.fromkeys(record["stage"] for record in order):
        done = [record for record in records if record["stage"] == stage]
        cpu, held = (sum(run[key] for run in done) for key in ("cpu_seconds", "wall_seconds"))
        rows.append({"step": stage, "jobs": len(done), "cpu": cpu, "held": held})
    names = {f"seed{seed}" for seed in plan.seeds}
    jobs = [s for name, s in job_seconds(plan).items() if names.intersection(Path(name).parts)]
    if jobs:
        spare = max(0.0, sum(jobs) - sum(record["wall_seconds"] for record in records))
        rows.append({"step": "start of the jobs", "jobs": len(jobs), "cpu": 0, "held": spare})
    return rows


def data_steps(plan: Plan) -> dict[str, Any]:
    """CPU and wall seconds of each step that made the data, as far as they are known."""
    path = sources.data_file(plan, Path(plan.data_root) / "timing.json")
    return read_json(path, MAKE_AGAIN) if path else sources.shared_data(plan).get("timing", {})


def job_seconds(plan: Plan) -> dict[str, float]:
    """Seconds of each job that Snakemake timed, by its folder below `runs`, in this order."""
    found: dict[str, float] = {}
    for shard in shards_of(plan).values():
        found |= shard.about["jobs"]
    if not plan.elsewhere:
        root = Path("results/benchmarks") / plan.results_root() / "runs"
        found |= {
            path.relative_to(root).with_suffix("").as_posix(): _seconds(path)
            for path in root.rglob("*.tsv")
        }
    return {name: found[name] for name in sorted(found, key=Path)}


def _seconds(benchmark: Path) -> float:
    with reading(benchmark, MAKE_AGAIN):
        return float(pd.read_csv(benchmark, sep="\t")["s"].iloc[0])
