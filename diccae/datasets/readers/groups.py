"""Groups: recordings, persons or kitchens whose clips stay together, in splits and in folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from diccae.datasets.readers.checks import place
from diccae.datasets.readers.columns import arrow
from diccae.datasets.readers.leaks import check_leaks
from diccae.errors import UserError

# splits whose clips are not trained on; of two of them, the later one keeps a group
HELD_OUT = {"update": 1, "validation": 2, "test": 3, "eval": 3}
# the reader of lists of one's own, which can be corrected
OWN = "plain_csv"


def keep_groups_whole(
    table: pd.DataFrame, drawn: np.ndarray | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give each group to one of training, update, validation and test.

    A group belongs to the last of these that one of its clips is in. Its other clips are removed,
    and so are clips that another source has of the same group or `video`. Published splits are kept
    in this way where they divide a recording; a list of one's own must say what is meant.

    Args:
        table: a manifest of N clips, of which one source has splits that are held out.
        drawn: bool (N,), whether the split of a clip was drawn from train; None for no clip.

    Returns:
        The remaining rows, and the number of removed ones of each source that lost any.

    Raises:
        UserError: a list of one's own has a group in two of them, or overlapping spans of a
            recording are in two of them (with the list and line of both).
    """
    rank = table["split"].map(HELD_OUT).fillna(0).to_numpy(np.int8)
    if not rank.any():
        return table, {}
    drawn = np.zeros(len(table), bool) if drawn is None else drawn
    home = (table["source"] == table["source"].iloc[int(rank.argmax())]).to_numpy(bool)
    group = arrow(table["group"]).dictionary_encode().indices.to_numpy()
    best = np.zeros(group.max(initial=-1) + 1, np.int8)
    np.maximum.at(best, group[home], rank[home])
    gone = home & (best[group] > rank)
    stray = gone & ~np.isin(group, group[drawn])
    if stray.any():
        _check(table, stray, home & np.isin(group, group[stray]), group, rank)
    held_out = arrow(table["video"][home & (rank > 0)])
    same = pc.is_in(arrow(table["video"]), value_set=held_out).to_numpy(zero_copy_only=False)
    gone |= ~home & (same | (best[group] > 0))
    if not gone.any():
        return table, {}
    kept = table[~gone].reset_index(drop=True)
    kept.attrs = dict(table.attrs)
    sizes = table["source"][gone].value_counts(sort=False)
    return kept, {str(source): int(count) for source, count in sizes.items()}


def _check(
    table: pd.DataFrame,
    stray: np.ndarray,
    members: np.ndarray,
    group: np.ndarray,
    rank: np.ndarray,
) -> None:
    """Check that stray clips do not contradict the list.

    Args:
        table: a manifest of N clips.
        stray: bool (N,), clips that are not in the split of their group.
        members: bool (N,), all clips that the same source has of these groups.
        group: int (N,), the number of the group of each clip.
        rank: int (N,), the place of its split in HELD_OUT, 0 for training.
    """
    clips = table[members]
    clips.attrs = table.attrs
    check_leaks(clips)
    row = int(stray.argmax())
    one = table.iloc[row]
    if one["source"] != OWN:
        return
    other = table.iloc[int(np.where(members & (group == group[row]), rank, -1).argmax())]
    groups = len(np.unique(group[stray]))
    more = f" ({groups} groups are like this)" if groups > 1 else ""
    raise UserError(
        f"{place(table, one)}: {one['id']} ({one['split']}) is of the same group, "
        f"{one['group']!r}, as {other['id']} ({other['split']}) in {place(table, other)}{more}; "
        "give both one split, or, where they are apart, groups of their own in the column group"
    )


def check_official_folds(table: pd.DataFrame, refuse: bool = True) -> list[str]:
    """Check that every labelled clip has an official fold, and no group stands in two.

    Args:
        table: a manifest.
        refuse: whether to refuse groups in two folds.

    Returns:
        A note that counts groups in two folds, if there are any.

    Raises:
        UserError: a labelled clip has no fold, or a group is in two folds and that is refused (with
            the list and line of both, and the number of such groups).
    """
    clips = table[(table["label"] >= 0).to_numpy(bool)]
    clips.attrs = table.attrs
    source = clips["source"].iloc[0] if len(clips) else "the lists"
    way_out = "set kind: grouped in data.folds of the plan"
    without = (clips["fold"] < 0).to_numpy(bool)
    if without.any() or clips.empty:
        first = f", first {place(clips, clips.iloc[int(without.argmax())])}" if len(clips) else ""
        raise UserError(
            f"data.folds: {without.sum()} of {len(clips)} labelled clips of {source} have no "
            f"official fold{first}; {way_out}, or give the column fold"
        )
    first_fold = clips.groupby("group", sort=False)["fold"].transform("first").to_numpy()
    apart = clips["fold"].to_numpy() != first_fold
    if not apart.any():
        return []
    one = clips.iloc[int(apart.argmax())]
    other = clips.iloc[int((clips["group"] == one["group"]).to_numpy(bool).argmax())]
    words = (
        f"{clips['group'][apart].nunique()} of {clips['group'].nunique()} groups of {source} are "
        f"in more than one official fold, first {one['group']!r} in fold {other['fold']} "
        f"({place(clips, other)}) and fold {one['fold']} ({place(clips, one)})"
    )
    if not refuse:
        return [f"{words}; where one of their clips is tested, the others are left out"]
    raise UserError(
        f"data.folds: {words}, so training would see recordings of the test clips; {way_out}, or "
        "shared_groups: leave_out beside kind: official to leave these clips out of training"
    )
