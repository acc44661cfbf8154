"""A run in a shard: its record, and what the shard holds of its files."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from diccae.digests import text_digest
from diccae.errors import UserError
from diccae.reporting.degrees import upper
from diccae.reporting.shards import CURVE, METRICS, Shard
from diccae.reporting.stored_predictions import check_metrics
from diccae.run_graph import Run
from diccae.seals.finding import Finding
from diccae.seals.record import doubts

# what a shard leaves to the digests in its records, in words
NOT_PROVEN = (
    "of the runs in shards: scores beyond top-1, weights, cluster ids and most learning curves; "
    "that top-1, classes and groups of clips, degrees of confusion and weights of pairs are "
    "those of the files that the records name (accuracies, numbers of clips, and mean, variance "
    "and quantiles of the degrees on the test split, are those of metrics.json, and the mean of "
    "the weights is that of history.csv, which have their digests); and which clips were in the "
    "update set, scores with a modality withheld, quality of clusters, and what shards say of the "
    "data"
)


def name_of(run: Run) -> str:
    """The folder of a run below `runs`."""
    return run.folder.as_posix().split("/runs/", 1)[1]


def check_run(run: Run, shard: Shard, where: str) -> Iterator[Finding]:
    """The record of a run in a shard against its plan and configs, and the files that the shard
    holds against the record.

    Args:
        run: the run.
        shard: one that has its record, with all keys.
        where: names the record.
    """
    name = name_of(run)
    record = shard.records[name]
    for kind, words in doubts(run, None, record):
        yield Finding(kind, where, words)
    if record["plan"] != run.plan.name:
        return
    if record["config_hash"] != run.config_hash:
        words = f"made with other configs ({record['config_hash']}, now {run.config_hash})"
        yield Finding("stale", where, words)
    for file in (METRICS, CURVE):
        stated, text = record["files"].get(file), shard.about["files"].get(f"{name}/{file}")
        lacks = text is None and stated is not None and file == METRICS
        if lacks or (text is not None and text_digest(text)[:16] != stated):
            words = "is not the file that the run wrote"
            yield Finding("edited", f"{shard.path}, {name}/{file}", words)
    for parent, source in run.parents.items():
        path = str(run.parent_files[parent])
        made = shard.records.get(name_of(source), {}).get("files", {}).get(parent.file)
        if made is None or record["parents"].get(path) != made:
            words = f"{path} is not the file that the run started from"
            yield Finding("stale", where, words)
    if run.spec.scored:
        try:
            yield from list(_check_numbers(run, shard, name))
        # a file may be damaged in any way
        except Exception as error:
            words = f"its numbers cannot be checked: {type(error).__name__}: {error}"
            yield Finding("edited", f"{shard.path}, {name}", words)


def _check_numbers(run: Run, shard: Shard, name: str) -> Iterator[Finding]:
    """Predictions and degrees of confusion against metrics.json."""
    text = shard.about["files"].get(f"{name}/metrics.json")
    if text is None:
        # a finding of its own
        return
    metrics = json.loads(text)
    table = shard.predictions(run.variant, run.modality)
    of_fold = table[table["fold"] == (-1 if run.fold is None else run.fold)]
    try:
        check_metrics(f"{name}/metrics.json", metrics, of_fold)
    except UserError as error:
        yield Finding("edited", f"{shard.path}, {name}", str(error))
    if "degrees" in metrics and not _same_degrees(shard, name, metrics["degrees"]["test"]):
        words = "the degrees of confusion are not those whose statistics metrics.json states"
        yield Finding("edited", f"{shard.path}, {name}", words)
    if not _same_weights(shard, name):
        words = "the mean of the weights of pairs is not that of history.csv"
        yield Finding("edited", f"{shard.path}, {name}", words)


def _same_weights(shard: Shard, name: str) -> bool:
    weights, text = (
        shard.pair_array("mean_weight", name),
        shard.about["files"].get(f"{name}/history.csv"),
    )
    if weights is None or text is None:
        return True
    stated = pd.read_csv(io.StringIO(text)).get("weight_mean")
    # of history.csv, which has six decimals
    return stated is None or math.isclose(
        stated.mean(), upper(weights.astype(float)).mean(), abs_tol=1e-5
    )


def _same_degrees(shard: Shard, name: str, stated: dict[str, Any]) -> bool:
    """Whether all statistics of `diccae.functional.degree.degree_statistics` that are stated are
    those of the degrees."""
    values = upper(shard.degree(name))
    quantiles = stated.get("quantiles", {})
    pairs = [(stated["mean"], values.mean()), (stated["variance"], values.var())]
    pairs += [(quantiles[share], np.quantile(values, float(share))) for share in quantiles]
    if "zero_share" in stated:
        pairs.append((stated["zero_share"], (values == 0).mean()))
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs)
