"""The table of times: what each step computed and how long it held cores."""

from __future__ import annotations

import json
from pathlib import Path

from diccae.plans import Plan
from diccae.reporting.collect import all_records
from diccae.reporting.timing import timing


def test_steps_hold_cores_and_jobs_take_longer_than_their_runs(fake: Plan) -> None:
    runs = len(all_records(fake))
    times = {"render": {"wall_seconds": 10.0, "cpu_seconds": 15.0}}
    Path("data/timing.json").write_text(json.dumps(times))
    # the runs of a job take 12 s each; those of seed 7 are none of the plan's
    for seed, seconds in ((0, 12.0 * runs + 3.0), (7, 1000.0)):
        path = Path(f"results/benchmarks/results/fake/runs/full/seed{seed}.tsv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\n{seconds}\t1.0\n")
    assert timing(fake) == [
        # on both cores of the machine
        {"step": "data: render", "jobs": 1, "cpu": 15.0, "held": 20.0},
        {"step": "finetune", "jobs": runs, "cpu": 9.0 * runs, "held": 12.0 * runs},
        {"step": "start of the jobs", "jobs": 1, "cpu": 0, "held": 3.0},
    ]
