"""The predicted classes of runs against those of the same runs in a folder of shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plans import SCORED_STAGE
from diccae.reporting.shard_folder import by_seed, shard_files
from diccae.reporting.shards import Shard, read
from diccae.reporting.stored_predictions import train_again
from diccae.reporting.stored_scores import FILE, Stored, stored_runs
from diccae.stored_file import read_json

CLIP, VIEW = ["split", "fold", "id"], "view"
# what else of a record may differ between two runs of the same configs, in words
ORIGIN = {
    "source_hash": "code",
    "lock_hash": "packages",
    "data_hash": "clips",
    "kernels": "kernels",
}
SHOWN = 20
Key = tuple[str, str, int]


@dataclass(frozen=True)
class RunComparison:
    """Runs against the shards of a reference.

    Attributes:
        reference: folder of the shards.
        seeds: those in common.
        here, there: all seeds of each side.
        runs: one row a run in common: `variant`, `modality`, `seed`, `clips` (number of clips of
            both), `differ` (those with another predicted class, in any view), and `same_scores`
            (whether the file of scores is the same to the byte).
        origin: number of runs by what else differs between them, such as `code`.
        lacking: number of runs of the reference with these seeds that are not here.
    """

    reference: Path
    seeds: list[int]
    here: list[int]
    there: list[int]
    runs: pd.DataFrame
    origin: Counter[str]
    lacking: int

    @property
    def differing(self) -> pd.DataFrame:
        """The runs with another predicted class, most clips first."""
        rows = self.runs[self.runs["differ"] > 0]
        return rows.sort_values("differ", ascending=False, kind="stable", ignore_index=True)

    @property
    def same(self) -> bool:
        """Whether both sides have the same runs with the same predicted classes and scores."""
        equal = self.differing.empty and bool(self.runs["same_scores"].all())
        return equal and not self.lacking and self.here == self.there

    def sentences(self) -> list[str]:
        """What was found, in words."""
        count, seeds = len(self.runs), f"{_count(len(self.seeds), 'seed')} ({_list(self.seeds)})"
        differ, same = self.differing, int(self.runs["same_scores"].sum())
        if differ.empty:
            every = "the run" if count == 1 else f"all {count} runs"
            scores = f"{same} of them" if same < count else "all of them" if count > 1 else "it"
            said = [
                f"The predicted classes of your {seeds} equal the reference in {every}; the scores "
                f"are the same to the byte in {scores}."
            ]
        else:
            low, high = differ["differ"].min(), differ["differ"].max()
            have = "has" if len(differ) == 1 else "have"
            between = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            said = [
                f"{len(differ)} of {_count(count, 'run')} of your {seeds} {have} other predicted "
                f"classes than the reference, in {between} of {self.runs['clips'].max():,} clips."
            ]
        if self.origin:
            words = _list(f"{name} ({_count(n, 'run')})" for name, n in self.origin.items())
            said.append(f"The reference was made with other {words}.")
        if self.lacking:
            said.append(f"{_count(self.lacking, 'run')} of these seeds: in the reference alone.")
        return said

    def words(self) -> str:
        """The sentences and the first runs that differ."""
        lines, differ = self.sentences(), self.differing
        if len(differ):
            more = f", the first {SHOWN}" if len(differ) > SHOWN else ""
            lines.append(f"Runs with other predicted classes{more}:")
            lines.append(differ.drop(columns="same_scores").head(SHOWN).to_string(index=False))
        return "\n".join(lines)


def has_shards(folder: Path) -> bool:
    """Whether a folder holds shards."""
    return bool(shard_files(folder))


def has_runs(folder: Path) -> bool:
    """Whether a results folder holds scored runs or shards."""
    runs = (folder / "runs").glob(f"*/seed*/**/{SCORED_STAGE}/*/{FILE}")
    return has_shards(folder) or any(True for _ in runs)


def compare_runs(here: Path, reference: Path, only: Container[Key] | None = None) -> RunComparison:
    """Compare runs, or shards, with the shards of a reference.

    Args:
        here: a results folder, or a folder of shards.
        reference: a folder of shards.
        only: variant, modality and seed of the runs that count; None for all.

    Raises:
        UserError: a folder is missing, has neither runs nor shards, or is damaged; no run is in
            both; or runs were made with other configs.
    """
    shards = by_seed(shard_files(reference))
    mine = {key: run for key, run in stored_runs(here).items() if only is None or key in only}
    theirs = {(*names, seed) for seed, shard in shards.items() for names in shard.columns}
    common = [key for key in mine if key in theirs]
    if not common:
        raise UserError(
            f"{here} and {reference} have no run in common: seeds "
            f"{_list(sorted({seed for *_, seed in mine}))} here, "
            f"{_list(sorted(shards)) or 'none'} there; name the folders of one plan"
        )
    origin = Counter[str]()
    others = []
    for key in common:
        differ = _other_origin(mine[key], shards[key[2]])
        others += [key] if "config_hash" in differ else []
        origin.update(ORIGIN[name] for name in differ if name in ORIGIN)
    if others:
        variant, modality, seed = others[0]
        raise UserError(
            f"{reference} is of another version of the plan: {len(others)} of {len(common)} runs "
            f"have other configs than in {here}, such as {variant} {modality} seed {seed}; compare "
            "results of the commit that the reference names"
        )
    rows = [_compare(mine[key], shards[key[2]]) for key in common]
    seeds = sorted({seed for *_, seed in common})
    lacking = sum(seed in seeds and (v, m, seed) not in mine for v, m, seed in theirs)
    own = sorted({seed for *_, seed in mine})
    table = pd.DataFrame(rows)
    return RunComparison(reference, seeds, own, sorted(shards), table, origin, lacking)


def _compare(run: Stored, shard: Shard) -> dict[str, Any]:
    keys = [*CLIP, VIEW]
    mine, theirs = (
        table[[*keys, "top1"]].astype({"id": str}).sort_values(keys, ignore_index=True)
        for table in (run.predictions(), shard.predictions(run.variant, run.modality))
    )
    same = all(np.array_equal(mine[key].to_numpy(), theirs[key].to_numpy()) for key in keys)
    # a clip that one side did not score is NaN there
    both = (
        mine.assign(other=theirs["top1"])
        if same
        else mine.merge(theirs.rename(columns={"top1": "other"}), how="outer", on=keys)
    )
    moved = both.loc[both["top1"] != both["other"], CLIP]
    stated = {record["files"].get(FILE) for record in _records(shard, run)}
    own = {record["files"].get(FILE) for record in _own_records(run)}
    if run.paths[0].name == FILE:
        own = {file_digest(path)[:16] for path in run.paths}
    return {
        "variant": run.variant,
        "modality": run.modality,
        "seed": run.seed,
        "clips": len(both) // both[VIEW].nunique(),
        "differ": len(moved.drop_duplicates()),
        "same_scores": own == stated,
    }


def _other_origin(run: Stored, shard: Shard) -> set[str]:
    """Keys in which the records of a run differ from those of the shard."""
    pairs = zip(_own_records(run), _records(shard, run), strict=False)
    return {
        key
        for own, other in pairs
        for key in ("config_hash", *ORIGIN)
        if own.get(key) != other.get(key)
    }


def _own_records(run: Stored) -> list[dict[str, Any]]:
    """The record of each fold of a run."""
    if run.paths[0].name != FILE:
        return _records(read(run.paths[0]), run)
    records = (path.with_name("record.json") for path in run.paths)
    return [read_json(path, train_again(path)) for path in records]


def _records(shard: Shard, run: Stored) -> list[dict[str, Any]]:
    wanted = (SCORED_STAGE, run.variant, run.modality)
    found = [
        record
        for record in shard.records.values()
        if (record["stage"], record["variant"], record["modality"]) == wanted
    ]
    return sorted(found, key=lambda record: record.get("fold") or 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
