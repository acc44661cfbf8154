"""What a scored model cost: its own run and all runs that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diccae.plans import Plan
from diccae.reporting import collect

# of the scored run, and summed over it and what it starts from
OF_MODEL = ("parameters_training", "parameters_inference", "gflop_inference")
SUMMED = ("training_tflop", "clips_trained")


def costs(
    plan: Plan, variant: str, modality: str, records: Mapping[str, dict[str, Any]]
) -> dict[str, float]:
    """Cost of a scored model, mean over the seeds of the plan.

    A run that several variants start from, as the warm-up, counts in full for each of them. NaN
    where a record does not state it.

    Args:
        plan, variant, modality: the scored model.
        records: those of the plan, see `collect.records_by_folder`.

    Returns:
        What `diccae.engine.compute` counts: `parameters_training`, `parameters_inference` and
        `gflop_inference` of the scored run, `training_tflop` and `clips_trained` of all of them;
        `cpu_seconds`; `peak_rss_mb`, the largest memory of a process.
    """
    rows = []
    for seed in plan.seeds:
        run = collect.record(plan, variant, seed, modality)
        chain = [run, *_ancestors(run, records)]
        computed = [record.get("compute", {}) for record in chain]
        rows.append(
            {name: computed[0].get(name, np.nan) for name in OF_MODEL}
            | {name: sum(one.get(name, np.nan) for one in computed) for name in SUMMED}
            | {
                "cpu_seconds": sum(record["cpu_seconds"] for record in chain),
                "peak_rss_mb": max(record["peak_rss_mb"] for record in chain),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _ancestors(run: dict[str, Any], records: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of everything that a run starts from, each once."""
    found: dict[str, dict[str, Any]] = {}
    waiting = list(run.get("parents", {}))
    while waiting:
        # results/runs/full/seed0/pretrain/weights.pth
        folder = waiting.pop().partition("/runs/")[2].rpartition("/")[0]
        if folder not in found and folder in records:
            found[folder] = records[folder]
            waiting += records[folder].get("parents", {})
    return list(found.values())
