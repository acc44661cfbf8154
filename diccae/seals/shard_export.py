"""Export of one seed of a plan as a shard (docs/shards.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.hashes import file_hash, record_digest
from diccae.plans import Plan
from diccae.reporting import clusters, collect, degrees, html, pictures, scored_clips, timing
from diccae.reporting.histories import histories
from diccae.reporting.shard_file import write_shard
from diccae.reporting.shards import CURVE, METRICS, NOT_SCORED, PAIR_ARRAYS, plan_text, triangle
from diccae.reporting.stored_predictions import VIEWS, train_again
from diccae.run_graph import Run, scored_runs, with_parents
from diccae.seals.shard_check import name_of
from diccae.stored_file import reading

ROW = ["split", "fold", "id"]
# scores of A-V models with one modality withheld
WITHHELD, MODE = "withheld.parquet", ["withheld", "filling"]


@dataclass(frozen=True)
class Exported:
    """Content of a shard.

    Attributes:
        runs: number of runs, all stages included.
        scored: number of scored runs.
        clips: number of scored clips.
        left_out_bytes: size of the files that it names by their digests alone.
    """

    runs: int
    scored: int
    clips: int
    left_out_bytes: int


def export_shard(plan: Plan, seed: int, out: Path) -> Exported:
    """Write the shard of a seed whose runs are all finished.

    Raises:
        UserError: the plan does not have the seed, a run of it is not finished, or a file of a run
            is not what its record says.
    """
    runs = runs_of(plan, seed)
    records = {name_of(run): _record(plan, run) for run in runs}
    # A, V, AV, so that runs that make similar mistakes are neighbours
    scored = sorted((run for run in runs if run.spec.scored), key=_by_modality)
    tables = {key: _predictions(plan, seed, *key) for key in dict.fromkeys(map(_key, scored))}
    clips, arrays = _arrays(list(tables.values()))
    withheld, arrays["withheld"] = _withheld(plan, seed, clips, arrays)
    arrays["degree"] = np.stack([triangle(degrees.degree_of(run.folder)) for run in scored])
    mechanism, more = _mechanism(plan, scored)
    curves = _curves(plan, seed)
    files = {
        f"{name_of(run)}/{name}": run.folder / name
        for run in runs
        for name in (METRICS, CURVE)
        if name == METRICS or name_of(run) in curves
    }
    about = {
        "plan": plan_text(plan),
        "seed": seed,
        "views": list(VIEWS),
        "runs": [{"variant": variant, "modality": modality} for variant, modality in tables],
        "degrees": [name_of(run) for run in scored],
        "clips": clips,
        "withheld": withheld,
        "mechanism": mechanism,
        "records": records,
        "files": {name: path.read_text() for name, path in files.items() if path.is_file()},
        "clusters": _clusters(plan, seed),
        # the runs of other seeds may be on other machines
        "data": _data(plan.model_copy(update={"seeds": [seed]}), clips),
        "jobs": {
            name: seconds
            for name, seconds in timing.job_seconds(plan).items()
            if f"seed{seed}" in Path(name).parts
        },
    }
    write_shard(out, about, arrays | more)
    every = {run.folder / name for run in runs for name in records[name_of(run)]["files"]}
    size = sum(path.stat().st_size for path in every.difference(files.values()))
    return Exported(len(runs), len(tables), len(clips["id"]), size)


def runs_of(plan: Plan, seed: int) -> list[Run]:
    """All runs of a seed, parents first.

    Raises:
        UserError: the plan does not have this seed.
    """
    scored = scored_runs(plan, plan.needs())
    runs = with_parents(run for run in scored if run.seed == seed)
    if not runs:
        seeds = ", ".join(map(str, dict.fromkeys(run.seed for run in scored)))
        raise UserError(f"plan {plan.name} has no seed {seed}; it has {seeds}")
    return runs


def _key(run: Run) -> tuple[str, str]:
    return run.variant, run.modality


def _by_modality(run: Run) -> int:
    return ("A", "V", "AV").index(run.modality)


def _record(plan: Plan, run: Run) -> dict[str, Any]:
    """The record of a finished run, whose files are those that it names."""
    record = run.record()
    if record is None:
        raise UserError(
            f"{run.folder} is not finished, so there is no shard of seed {run.seed} yet; run "
            f"`diccae train --plan {plan.name} --variant {run.variant} --seed {run.seed}` first"
        )
    where = run.folder / "record.json"
    if record_digest(record) != record["digest"]:
        raise UserError(f"{where} was edited; {train_again(where)}")
    for name, stated in record["files"].items():
        if file_hash(run.folder / name) != stated:
            raise UserError(
                f"{run.folder / name} is not the file that its record.json names; "
                f"{train_again(where)}"
            )
    return record


def _predictions(plan: Plan, seed: int, variant: str, modality: str) -> pd.DataFrame:
    """Both views of both splits of a scored run, of all folds."""
    parts = [
        collect.predictions(plan, variant, seed, modality, split, view)
        for split in ("test", "validation")
        for view in VIEWS
    ]
    return pd.concat(parts, ignore_index=True)


def _arrays(
    tables: Sequence[pd.DataFrame],
) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """The clips that any run scored, and the arrays label, fold, top1 and in_update."""
    columns = [*ROW, "label", "group"]
    rows = pd.concat([table[columns] for table in tables]).drop_duplicates(ROW).sort_values(ROW)
    place = pd.MultiIndex.from_frame(rows[ROW])
    labels = rows["label"].to_numpy()
    kind = np.int8 if labels.max() <= np.iinfo(np.int8).max else np.int16
    top1 = np.full((len(VIEWS), len(rows), len(tables)), NOT_SCORED, kind)
    used = np.zeros((len(rows), len(tables)), bool)
    for column, table in enumerate(tables):
        for view, name in enumerate(VIEWS):
            part = table[table["view"] == name]
            at = place.get_indexer(pd.MultiIndex.from_frame(part[ROW]))
            if (part["label"].to_numpy() != labels[at]).any():
                raise UserError("runs of one seed name other classes of the same clip; train again")
            top1[view, at, column] = part["top1"]
            used[at, column] = part["in_update"]
    clips = {key: rows[key].astype(str).to_list() for key in ("id", "split", "group")}
    kinds = {"label": labels.astype(np.int16), "fold": rows["fold"].to_numpy(np.int16)}
    return clips, kinds | {"top1": top1, "in_update": used}


def _withheld(
    plan: Plan, seed: int, clips: dict[str, list[str]], arrays: dict[str, NDArray[Any]]
) -> tuple[dict[str, Any], NDArray[Any]]:
    """Variants of Table 1, modes, and whether their A-V models with one modality withheld were
    right (modes, clips, variants; -1 for not scored); nothing where they were not scored so."""
    tables: dict[str, pd.DataFrame] = {}
    wanted = plan.table1.needs() if plan.table1 else []
    for variant in (need.variant for need in wanted if need.modality == "AV"):
        folders = (plan.run_folder(variant, seed, modality="AV", fold=fold) for fold in plan.folds)
        parts = [_read_withheld(folder / WITHHELD) for folder in folders]
        pairs = zip(plan.folds, parts, strict=True)
        found = [
            part.assign(fold=-1 if fold is None else fold)
            for fold, part in pairs
            if part is not None
        ]
        if len(found) == len(parts):
            tables[variant] = pd.concat(found)
    modes: list[Any] = sorted({mode for table in tables.values() for mode in _modes(table)})
    place = pd.MultiIndex.from_arrays([clips["split"], arrays["fold"], clips["id"]])
    correct = np.full((len(modes), len(place), len(tables)), NOT_SCORED, np.int8)
    for column, table in enumerate(tables.values()):
        for mode, part in table.groupby(MODE):
            rows = place.get_indexer(pd.MultiIndex.from_frame(part[ROW]))
            correct[modes.index(mode), rows, column] = part["top1"] == part["label"]
    named = [dict(zip(MODE, mode, strict=True)) for mode in modes]
    return {"variants": list(tables), "modes": named}, correct


def _mechanism(
    plan: Plan, scored: Sequence[Run]
) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """Of the runs of section `mechanism`: folders of those that have each of `PAIR_ARRAYS`, and the
    arrays (runs, C, C), where there are any."""
    section = plan.mechanism
    wanted = {(need.variant, need.modality) for need in section.needs()} if section else set()
    folders: dict[str, list[str]] = {}
    arrays = {}
    for name in PAIR_ARRAYS:
        pairs = [
            (run, degrees.pair_array_of(run.folder, name)) for run in scored if _key(run) in wanted
        ]
        found = {name_of(run): array for run, array in pairs if array is not None}
        folders[name] = list(found)
        if found:
            arrays[name] = np.stack(list(found.values()))
    return folders, arrays


def _curves(plan: Plan, seed: int) -> set[str]:
    """Folders of the runs of section `mechanism` and of those that they start from."""
    return {
        history.folder
        for need in (plan.mechanism.needs() if plan.mechanism else [])
        for fold in plan.folds
        for history in histories(plan, need.variant, seed, need.modality, fold)
    }


def _modes(table: pd.DataFrame) -> list[Any]:
    return list(table[MODE].drop_duplicates().itertuples(index=False, name=None))


def _read_withheld(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    with reading(path, train_again(path)):
        return pd.read_parquet(path)


def _clusters(plan: Plan, seed: int) -> list[dict[str, Any]]:
    table = clusters.cluster_quality(plan.model_copy(update={"seeds": [seed]}))
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _data(plan: Plan, clips: dict[str, list[str]]) -> dict[str, Any]:
    """What tables and page show of the data."""
    listed = scored_clips.listed_clips(plan)
    pairs = zip(clips["id"], clips["split"], strict=True)
    scored = {name for name, split in pairs if split == "test"}
    return {
        "manifest_sha256": None if listed is None else scored_clips.manifest_digest(plan),
        "listed": None
        if listed is None
        else {"not_scored": sorted(listed - scored), "unlisted": sorted(scored - listed)},
        "missing": scored_clips.missing(plan),
        "splits": html.splits(plan),
        "classes": pictures.class_names(plan),
        "truth": collect.truth(plan),
        "cache": pictures.cache_counts(plan),
        "timing": timing.data_steps(plan),
    }
