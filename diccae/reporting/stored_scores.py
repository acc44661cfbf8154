"""Which test clips the runs of a results folder get right, read without its plan."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.evaluation import withheld
from diccae.plans import SCORED_STAGE
from diccae.reporting.shard_folder import by_seed, shard_files
from diccae.reporting.shards import read
from diccae.reporting.stored_predictions import predictions_of_shard

FILE = "predictions.parquet"
# <variant>/seed<k>/finetune/<modality>/, or with fold<f>/ before the stage; a copy of a folder
# under another name, such as seed200-old, is no run
PLACE = re.compile(rf"([^/]+)/seed(\d+)(?:/fold\d+)?/{SCORED_STAGE}/([^/]+)/{re.escape(FILE)}")
COLUMNS = ["id", "group", "label", "split", "view", "top1"]
WITHHELD_COLUMNS = ["id", "label", "split", "withheld", "filling", "top1"]


@dataclass(frozen=True)
class Scores:
    """The runs of one variant and modality.

    Attributes:
        ids: (N,) ids of the test clips, sorted.
        labels: (N,) their classes.
        groups: (N,) their groups, such as the recording that a clip is cut from.
        correct: (S, N) whether each seed classified each clip correctly, from scores averaged over
            all views.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    correct: NDArray[np.bool_]

    def rows(self, ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """Positions of clips, which must be among `ids`."""
        return np.searchsorted(self.ids, ids)

    def on(self, ids: NDArray[np.str_]) -> NDArray[np.bool_]:
        """`correct` of some clips, (S, M)."""
        return self.correct[:, self.rows(ids)]


@dataclass(frozen=True)
class Stored:
    """Where the predictions of one seed of a variant and modality lie.

    Attributes:
        variant, modality, seed: the run; of A-V models with a modality withheld, `modality` is one
            of `withheld.COLUMNS`.
        paths: its predictions, one file a fold, or the shard.
    """

    variant: str
    modality: str
    seed: int
    paths: tuple[Path, ...]

    @property
    def where(self) -> str:
        """Names its file, or its first one, in messages."""
        path = self.paths[0]
        return str(path) if path.name == FILE else f"{path}, {self.variant} {self.modality},"

    def table(self) -> pd.DataFrame:
        """The test clips of all folds with id, group, label and correct, from scores averaged over
        all views.

        Raises:
            UserError: a file cannot be read or lacks a column, or a shard disagrees with itself.
        """
        kind = withheld.COLUMNS.get(self.modality)
        if kind is None:
            shard = None if self.paths[0].name == FILE else read(self.paths[0])
            table = (
                self.predictions()
                if shard is None
                else predictions_of_shard(shard, self.variant, self.modality)
            )
            chosen = table[(table["split"] == "test") & (table["view"] == "multi")]
            chosen = chosen.assign(correct=chosen["top1"] == chosen["label"])
            return chosen[["id", "group", "label", "correct"]]
        table = self._withheld()
        of_kind = (table["withheld"] == kind[0]) & (table["filling"] == kind[1])
        table = table.loc[(table["split"] == "test") & of_kind, ["id", "label", "correct"]]
        groups = replace(self, modality="AV").table()[["id", "group"]]
        return table.merge(groups, on="id", how="left")

    def withheld_kinds(self) -> set[str]:
        """Names of the scores of test clips with a modality withheld, those of `withheld.COLUMNS`
        that it has."""
        table = self._withheld()
        pairs = table.loc[table["split"] == "test", ["withheld", "filling"]]
        kinds = set(pairs.itertuples(index=False, name=None))
        return {name for name, kind in withheld.COLUMNS.items() if kind in kinds}

    def predictions(self) -> pd.DataFrame:
        """All clips, views and folds, with id, group, label, split, view, top1 and fold (-1 without
        folds).

        Raises:
            UserError: a file cannot be read, or lacks a column.
        """
        if self.paths[0].name != FILE:
            return read(self.paths[0]).predictions(self.variant, self.modality)
        parts = [_read(path, COLUMNS).assign(fold=_fold(path)) for path in self.paths]
        return pd.concat(parts, ignore_index=True)

    def _withheld(self) -> pd.DataFrame:
        """Empty where there is no such file."""
        table = None
        if self.paths[0].name != FILE:
            table = read(self.paths[0]).withheld(self.variant)
        else:
            others = [path.with_name(withheld.FILE) for path in self.paths]
            if all(path.is_file() for path in others):
                table = pd.concat([_read(path, WITHHELD_COLUMNS) for path in others])
                table = table.assign(correct=table["top1"] == table["label"])
        return pd.DataFrame(columns=[*WITHHELD_COLUMNS, "correct"]) if table is None else table


def stored_runs(folder: Path) -> dict[tuple[str, str, int], Stored]:
    """The scored runs in a results folder, or in a folder of shards, by variant, modality and seed,
    sorted. What has a folder of its own is not read from a shard.

    Raises:
        UserError: the folder is missing or has neither runs nor shards, a shard is damaged, or two
            shards hold the same seed.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not there; name two results folders")
    found: dict[tuple[str, str, int], tuple[Path, ...]] = {}
    runs = folder / "runs"
    for path in sorted(runs.glob(f"*/seed*/**/{SCORED_STAGE}/*/{FILE}")):
        place = PLACE.fullmatch(path.relative_to(runs).as_posix())
        if place is not None:
            key = place[1], place[3], int(place[2])
            found[key] = (*found.get(key, ()), path)
    for seed, shard in by_seed(shard_files(folder)).items():
        for variant, modality in shard.columns:
            found.setdefault((variant, modality, seed), (shard.path,))
    if not found:
        raise UserError(
            f"{folder} has no runs/<variant>/seed<k>/finetune/<modality>/{FILE} and no shards; "
            "name a results folder with its runs, or a folder of shards"
        )
    return {key: Stored(*key, found[key]) for key in sorted(found)}


def scored_runs(folder: Path) -> dict[tuple[str, str], list[Stored]]:
    """The runs of `stored_runs` by variant and modality, in the order of the seeds.

    The scores of A-V models with a modality withheld are there under the names of
    `withheld.COLUMNS`, where all runs of the variant have them.

    Raises:
        UserError: as for `stored_runs`.
    """
    stored: dict[tuple[str, str], list[Stored]] = {}
    for (variant, modality, _), run in stored_runs(folder).items():
        stored.setdefault((variant, modality), []).append(run)
    for (variant, modality), seeds in list(stored.items()):
        kinds = [run.withheld_kinds() for run in seeds] if modality == "AV" else [set[str]()]
        for name in set.intersection(*kinds):
            stored[variant, name] = [replace(run, modality=name) for run in seeds]
    return dict(sorted(stored.items()))


def read_scores(runs: list[Stored]) -> Scores:
    """Read the runs of one variant and modality, one a seed, see `scored_runs`.

    Raises:
        UserError: a file cannot be read, lacks a column, lists a clip twice or no test clip, or has
            other clips or labels than the first.
    """
    tables = [_test_clips(run) for run in runs]
    first = tables[0]
    for run, table in zip(runs, tables, strict=True):
        if not first[["id", "label"]].equals(table[["id", "label"]]):
            raise UserError(
                f"{run.where} has other test clips or labels than {runs[0].where}; compare runs of "
                "one data set, or remove the seed"
            )
    return Scores(
        first["id"].to_numpy(np.str_),
        first["label"].to_numpy(np.int64),
        first["group"].to_numpy(np.str_),
        np.stack([table["correct"].to_numpy(bool) for table in tables]),
    )


def _fold(path: Path) -> int:
    """The fold of a file of predictions, -1 without folds."""
    place = path.parts[-4]
    return int(place.removeprefix("fold")) if place.startswith("fold") else -1


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read as predictions ({str(error).splitlines()[0]}); train this run "
            "again, or copy it again"
        ) from None


def _test_clips(run: Stored) -> pd.DataFrame:
    table = run.table()
    if table.empty:
        raise UserError(f"{run.where} has no test clips; train this run again, or copy it again")
    # the order that searchsorted needs, whatever the type of the ids
    table = table.assign(id=table["id"].astype(str)).sort_values("id", ignore_index=True)
    if table["id"].duplicated().any():
        twice = table.loc[table["id"].duplicated(), "id"].iloc[0]
        raise UserError(f"{run.where}: clip {twice!r} is listed twice; train this run again")
    return table
