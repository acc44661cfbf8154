"""Folds: which split each clip is in when one fold is the test split.

Clips of one group (a recording, a person) never stand in two splits. A seed is a *rotation*: with
`grouped` folds it draws another partition, and in each rotation every labelled clip is tested once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diccae.errors import UserError

# the split of clips that the present fold leaves out
LEFT_OUT = ""
HELD_OUT = ("update", "validation", "test")


def fold_splits(table: pd.DataFrame, folds: Mapping[str, Any], seed: int) -> np.ndarray:
    """The split of every clip in one fold.

    Labelled clips of the fold are `test`. Of the other folds, whole groups are drawn by the seed
    until there are `update_per_class` clips of each class in `update` and `validation_per_class` in
    `validation`; the rest is `train`, of which groups beyond `train_groups_per_class` become
    `unlabelled`. Unlabelled clips of groups in `update`, `validation` or `test` are left out,
    whatever source they are from; so are labelled clips of other official folds whose group is
    tested. The order of the rows has no influence.

    Args:
        table: a manifest or the index of a cache with N clips.
        folds: `kind`, `count`, `fold`, `update_per_class`, `validation_per_class`,
            `train_groups_per_class` and `shared_groups`, see `diccae.source_lists.Folds`.
        seed: of the run.

    Returns:
        (N,) text; empty for clips that are left out.

    Raises:
        UserError: a labelled clip is in another split than `train`, an official fold is missing, a
            group is in two of them, or a class has too few groups (names it).
    """
    labelled = (table["label"] >= 0).to_numpy(bool)
    clips = table[labelled]
    listed = clips.loc[clips["split"] != "train"]
    if len(listed):
        raise UserError(
            f"data.folds: {len(listed)} labelled clips are listed in other splits than train, "
            f"first {listed['id'].iloc[0]} in {listed['split'].iloc[0]!r}; leave their split "
            "empty, or remove data.folds from the plan"
        )
    if clips.empty:
        raise UserError("data.folds: no clip has a label; name the class of the labelled clips")
    groups = _groups(clips)
    if folds["kind"] == "official":
        of_group = _official(clips, folds)
    else:
        of_group = _dealt(groups, folds["count"], np.random.default_rng([seed, 9]))
    place = _splits_of_groups(groups, of_group, folds, np.random.default_rng([seed, 10]))
    split = table["split"].to_numpy(dtype=object).copy()
    split[labelled] = clips["group"].map(place).to_numpy()
    if folds["kind"] == "official":
        elsewhere = labelled & (table["fold"] != folds["fold"]).to_numpy(bool)
        split[elsewhere & (split == "test")] = LEFT_OUT
    held_out = {group for group, name in place.items() if name in HELD_OUT}
    split[~labelled & table["group"].isin(held_out).to_numpy(bool)] = LEFT_OUT
    return split.astype(str)


def _groups(clips: pd.DataFrame) -> pd.DataFrame:
    """One row for each group, sorted by name: `group`, `label` (its most frequent class, the
    smallest of several), `clips`, and `usable`, those of this class that can be used."""
    usable = clips["status"] == "ok" if "status" in clips else clips["path"] != ""
    counts = (
        clips.assign(usable=usable)
        .groupby(["group", "label"], as_index=False)["usable"]
        .agg(["size", "sum"])
        .sort_values(["group", "size", "label"], ascending=[True, False, True])
    )
    sizes = counts.groupby("group")["size"].sum()
    first = counts.drop_duplicates("group").set_index("group")
    result = pd.DataFrame(
        {"label": first["label"], "clips": sizes, "usable": first["sum"]}
    ).reset_index()
    return result.sort_values("group", ignore_index=True)


def _official(clips: pd.DataFrame, folds: Mapping[str, Any]) -> dict[str, int]:
    """The fold of each group, as the lists say it; of several, the present one."""
    count = folds["count"]
    found, wanted = sorted(set(clips["fold"])), list(range(1, count + 1))
    if found != wanted:
        without = int((clips["fold"] < 0).sum())
        words = f"{without} labelled clips without a fold" if without else f"the folds {found}"
        raise UserError(
            f"data.folds: wanted the official folds 1 to {count}, and the lists have {words}; "
            "correct data.folds.count, fill the column fold, or set kind: grouped"
        )
    pairs = clips[["group", "fold"]].drop_duplicates()
    twice = pairs.loc[pairs["group"].duplicated(), "group"]
    if len(twice) and folds["shared_groups"] == "refuse":
        name = twice.iloc[0]
        both = sorted(pairs.loc[pairs["group"] == name, "fold"])
        raise UserError(
            f"data.folds: group {name!r} is in the official folds {both[0]} and {both[1]} "
            f"({twice.nunique()} of {pairs['group'].nunique()} groups are in more than one), so "
            "training would see recordings of the test clips; set kind: grouped, or "
            "shared_groups: leave_out"
        )
    # of two pairs of a group, the later one counts
    pairs = pairs.iloc[np.argsort(pairs["fold"] == folds["fold"], kind="stable")]
    return dict(zip(pairs["group"], pairs["fold"], strict=True))


def _dealt(groups: pd.DataFrame, count: int, generator: np.random.Generator) -> dict[str, int]:
    """Groups in random order, each to the fold with the fewest clips of its class, of equal ones
    to that with the fewest clips."""
    fold_of: dict[str, int] = {}
    total = np.zeros(count)
    for label, members in groups.groupby("label"):
        if len(members) < count:
            raise UserError(
                f"data.folds: class {label} has {len(members)} groups for {count} folds; lower "
                "data.folds.count, or add recordings of this class"
            )
        own = np.zeros(count)
        for row in generator.permutation(len(members)):
            name, clips = members["group"].iloc[row], members["clips"].iloc[row]
            fold = int(np.lexsort((total, own))[0])
            fold_of[name] = fold + 1
            own[fold] += clips
            total[fold] += clips
    return fold_of


def _splits_of_groups(
    groups: pd.DataFrame,
    fold_of: Mapping[str, int],
    folds: Mapping[str, Any],
    generator: np.random.Generator,
) -> dict[str, str]:
    """The split of each labelled group in one fold."""
    place: dict[str, str] = {}
    kept = folds["train_groups_per_class"]
    for label, members in groups.groupby("label"):
        # drawn for all groups, so that an order of groups belongs to the seed and not to the fold
        order = members.iloc[generator.permutation(len(members))]
        tested = (order["group"].map(fold_of) == folds["fold"]).to_numpy(bool)
        place |= dict.fromkeys(order.loc[tested, "group"], "test")
        rest = order[~tested]
        withheld = 0
        for split in ("update", "validation"):
            wanted, found = folds[f"{split}_per_class"], 0
            while found < wanted and withheld < len(rest):
                place[rest["group"].iloc[withheld]] = split
                found += rest["usable"].iloc[withheld]
                withheld += 1
            if found < wanted or withheld == len(rest):
                raise UserError(
                    f"data.folds: class {label} has {len(rest)} groups outside fold "
                    f"{folds['fold']}, too few for lists.update_per_class "
                    f"{folds['update_per_class']}, lists.validation_per_class "
                    f"{folds['validation_per_class']} and training; lower one of them"
                )
        names = rest["group"].iloc[withheld:]
        place |= dict.fromkeys(names[:kept], "train")
        if kept is not None:
            place |= dict.fromkeys(names[kept:], "unlabelled")
    return place
