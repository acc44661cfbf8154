"""Check of the finished runs of a plan."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from diccae.doctor.check import Check
from diccae.errors import UserError
from diccae.plans import Plan


def stale_runs(plan: Plan) -> Check:
    """Check for finished runs whose config, code, lock or data have changed since."""
    records = sorted((plan.results_root() / "runs").rglob("record.json"))
    if not records:
        return Check("results", "ok", f"no finished runs in {plan.results_root()}")
    reasons: Counter[str] = Counter()
    stale = 0
    for path in records:
        changed = _changed(plan, path)
        stale += bool(changed)
        reasons.update(changed)
    if not stale:
        return Check(
            "results",
            "ok",
            f"{len(records)} finished runs, all with the present code, configs and data",
        )
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return Check(
        "results",
        "warning",
        f"{stale} of {len(records)} finished runs are stale (changed since: {counts})",
        "run the workflow again, which repeats them, or check out the commit that is named in "
        "their record.json",
    )


def _changed(plan: Plan, path: Path) -> list[str]:
    """What has changed since a run; includes records that cannot be read or composed."""
    from diccae.clips_folder import clips_folder
    from diccae.clips_hash import clips_hash
    from diccae.hashes import file_hash, lock_hash
    from diccae.run_graph import Run

    try:
        record: dict[str, Any] = json.loads(path.read_text())
        names = ("stage", "variant", "seed", "modality", "fold")
        run = Run(plan, *(record[name] for name in names))
        if not run.spec.labelled:
            # the plan may have another one now
            run = replace(run, modality=plan.modality)
        now = {
            "config": run.config_hash,
            "source": run.source_hash,
            "lock": lock_hash(),
        }
    except (ValueError, KeyError, OSError):
        return ["unreadable"]
    except UserError:
        return ["not in the plan"]
    if (clips_folder(plan) / "meta.json").is_file() and plan.manifest.is_file():
        now["data"] = clips_hash(plan)
    weights = {
        path: file_hash(Path(path)) if Path(path).is_file() else "" for path in run.weight_files
    }
    other = ["weights"] if record.get("weights", {}) != weights else []
    return [name for name, value in now.items() if record.get(f"{name}_hash") != value] + other
