"""What the readers of sound collections share: whole files, their recordings and folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.checks import drop_duplicates, folds
from diccae.datasets.readers.classes import add_labels, order_by_index, read_classes
from diccae.datasets.readers.columns import join
from diccae.datasets.readers.layouts import Layout
from diccae.datasets.readers.locate import locate
from diccae.datasets.readers.manifest import manifest

LAYOUT = Layout("<file name of the list>", lambda rows: rows["id"], True)


def sound_manifest(
    rows: pd.DataFrame, media: Path | None, source: str, classes: Path | None
) -> pd.DataFrame:
    """Make a manifest of sound files, each of which is a clip in split `train`.

    Args:
        rows: rows of lists: `id`, the name of the file without folder and suffix; `label_name`;
            `index`, the index of the class; `fold`; `video`, the recording; and perhaps `start` and
            `end`, its span in the recording in seconds.
        media: the folder with the files, at any depth; None for no files.
        source: name of the source.
        classes: a class list that sets the order; None for the order of `index`.

    Raises:
        UserError: a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = drop_duplicates(rows, ["label_name", "index", "fold", "video"])
    order = order_by_index(rows, "index")
    add_labels(rows, read_classes(classes) if classes is not None else order)
    rows["fold"] = folds(rows)
    rows["split"] = "train"
    if "start" not in rows:
        rows["start"], rows["end"] = 0.0, np.nan
    rows = locate(rows, media, [LAYOUT])
    rows["start"], rows["end"] = 0.0, np.nan
    return manifest(rows, source)


def recordings(ids: pd.Series) -> pd.Series:
    """Names of recordings by their Freesound ids, the same in all sources; text (N,)."""
    return join("freesound-", ids)


def stems(files: pd.Series) -> pd.Series:
    """Names of files without folder and suffix; text (N,)."""
    return files.str.replace(r"^.*/", "", regex=True).str.replace(r"\.[^.]*$", "", regex=True)
