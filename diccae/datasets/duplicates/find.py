"""The near-duplicates among the clips of a plan, in different splits or of different sources."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.clips_folder import clips_command, clips_folder
from diccae.datasets.clips import OK, read_index, read_meta
from diccae.datasets.duplicates.likeness import likenesses
from diccae.datasets.duplicates.list_file import COLUMNS, DIGITS
from diccae.datasets.duplicates.marking import unmarked
from diccae.datasets.duplicates.search import Likeness, Pairs, near_duplicates
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.sections import Modality
from diccae.whole_file import whole_file

# Of a pair, the clip whose split stands first here is left out; of two in the same split, the one
# that is listed later. A test clip always stays.
LEFT_OUT_FIRST = ("unlabelled", "train", "update", "validation", "test")
SIMILARITY: dict[Modality, str] = {"A": "sound", "V": "picture"}


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        table: the list, one row for each pair, the most similar first.
        clips: number of clips that were compared.
        unclear: number of clips without sound or contrast, by the letter of the modality.
        apart: number of pairs that agree in one modality and where the other, by its letter, has
            nothing to compare; they are not in the list.
    """

    table: pd.DataFrame
    clips: int
    unclear: dict[Modality, int]
    apart: Counter[Modality]


def find_duplicates(plan: Plan, jobs: int = 1) -> Duplicates:
    """Search the clip cache of a plan or, where there is none, its stored features.

    Clips that an earlier list left out are compared again, so that the list stays the same.

    Args:
        plan: the plan, whose modality is compared.
        jobs: number of processes that decode a cache in mode live, and of threads of the search.

    Raises:
        UserError: there is neither, or it is damaged or was made from another manifest.
    """
    folder = _folder(plan)
    index = unmarked(read_index(folder))
    clips = index[index["status"] == OK]
    compared = likenesses(folder, clips.index.to_numpy(np.int64), plan.modality, jobs)
    splits, places = _places(plan, clips)
    pairs = near_duplicates(compared, places, jobs)
    digest = read_meta(folder)["manifest_sha256"][:DIGITS]
    table = _table(clips.assign(split=splits), pairs, compared, digest)
    unclear = {each.letter: int((~each.clear).sum()) for each in compared}
    return Duplicates(table, len(clips), unclear, pairs.unclear)


def write_list(table: pd.DataFrame, out: Path) -> None:
    """Write a list of near-duplicates as CSV.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")


def _folder(plan: Plan) -> Path:
    for folder in (plan.cache_dir, clips_folder(plan)):
        if (folder / "meta.json").is_file():
            return folder
    raise UserError(
        f"plan {plan.name}: near-duplicates are searched for in {clips_folder(plan)}, which is not "
        f"there; run `{clips_command(plan)}` first"
    )


def _places(plan: Plan, clips: pd.DataFrame) -> tuple[pd.Series, np.ndarray]:
    """The split of each clip, in words, and a number for what pairs are not searched for within."""
    splits, within = clips["split"], clips["split"]
    folds = plan.split_into
    if folds is not None:
        labelled = clips["label"] >= 0
        folded = "fold " + clips["fold"].astype(str)
        # folds that a seed draws are other ones with each seed, and keep groups together
        drawn = folds.kind == "grouped"
        splits = splits.mask(labelled, "labelled" if drawn else folded)
        within = splits.mask(labelled, clips["group"] if drawn else folded)
    codes = pd.factorize(within.astype(str) + "\n" + clips["source"].astype(str))[0]
    return splits, codes.astype(np.int64)


def _rank(split: pd.Series) -> np.ndarray:
    """Place in LEFT_OUT_FIRST; that of test clips for clips that are tested in a fold."""
    ranks = {name: rank for rank, name in enumerate(LEFT_OUT_FIRST)}
    return split.map(lambda name: ranks.get(name, ranks["test"])).to_numpy(np.int64)


def _table(
    clips: pd.DataFrame, pairs: Pairs, compared: list[Likeness], digest: str
) -> pd.DataFrame:
    # the clip that stays comes first
    rank = _rank(clips["split"])
    swapped = rank[pairs.first] < rank[pairs.second]
    first = np.where(swapped, pairs.second, pairs.first)
    second = np.where(swapped, pairs.first, pairs.second)
    table = pd.DataFrame(index=range(len(first)), columns=list(COLUMNS))
    for name, rows in (("first", first), ("second", second)):
        for column, values in (
            (name, "id"),
            (f"{name}_split", "split"),
            (f"{name}_source", "source"),
        ):
            table[column] = clips[values].astype(str).to_numpy()[rows]
    difference = np.zeros(len(table))
    for each in compared:
        rounded = pairs.similarity[each.letter].round(4)
        table[SIMILARITY[each.letter]] = rounded
        difference += (1 - rounded) / each.unit
    table["dropped"] = table["second"].where(rank[second] < LEFT_OUT_FIRST.index("test"), "")
    table["manifest"] = digest
    table = table.assign(difference=difference.round(6))
    table = table.sort_values(["difference", "first", "second"], ignore_index=True)
    return table.assign(rank=table.index + 1)[list(COLUMNS)]
