"""The test clips of each accuracy: how many are listed, how many were scored, and the bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from diccae.digests import file_digest
from diccae.evaluation.bounds import bounds
from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.tables import section_of
from diccae.stored_file import CACHE_AGAIN, MAKE_AGAIN, reading


def scored_clips(plan: Plan) -> dict[str, Any]:
    """Listed and scored test clips of a plan, and the accuracy of the full method with its bounds.

    Returns:
        A dict with these keys:

        - manifest: first 12 hex digits of the manifest's SHA-256; None without the manifest.
        - listed: number of test clips in the manifest; None without the manifest.
        - used: number of scored test clips.
        - complete: whether all listed test clips were scored in every modality.
        - unlisted: number of scored clips that the manifest does not list. If there are any, the
          runs used another manifest, and there are no bounds.
        - missing: number of test clips that could not be used, by status in the cache or
          in the stored features.
        - seeds: number of seeds.
        - rows: for each modality of Table 1, `modality`, `top1`, `used`, `worst` and `best`;
          accuracies in percent, mean over seeds; bounds are None where they are unknown.
    """
    modalities = section_of(plan, "table1").modalities
    scored = {
        m: set(collect.predictions(plan, plan.reference, plan.seeds[0], m)["id"])
        for m in modalities
    }
    listed = _listed(plan)
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
        "manifest": None if listed is None else file_digest(plan.manifest)[:12],
        "listed": None if listed is None else len(listed),
        "used": max(row["used"] for row in rows),
        "complete": listed is not None
        and not unlisted
        and all(row["used"] == len(listed) for row in rows),
        "unlisted": unlisted,
        "missing": _missing(plan),
        "seeds": len(plan.seeds),
        "rows": rows,
    }


def _listed(plan: Plan) -> set[str] | None:
    """Ids of the test clips in the manifest; None without the manifest."""
    if not plan.manifest.is_file():
        return None
    with reading(plan.manifest, MAKE_AGAIN):
        table = pd.read_parquet(plan.manifest, columns=["id", "split", "label"])
    return set(table.loc[tested(plan, table), "id"])


def tested(plan: Plan, table: pd.DataFrame) -> pd.Series:
    """Which clips of a manifest are test clips: with folds, each labelled one in one of them."""
    return table["split"] == "test" if plan.split_into is None else table["label"] >= 0


def _missing(plan: Plan) -> dict[str, int]:
    """Test clips that could not be used, by status, most common first."""
    index = _clips_folder(plan) / "index.parquet"
    if not index.is_file():
        return {}
    with reading(index, CACHE_AGAIN):
        table = pd.read_parquet(index, columns=["split", "status", "label"])
    left_out = table.loc[tested(plan, table) & (table["status"] != "ok"), "status"]
    return {str(status): int(count) for status, count in left_out.value_counts().items()}


def _clips_folder(plan: Plan) -> Path:
    """The folder that runs read: the clip cache, or the stored features that a record names."""
    modality = section_of(plan, "table1").modalities[0]
    record = collect.record(plan, plan.reference, plan.seeds[0], modality)
    features = record.get("settings", {}).get("features")
    return Path(plan.data_root) / "features" / features["name"] if features else plan.cache_dir
