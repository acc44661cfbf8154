"""Which test clips the runs of a results folder get right, read without its plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.evaluation import withheld

FILE = "predictions.parquet"
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


def scored_runs(folder: Path) -> dict[tuple[str, str], list[Path]]:
    """The predictions below a results folder, by variant and modality, in the order of the seeds.

    The scores of A-V models with a modality withheld are there under the names of
    `withheld.COLUMNS`, where all runs of the variant have them.

    Raises:
        UserError: the folder is missing or has no runs.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not there; name two results folders")
    found: dict[tuple[str, str], list[Path]] = {}
    paths = (folder / "runs").glob(f"*/seed*/finetune/*/{FILE}")
    for path in sorted(paths, key=lambda path: (len(path.parts[-4]), path)):
        found.setdefault((path.parts[-5], path.parts[-2]), []).append(path)
    if not found:
        raise UserError(
            f"{folder} has no runs/<variant>/seed<k>/finetune/<modality>/{FILE}; name a results "
            "folder with its runs"
        )
    for (variant, modality), own in list(found.items()):
        others = [path.with_name(withheld.FILE) for path in own]
        if modality == "AV" and all(path.is_file() for path in others):
            for name in _names(others[0]):
                found[variant, name] = others
    return dict(sorted(found.items()))


def _names(path: Path) -> list[str]:
    """Names of the scores of test clips with a modality withheld in a file."""
    table = _read(path, WITHHELD_COLUMNS)
    kinds = set(
        table.loc[table["split"] == "test", ["withheld", "filling"]].itertuples(index=False)
    )
    return [name for name, kind in withheld.COLUMNS.items() if kind in kinds]


def read_scores(paths: list[Path], modality: str) -> Scores:
    """Read the runs of one variant and modality, one file a seed, see `scored_runs`.

    Raises:
        UserError: a file cannot be read, lacks a column, lists a clip twice or no test clip, or has
            other clips or labels than the first.
    """
    tables = [_test_clips(path, modality) for path in paths]
    first = tables[0]
    for path, table in zip(paths, tables, strict=True):
        if not first[["id", "label"]].equals(table[["id", "label"]]):
            raise UserError(
                f"{path} has other test clips or labels than {paths[0]}; compare runs of one data "
                "set, or remove the seed"
            )
    return Scores(
        first["id"].to_numpy(np.str_),
        first["label"].to_numpy(np.int64),
        first["group"].to_numpy(np.str_),
        np.stack([(table["top1"] == table["label"]).to_numpy(bool) for table in tables]),
    )


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read as predictions ({str(error).splitlines()[0]}); train this run "
            "again, or copy it again"
        ) from None


def _test_clips(path: Path, modality: str) -> pd.DataFrame:
    kind = withheld.COLUMNS.get(modality)
    if kind is None:
        table = _read(path, COLUMNS)
        table = table[(table["split"] == "test") & (table["view"] == "multi")]
    else:
        table = _read(path, WITHHELD_COLUMNS)
        of_kind = (table["withheld"] == kind[0]) & (table["filling"] == kind[1])
        table = table[(table["split"] == "test") & of_kind]
    if table.empty:
        raise UserError(f"{path} has no test clips; train this run again, or copy it again")
    # the order that searchsorted needs, whatever the type of the ids
    table = table.assign(id=table["id"].astype(str)).sort_values("id", ignore_index=True)
    if table["id"].duplicated().any():
        twice = table.loc[table["id"].duplicated(), "id"].iloc[0]
        raise UserError(f"{path}: clip {twice!r} is listed twice; train this run again")
    return table
