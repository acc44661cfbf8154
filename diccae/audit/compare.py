"""What differs between a stored run and the same run made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.audit.stored import StoredRun
from diccae.evaluation import withheld
from diccae.hashes import file_hash, run_key
from diccae.reporting.clusters import clusterings
from diccae.reporting.degrees import degree_of, pair_array_of
from diccae.reporting.shards import Shard
from diccae.reporting.stored_scores import FILE as PREDICTIONS
from diccae.run_graph import Run
from diccae.seals.record import read_record
from diccae.seals.shard_check import name_of
from diccae.stored_file import DAMAGED

# columns that name a row of predictions, and of scores with a modality withheld
ROW = ["split", "view", "id"]
WITHHELD_ROW = ["split", "withheld", "filling", "id"]


def differences(stored: StoredRun, again: Path) -> list[str]:
    """What differs between a stored run and the folder of the same run, trained again, in words.

    Every file is compared by its digest, and of a shard all that it holds of the run.
    """
    record, found = stored.record, read_record(again / "record.json")
    words = []
    for name in sorted({*record["files"], *found["files"]}):
        if record["files"].get(name) != found["files"].get(name):
            words.append(f"{name}: {_how_much(stored, name, again)}")
    if record["compute"] != found["compute"]:
        words.append("record.json: it states other parameters, operations or numbers of clips")
    # the code may have changed since
    key = run_key(found | {"source_hash": record["source_hash"]})
    if not words and record["key"] != key:
        words.append(f"record.json: its key is {record['key']}, trained again it is {key}")
    return words + _of_shard(stored, again)


def scored_differences(stored: StoredRun, again: Path) -> list[str]:
    """As `differences`, for the files of a run that was scored again from its weights. Of its
    confusion.npz, what follows from the weights alone is compared."""
    words = []
    for path in sorted(again.iterdir()):
        same = stored.record["files"].get(path.name) == file_hash(path)
        if path.name == "confusion.npz" and stored.folder is not None:
            same = _same_arrays(stored.folder / path.name, path)
        if not same:
            words.append(f"{path.name}: {_how_much(stored, path.name, again)}")
    return words


def _how_much(stored: StoredRun, name: str, again: Path) -> str:
    """How much a file differs that has another digest."""
    if name not in stored.record["files"] or not (again / name).is_file():
        return "only one of both has this file"
    # a shard has no files; what it holds is compared by itself
    if stored.folder is None:
        return "its digest is not the one in the record"
    try:
        if name == PREDICTIONS:
            then, now = (pd.read_parquet(folder / name) for folder in (stored.folder, again))
            return _of_predictions(then, now)
        if name == withheld.FILE:
            then, now = (pd.read_parquet(folder / name) for folder in (stored.folder, again))
            return _of_classes(then, now, WITHHELD_ROW)
        if name.endswith(".npz"):
            return _of_arrays(stored.folder / name, again / name)
    # a file may be damaged in any way
    except (*DAMAGED, KeyError) as error:
        return f"cannot be compared ({type(error).__name__}: {error})"
    return "other bytes"


def _of_predictions(then: pd.DataFrame, now: pd.DataFrame) -> str:
    """Clips with another class, and the accuracy of both."""
    reached = []
    for table in (then, now):
        test = table[(table["view"] == "multi") & (table["split"] == "test")]
        reached.append(100 * float((test["top1"] == test["label"]).mean()))
    words = _of_classes(then, now, ROW)
    return f"{words}; accuracy on the test clips {reached[0]:.2f} %, made again {reached[1]:.2f} %"


def _of_classes(then: pd.DataFrame, now: pd.DataFrame, row: list[str]) -> str:
    """How many rows of two tables of predicted classes differ."""
    both = then.merge(now, on=row, how="outer", indicator=True, suffixes=("", "_again"))
    single = int((both["_merge"] != "both").sum())
    if single:
        return f"{single} of {len(both)} predictions are in one of both alone"
    other = int((both["top1"] != both["top1_again"]).sum())
    if other:
        return f"{other} of {len(both)} predictions name another class"
    return f"all {len(both)} predictions name the same class, other columns differ"


def _of_arrays(then: Path, now: Path) -> str:
    """The array that differs in the largest share of its values."""
    with np.load(then) as one, np.load(now) as other:
        missing = sorted(set(other) - set(one))
        if missing:
            return f"{', '.join(missing)} is missing"
        shares = {name: _share(one[name], other[name]) for name in other}
    name = max(shares, key=lambda name: shares[name])
    return f"{100 * shares[name]:.1f} % of the values of {name} differ"


def _same_arrays(then: Path, now: Path) -> bool:
    """Whether a file has the arrays of another one, and maybe more."""
    with np.load(then) as one, np.load(now) as other:
        return all(name in one and _share(one[name], other[name]) == 0 for name in other)


def _share(one: NDArray[Any], other: NDArray[Any]) -> float:
    if one.shape != other.shape:
        return 1.0
    return float((one != other).mean()) if one.size else 0.0


def _of_shard(stored: StoredRun, again: Path) -> list[str]:
    """What a shard holds of a run beside its record, against the run made again."""
    shard, run = stored.shard, stored.run
    if shard is None:
        return []
    words = list(_of_scored(shard, run, again)) if run.spec.scored else []
    return [f"{shard.path}: {each}" for each in [*words, *_of_clusters(shard, run, again)]]


def _of_scored(shard: Shard, run: Run, again: Path) -> Iterator[str]:
    held = _of_fold(shard.predictions(run.variant, run.modality), run)
    made = pd.read_parquet(again / PREDICTIONS)
    if not _same_rows(held, made, ROW, ["label", "group", "top1", "in_update"]):
        yield f"predictions: {_of_predictions(held, made)}"
    if not np.array_equal(shard.degree(name_of(run)), degree_of(again)):
        yield "degrees of confusion"
    for name in shard.about["mechanism"]:
        held_pairs, made_pairs = (
            shard.pair_array(name, name_of(run)),
            pair_array_of(again, name),
        )
        if held_pairs is not None and (
            made_pairs is None or not np.array_equal(held_pairs, made_pairs, equal_nan=True)
        ):
            yield name.replace("_", " ") + " of the pairs of classes"
    without = shard.withheld(run.variant) if run.modality == "AV" else None
    if without is not None:
        held, made = _of_fold(without, run), pd.read_parquet(again / withheld.FILE)
        made = made.assign(correct=made["top1"] == made["label"])
        if not _same_rows(held, made, WITHHELD_ROW, ["label", "correct"]):
            yield "which clips are right with a modality withheld"


def _of_fold(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    return table[table["fold"] == _fold(run)].drop(columns="fold")


def _same_rows(held: pd.DataFrame, made: pd.DataFrame, row: list[str], columns: list[str]) -> bool:
    """Whether two tables have the same rows with the same values, in any order and number type."""
    kinds = dict.fromkeys([*row, "group"], str)
    one, other = (
        table[[*row, *columns]]
        .astype({name: kind for name, kind in kinds.items() if name in (*row, *columns)})
        .sort_values(row)
        .to_numpy(object)
        for table in (held, made)
    )
    return one.shape == other.shape and bool((one == other).all())


def _of_clusters(shard: Shard, run: Run, again: Path) -> Iterator[str]:
    """Purity and inertia of the clusters of pre-training, where the true classes are here."""
    truth, path = Path(run.plan.data_root) / "truth.parquet", again / "assignments.npz"
    if run.stage != "pretrain" or not truth.is_file() or not path.is_file():
        return
    place = {"variant": run.variant, "seed": run.seed, "fold": _fold(run)}
    held = [row for row in shard.about["clusters"] if place.items() <= row.items()]
    made = clusterings(path, pd.read_parquet(truth).set_index("id")["label"])
    # as text, since the inertia of some clusterings is NaN
    if held and _text(held) != _text([place | row for row in made]):
        yield "purity, mutual information or inertia of its clusters"


def _text(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, sort_keys=True)


def _fold(run: Run) -> int:
    """The fold as tables name it."""
    return -1 if run.fold is None else run.fold
