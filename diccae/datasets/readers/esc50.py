"""ESC-50: `meta/esc50.csv`, also for its subset ESC-10; or the folders of ESC-10's own release.

The columns are filename, fold, target, category, esc10, src_file, take. Folders are named like
`001 - Dog bark`, and their files like `1-100032-A.ogg`: fold, Freesound id and take.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from diccae.datasets.readers.checks import check_file_names, check_rows
from diccae.datasets.readers.list_files import read_lists, read_table
from diccae.datasets.readers.scan import is_sound, walk
from diccae.datasets.readers.sound_lists import recordings, sound_manifest, stems
from diccae.errors import UserError

NEEDED = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
FOLDER = re.compile(r"(?P<index>\d{3}) - (?P<label_name>.+)")
FILE = re.compile(r"(?P<id>(?P<fold>\d)-(?P<src_file>\d+)-[A-Z]+)\.\w+")


def read(
    lists: Sequence[Path],
    media: Path | None,
    classes: Path | None = None,
    subset: str | None = None,
) -> pd.DataFrame:
    """Make a manifest of the clips with their official folds.

    `attrs['other_classes']` counts the rows outside the subset.

    Args:
        lists: `esc50.csv`, or the folder of a release in folders.
        media: the folder with the clips, at any depth; None to read the lists only.
        classes: a class list that sets the order; None for the order of `target` or of the folders.
        subset: 'esc10' for the rows of ESC-10, None for all.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, lambda path: _read_folder(path) if path.is_dir() else _read_list(path))
    if subset is not None:
        rows = _subset(rows)
    rows["video"] = recordings(rows["src_file"])
    return sound_manifest(rows, media, "esc50", classes)


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_table(path, NEEDED).rename(columns={"category": "label_name", "target": "index"})
    rows.attrs = {"lists": [str(path)]}
    rows["list"] = 0
    rows["id"] = stems(rows["filename"])
    check_file_names(rows, ["fold", "src_file", "take", "index"])
    return rows[["id", "label_name", "index", "fold", "src_file", "esc10", "line"]]


def _read_folder(path: Path) -> pd.DataFrame:
    files = pd.DataFrame(walk(path), columns=["folder", "name"], dtype="str")
    files = files[is_sound(files["name"])]
    rows = []
    for folder, name in sorted(files.itertuples(index=False)):
        match = FOLDER.fullmatch(folder.rstrip("/").rpartition("/")[2]), FILE.fullmatch(name)
        if match[0] is None or match[1] is None:
            raise UserError(
                f"{path}: wanted files like '001 - Dog bark/1-100032-A.ogg' below this folder, got "
                f"{folder + name!r}; remove it, or name ESC-50's meta/esc50.csv as the list"
            )
        rows.append(match[0].groupdict() | match[1].groupdict())
    if not rows:
        raise UserError(
            f"{path}: there is no file like '001 - Dog bark/1-100032-A.ogg' below this folder; "
            "name the folder of ESC-10's release, or ESC-50's meta/esc50.csv, as the list"
        )
    return pd.DataFrame(rows, dtype="str").assign(esc10="", line=0)


def _subset(rows: pd.DataFrame) -> pd.DataFrame:
    inside = rows["esc10"].str.casefold()
    check_rows(
        rows,
        ~inside.isin(["true", "false"]).to_numpy(bool),
        lambda row: f"subset esc10: wanted True or False in the column esc10, got {row['esc10']!r}",
        "name ESC-50's meta/esc50.csv as the list, or leave subset out",
    )
    chosen = rows[(inside == "true").to_numpy(bool)].reset_index(drop=True)
    chosen.attrs = rows.attrs | {"other_classes": len(rows) - len(chosen)}
    return chosen
