"""What each accuracy stands on: the list of test clips, how many of them were scored, and how far the missing ones could move it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from diccae.evaluation.bounds import bounds
from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.tables import section_of


def standing(plan: Plan) -> dict[str, Any]:
    """The plan's test list and its headline rows, for the report.

    `manifest` (12 hex digits of the SHA-256) and `listed` are None where the manifest is not on this machine; `unlisted` counts scored clips that it does not
    list, which is another manifest's run: then, too, rows carry no bounds. `missing` says how many listed clips were left out, by their status in the cache.
    """
    modalities = section_of(plan, "table1").modalities
    scored = {
        m: set(collect.predictions(plan, plan.reference, plan.seeds[0], m)["id"])
        for m in modalities
    }
    listed = _listed(plan.manifest)
    unlisted = 0 if listed is None else len(set().union(*scored.values()) - listed)
    rows = []
    for modality in modalities:
        top1, used = (
            float(collect.accuracy(plan, plan.reference, modality).mean()),
            len(scored[modality]),
        )
        known = bounds(top1, used, len(listed)) if listed is not None and not unlisted else None
        rows.append(
            {
                "modality": modality,
                "top1": top1,
                "used": used,
                "worst": None if known is None else known.worst,
                "best": None if known is None else known.best,
            }
        )
    return {
        "manifest": None if listed is None else _digest(plan.manifest),
        "listed": None if listed is None else len(listed),
        "used": max(row["used"] for row in rows),
        "complete": listed is not None
        and not unlisted
        and all(row["used"] == len(listed) for row in rows),
        "unlisted": unlisted,
        "missing": _missing(plan.cache_dir / "index.parquet"),
        "seeds": len(plan.seeds),
        "rows": rows,
    }


def _listed(manifest: Path) -> set[str] | None:
    """Ids of the test clips that the manifest lists."""
    if not manifest.is_file():
        return None
    table = pd.read_parquet(manifest, columns=["id", "split"])
    return set(table.loc[table["split"] == "test", "id"])


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:12]


def _missing(index: Path) -> dict[str, int]:
    """Test clips that could not be used, by status, most common first."""
    if not index.is_file():
        return {}
    table = pd.read_parquet(index, columns=["split", "status"])
    left_out = table.loc[(table["split"] == "test") & (table["status"] != "ok"), "status"]
    return {str(status): int(count) for status, count in left_out.value_counts().items()}
