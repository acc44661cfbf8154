"""What the records of finished runs say about a plan on a GPU: jobs and runs that are done, their
seconds, device and processes."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from measured import Measured

from diccae.jobs import jobs
from diccae.plans import load_plan


def main() -> None:
    """Write a row for each stage, and the number of jobs that are done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", required=True)
    parser.add_argument("--seeds", type=int, default=1, help="the first seeds of the plan")
    parser.add_argument("--processes", type=int, default=1, help="of the runs to count")
    parser.add_argument("--shared", type=int, default=1, help="jobs that shared a GPU")
    parser.add_argument("--minutes", type=float, default=None, help="of the whole command")
    parser.add_argument("--json", type=Path, default=None, help="append results to this file")
    options = parser.parse_args()
    plan, out = load_plan(options.plan).first_seeds(options.seeds), Measured(options.json)
    every = jobs(plan)
    done = [job for job in every.values() if job.stamp.is_file()]
    records = [run.record() for job in every.values() for run in job.runs]
    found = [r for r in records if r and r.get("processes", 1) == options.processes]
    if options.processes == 1:
        minutes = "" if options.minutes is None else f" in {options.minutes:.1f} minutes"
        out.note(
            f"{len(done)} of {len(every)} jobs of plan {plan.name} with {options.seeds} seed(s) "
            f"done{minutes} of the last try; {options.shared} job(s) at a time."
        )
    for (stage, device), of_stage in sorted(_grouped(found).items()):
        seconds = [record["wall_seconds"] for record in of_stage]
        out.row(
            f"Runs of plan {plan.name}",
            stage=stage,
            device=device,
            processes=options.processes,
            runs=len(of_stage),
            **{"mean s a run": sum(seconds) / len(seconds), "sum s": sum(seconds)},
        )


def _grouped(records: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The records by stage and device."""
    found = defaultdict(list)
    for record in records:
        found[record["stage"], record["hardware"]["gpu"] or "CPU"].append(record)
    return found


if __name__ == "__main__":
    main()
