"""EPIC-KITCHENS-100: `EPIC_100_train.csv`, `EPIC_100_validation.csv`,
`EPIC_100_test_timestamps.csv`, which list spans of long recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.checks import check_rows, check_spans, drop_duplicates, numbers
from diccae.datasets.readers.classes import add_labels
from diccae.datasets.readers.layouts import Layout
from diccae.datasets.readers.list_files import read_lists, read_table
from diccae.datasets.readers.locate import locate
from diccae.datasets.readers.manifest import manifest
from diccae.datasets.readers.split_words import split_of_list
from diccae.errors import UserError

NEEDED = ["narration_id", "video_id", "start_timestamp", "stop_timestamp"]
LABELS = ["verb", "verb_class"]
UNUSED = [
    "participant_id",
    "narration_timestamp",
    "start_frame",
    "stop_frame",
    "narration",
    "noun",
    "noun_class",
    "all_nouns",
    "all_noun_classes",
]
SPLITS = {"train": "train", "validation": "validation", "test": "test"}
LAYOUTS = [
    Layout("<narration_id>", lambda rows: rows["id"], True),
    Layout("<video_id>", lambda rows: rows["video"], False),
]


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """Make a manifest of the narrated actions; labels are the official `verb_class`.

    Args:
        lists: the list files.
        media: the folder with the recordings, or with cut clips named by narration, at any depth;
            None to read the lists only.
        classes: `EPIC_100_verb_classes.csv`; None to name each class by the most frequent verb of
            its narrations in the lists.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, _read_list)
    rows["start"], rows["end"] = numbers(rows, "start", _seconds), numbers(rows, "end", _seconds)
    check_spans(rows)
    rows = drop_duplicates(rows, ["video", "start", "end", "verb_class", "split"])
    labelled = rows["verb_class"] != ""
    check_rows(
        rows,
        ~labelled & (rows["split"] != "test"),
        lambda row: f"a clip of split {row['split']} has no verb_class",
    )
    labels = np.full(len(rows), -1, np.int32)
    some = rows[labelled]
    some.attrs = rows.attrs
    labels[labelled] = numbers(some, "verb_class", int).astype(np.int32)
    names = _class_names(classes) if classes is not None else _frequent_verbs(rows["verb"], labels)
    unknown = sorted(set(labels[labels >= 0].tolist()) - set(range(len(names))))
    if unknown:
        raise UserError(
            f"{classes}: there is no verb class {unknown[0]}, which the lists use; "
            "download it again"
        )
    rows["label_name"] = pd.Series([*names, ""], dtype=str).take(labels).to_numpy()
    add_labels(rows, names)
    return manifest(locate(rows, media, LAYOUTS), "epic_kitchens")


def _read_list(path: Path) -> pd.DataFrame:
    split = split_of_list(path, SPLITS, "EPIC_100_train.csv, for example")
    # the test list has no labels
    wanted = NEEDED if split == "test" else [*NEEDED, *LABELS]
    rows = read_table(path, wanted, [*LABELS, *UNUSED])
    for column in LABELS:
        if column not in rows:
            rows[column] = ""
    rows = rows.rename(
        columns={
            "narration_id": "id",
            "video_id": "video",
            "start_timestamp": "start",
            "stop_timestamp": "end",
        }
    )
    return rows[["id", "video", "start", "end", "verb", "verb_class", "line"]].assign(split=split)


def _seconds(stamp: str) -> float:
    hours, minutes, seconds = stamp.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def _class_names(path: Path) -> list[str]:
    rows = read_table(path, ["id", "key"], ["instances", "category"])
    try:
        names = dict(zip(rows["id"].astype(int).tolist(), rows["key"], strict=True))
    except ValueError:
        raise UserError(f"{path}: the column id must be a number in every row") from None
    return [names.get(label, f"verb {label}") for label in range(max(names) + 1)]


def _frequent_verbs(verbs: pd.Series, labels: np.ndarray) -> list[str]:
    counts = (
        pd.DataFrame({"label": labels, "verb": verbs})[labels >= 0]
        .value_counts(["label", "verb"])
        .reset_index()
    )
    best = counts.sort_values(
        ["label", "count", "verb"], ascending=[True, False, True]
    ).drop_duplicates("label")
    names = dict(zip(best["label"], best["verb"], strict=True))
    return [names.get(label, f"verb {label}") for label in range(int(labels.max(initial=-1)) + 1)]
