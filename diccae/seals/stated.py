"""What results state and nothing can check: times, hardware, and the by-products of a workflow."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from diccae.plans import Plan

# keys of record.json; the digest of the record covers them, but nothing says that they are true
FIELDS = (
    "kernels",
    "hardware",
    "started",
    "compute",
    "wall_seconds",
    "cpu_seconds",
    "peak_rss_mb",
)


def file_patterns(plan: Plan) -> list[str]:
    """Patterns of files that a workflow leaves behind and that no seal covers; none in a folder of
    shards."""
    if plan.elsewhere:
        return []
    root = plan.results_root()
    return [
        f"{plan.data_root}/timing.json",
        *(f"{folder}/*" for folder in ("results/benchmarks", "results/logs")),
        *(f"{root}/{folder}/*" for folder in ("benchmarks", "logs") if str(root) != "results"),
    ]


def is_stated(plan: Plan, path: str | Path) -> bool:
    """Whether a file is one that no seal covers."""
    return any(fnmatch(str(path), pattern) for pattern in file_patterns(plan))


def not_checked(plan: Plan, clips: bool) -> list[str]:
    """What a check of the results of a plan takes as stated, in words.

    Args:
        plan: the plan.
        clips: whether the clips were checked.
    """
    return [
        f"{', '.join(FIELDS)} of every record",
        *file_patterns(plan),
        *(
            []
            if clips or plan.elsewhere
            else [f"the clips of {plan.manifest} (checked with --clips)"]
        ),
    ]
