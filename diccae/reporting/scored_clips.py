"""The test clips of each accuracy: how many are listed, how many were scored, and the bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from diccae.digests import file_digest
from diccae.evaluation.bounds import bounds
from diccae.plans import Plan
from diccae.reporting import collect, sources
from diccae.reporting.shard_folder import shards_of
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
        - rows: for each modality of the reference, `modality`, `top1`, `used`, `worst` and `best`;
          accuracies in percent, mean over seeds; bounds are None where they are unknown.
    """
    modalities = plan.reference_modalities
    scored = {
        m: set(collect.predictions(plan, plan.reference, plan.seeds[0], m)["id"])
        for m in modalities
    }
    listed = listed_clips(plan)
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
        "manifest": None if listed is None else manifest_digest(plan)[:12],
        "listed": None if listed is None else len(listed),
        "used": max(map(len, scored.values())),
        "complete": listed is not None
        and not unlisted
        and all(row["used"] == len(listed) for row in rows),
        "unlisted": unlisted,
        "missing": missing(plan),
        "seeds": len(plan.seeds),
        "rows": rows,
    }


def listed_clips(plan: Plan) -> set[str] | None:
    """Ids of the test clips in the manifest; None where it is not known."""
    path = sources.data_file(plan, plan.manifest)
    if path is None:
        return next((shard.listed for shard in shards_of(plan).values()), None)
    with reading(path, MAKE_AGAIN):
        table = pd.read_parquet(path, columns=["id", "split", "label"])
    return set(table.loc[tested(plan, table), "id"])


def tested(plan: Plan, table: pd.DataFrame) -> pd.Series:
    """Which clips of a manifest are test clips: with folds, each labelled one in one of them."""
    return table["split"] == "test" if plan.split_into is None else table["label"] >= 0


def manifest_digest(plan: Plan) -> str:
    """SHA-256 of the manifest."""
    path = sources.data_file(plan, plan.manifest)
    return file_digest(path) if path else sources.shared_data(plan)["manifest_sha256"]


def missing(plan: Plan) -> dict[str, int]:
    """Test clips that could not be used, by status, most common first."""
    path = sources.data_file(plan, read_folder(plan) / "index.parquet")
    if path is None:
        return sources.shared_data(plan).get("missing", {})
    with reading(path, CACHE_AGAIN):
        table = pd.read_parquet(path, columns=["split", "status", "label"])
    left_out = table.loc[tested(plan, table) & (table["status"] != "ok"), "status"]
    return {str(status): int(count) for status, count in left_out.value_counts().items()}


def read_folder(plan: Plan) -> Path:
    """The folder that runs read: the clip cache, or the stored features that a record names."""
    modality = plan.reference_modalities[0]
    record = collect.record(plan, plan.reference, plan.seeds[0], modality)
    features = record.get("settings", {}).get("features")
    return Path(plan.data_root) / "features" / features["name"] if features else plan.cache_dir
