"""The manifest: one row per clip, in the same columns for all sources.

Columns: `id`; `path` (empty where no file was found); `start`, `end` (seconds within the file; an
`end` of NaN is the end of the file); `label_name`; `label` (int32, -1 for none); `split`;
`source`; `video` (the recording that the clip was cut from); `group` (what must not be divided
between splits, such as a recording, a person or a kitchen; never empty, and the same name means the
same in all sources); `fold` (int32, the official fold counted from 1, -1 for none). `attrs` hold
counts and class order. In memory, a manifest also has the columns ORIGIN, which say where each row
comes from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from diccae.datasets.readers.checks import check_rows
from diccae.datasets.readers.columns import join, text
from diccae.datasets.readers.split_words import check_list_names, check_paths
from diccae.errors import UserError
from diccae.whole_file import whole_file

COLUMNS = [
    "id",
    "path",
    "start",
    "end",
    "label_name",
    "label",
    "split",
    "source",
    "video",
    "group",
    "fold",
]
# `list`, an index into `attrs['lists']`, and `line`; `begin` and `finish`, the span in seconds of
# the recording, where the list says it (NaN otherwise)
ORIGIN = ["list", "line", "begin", "finish"]
# keys of `attrs` that are not written
FOR_MESSAGES = ("lists", "notes", "missing")
TRAIN_SPLITS = ("train", "unbalanced_train", "balanced_train", "unlabelled")


def manifest(rows: pd.DataFrame, source: str, own: bool = False) -> pd.DataFrame:
    """Select the columns of a manifest, and keep the counts in `attrs`.

    `attrs['notes']` are sentences about what may be wrong in the lists.

    Args:
        rows: one row per clip, with all columns of COLUMNS and ORIGIN but `source`, and `file`, the
            path below the folder of the clips. Without `group` it is the recording, and without
            `fold` there are no folds.
        source: name of the source.
        own: whether the lists are the user's own.

    Raises:
        UserError: the splits contradict the names of the lists or the paths of the clips (with the
            list and line).
    """
    notes = [*check_list_names(rows), *check_paths(rows, rows["file"], own)]
    table = rows.assign(
        source=text(pa.array([source]).take(pa.array(np.zeros(len(rows), np.int8)))),
        group=rows.get("group", rows["video"]),
        fold=np.asarray(rows.get("fold", np.full(len(rows), -1)), np.int32),
    )[COLUMNS + ORIGIN]
    table.attrs = rows.attrs | {"notes": [*rows.attrs.get("notes", []), *notes]}
    return table


def combine(manifests: Sequence[pd.DataFrame], labelled: str | None = None) -> pd.DataFrame:
    """Combine the manifests of several sources for pre-training.

    Args:
        manifests: one or more manifests with different sources.
        labelled: the source whose clips keep their labels and splits. Of all others, only training
            clips are kept, with split `unlabelled` and label -1.

    Returns:
        The manifest; `attrs` has the class order of `labelled`, and `held_out`, the number of
        clips of each other source that are in no training split.

    Raises:
        UserError: a source occurs twice, `labelled` is none of the sources, or one of its clips has
            no label and is not in the split `unlabelled`.
    """
    tables, classes, held_out = [], [], {}
    lists: list[str] = []
    sources = [source for table in manifests for source in table["source"].unique()]
    twice = sorted({source for source in sources if sources.count(source) > 1})
    if twice or (labelled is not None and labelled not in sources):
        wanted = (
            f"{twice[0]} is in two of the manifests"
            if twice
            else f"there is no source {labelled!r}"
        )
        raise UserError(f"{wanted}; the sources are {', '.join(sorted(set(sources)))}")
    for table in manifests:
        kept = (table["source"] == labelled).to_numpy(bool)
        training = table["split"].isin(TRAIN_SPLITS).to_numpy(bool)
        for source in table.loc[~kept, "source"].unique():
            held_out[source] = int(((table["source"] == source).to_numpy(bool) & ~training).sum())
        if kept.any():
            _check_labels(table[kept], str(labelled))
            classes = table.attrs.get("classes", [])
        chosen = table[kept | training].copy()
        others = ~kept[kept | training]
        chosen.loc[others, "split"] = "unlabelled"
        chosen.loc[others, "label"] = -1
        chosen.attrs = {}
        if "list" in chosen:
            chosen["list"] += len(lists)
            lists += table.attrs["lists"]
        tables.append(chosen)
    combined = pd.concat(tables, ignore_index=True)
    combined.attrs = {"held_out": held_out, "classes": classes}
    if lists:
        combined.attrs |= {"lists": lists}
    return combined


def _check_labels(table: pd.DataFrame, source: str) -> None:
    unlabelled = (table["label"] < 0).to_numpy(bool)
    if unlabelled.all():
        raise UserError(
            f"{', '.join(table.attrs.get('lists', [source]))}: {source} is the labelled source, "
            f"but none of its {len(table)} clips has a label; name another source, or give "
            "their classes"
        )
    check_rows(
        table,
        unlabelled & (table["split"] != "unlabelled").to_numpy(bool),
        lambda row: (
            f"{source} is the labelled source, but a clip of split {row['split']} has no label"
        ),
        "give its class, or leave the line or the list out",
    )


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest with its `attrs`; paths become absolute.

    Raises:
        UserError: the file is missing or no manifest.
    """
    path = Path(path)
    try:
        table = pd.read_parquet(path)
    except (OSError, pa.ArrowInvalid):
        raise UserError(
            f"{path}: no manifest can be read there; make one with `diccae data lists`"
        ) from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(
            f"{path}: it has no column {missing[0]}; make it again with `diccae data lists`"
        )
    relative = (table["path"] != "") & ~table["path"].str.startswith("/")
    table["path"] = table["path"].where(
        ~relative, join(os.path.abspath(path.parent).rstrip("/") + "/", table["path"])
    )
    outside = table["path"].str.contains("/../", regex=False)
    table.loc[outside, "path"] = table.loc[outside, "path"].map(os.path.normpath)
    return table


def write_manifest(table: pd.DataFrame, out: Path) -> Path:
    """Write a manifest and its class order (label,label_name).

    Paths below the folder of `out`, and below the current directory if `out` is there too, are
    written relative to that folder: the folders can be moved, and the manifest (and with it the
    digest of the data) is the same on every machine.

    Args:
        table: the manifest, with `classes` in `attrs`.
        out: the file to write.

    Returns:
        The path of the class order: `classes.csv` for `manifest.parquet`, `NAME.classes.csv` for
        `NAME.parquet`, in the same folder.

    Raises:
        UserError: a file cannot be written.
    """
    out = Path(out)
    names = out.with_name("classes.csv" if out.stem == "manifest" else f"{out.stem}.classes.csv")
    written = table[COLUMNS].assign(path=_relative(table["path"], out.parent))
    written.attrs = {key: table.attrs[key] for key in table.attrs if key not in FOR_MESSAGES}
    order = pd.DataFrame(
        {"label_name": pd.Series(table.attrs.get("classes", []), dtype=str)}
    ).rename_axis("label")
    for path, write in (
        (names, order.to_csv),
        (out, lambda temporary: written.to_parquet(temporary, index=False)),
    ):
        with whole_file(path) as temporary:
            write(temporary)
    return names


def _relative(paths: pd.Series, folder: Path) -> pd.Series:
    """Absolute paths relative to the folder of the manifest, see `write_manifest`."""
    here, folder = Path(os.path.abspath(os.curdir)), Path(os.path.abspath(folder))
    paths = paths.str.removeprefix(f"{folder}/")
    if here not in folder.parents:
        return paths
    up = "../" * len(folder.relative_to(here).parts)
    below = paths.str.startswith(f"{here}/")
    return paths.where(~below, join(up, paths.str.removeprefix(f"{here}/")))
