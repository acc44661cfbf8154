"""Update and validation clips split off the training clips, in whole groups."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from diccae.datasets.readers.columns import arrow
from diccae.datasets.readers.groups import HELD_OUT
from diccae.errors import UserError

PARTS = ("update", "validation")


def split_off(
    table: pd.DataFrame,
    update: int,
    validation: int,
    found_only: bool,
    seed: int = 0,
    missing: str = "",
) -> pd.DataFrame:
    """Split update and validation clips off the training clips of each class.

    Clips are drawn one by one, and each takes all training clips of its group along, until every
    class has enough; a class can get more than that. Groups that the lists have in update,
    validation or test are not drawn. The draw depends on ids, groups and `seed`, not on the order
    of the rows.

    Args:
        table: a manifest.
        update: clips per class of the new split `update`.
        validation: clips per class of the new split `validation`.
        found_only: whether to draw from clips with a file only.
        seed: seed of the draw.
        missing: a sentence about clips without a file, for the error.

    Raises:
        UserError: a class has too few training clips, or too few groups of them.
    """
    wanted = {"update": update, "validation": validation}
    if not any(wanted.values()):
        return table
    train = (table["split"] == "train").to_numpy(bool)
    pool = train & (table["path"] != "").to_numpy(bool) if found_only else train
    group = arrow(table["group"]).dictionary_encode().indices.to_numpy()
    listed = table["split"].isin(HELD_OUT).to_numpy(bool)
    rows = np.flatnonzero(pool)
    # sorted by id, so that the order of the list has no influence
    rows = rows[np.argsort(table["id"].to_numpy()[rows], kind="stable")]
    rows = np.random.default_rng([seed, 5]).permutation(rows)
    rows = rows[~np.isin(group[rows], group[listed])]
    labels = table["label"].to_numpy()[rows]
    drawn, counts = _draw(group[rows], labels, wanted)
    classes = (
        table[table["label"] >= 0]
        .drop_duplicates("label")
        .set_index("label")["label_name"]
        .sort_index()
    )
    sizes, left = Counter(labels.tolist()), Counter(labels.tolist())
    for part in PARTS:
        left.subtract(counts[part])
    # includes classes of which no training clip was found
    small = [
        label
        for label in classes.index
        if left[label] <= 0 or any(counts[part][label] < wanted[part] for part in PARTS)
    ]
    if small or not len(rows):
        groups = Counter(labels[np.unique([group[rows], labels], axis=1, return_index=True)[1]])
        shown = [
            f"{classes[label]!r} has {sizes[label]}"
            + (f" in {groups[label]} groups" if groups[label] < sizes[label] else "")
            for label in small[:3]
        ]
        more = f" and {len(small) - 3} more classes have too few" if len(small) > 3 else ""
        whole = ", in whole groups" if any(" in " in words for words in shown) else ""
        raise UserError(
            f"lists: wanted more than {update + validation} training clips a class ({update} "
            f"update, {validation} validation{whole}), {', '.join(shown) or 'there are none'}"
            f"{more}; lower lists.update_per_class or lists.validation_per_class in the plan, "
            "or find the missing files" + (f"; {missing}" if missing else "")
        )
    split = table["split"].to_numpy(dtype=object).copy()
    for part, groups_of_part in drawn.items():
        split[train & np.isin(group, groups_of_part)] = part
    result = table.assign(split=split)
    result.attrs = dict(table.attrs)
    return result


def _draw(
    group: np.ndarray, labels: np.ndarray, wanted: dict[str, int]
) -> tuple[dict[str, list[int]], dict[str, Counter[int]]]:
    """The groups of each part, and their clips of each class.

    Args:
        group: int (N,), the group of each clip, in the order of the draw.
        labels: int (N,), their classes.
        wanted: part -> clips of each class.
    """
    members: dict[int, Counter[int]] = {}
    for name, label in zip(group.tolist(), labels.tolist(), strict=True):
        members.setdefault(name, Counter())[label] += 1
    drawn: dict[str, list[int]] = {part: [] for part in wanted}
    counts: dict[str, Counter[int]] = {part: Counter() for part in wanted}
    for name, label in zip(group.tolist(), labels.tolist(), strict=True):
        part = next((part for part in wanted if counts[part][label] < wanted[part]), None)
        if part is not None and name in members:
            drawn[part].append(name)
            counts[part].update(members.pop(name))
    return drawn, counts
