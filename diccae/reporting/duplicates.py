"""Near-duplicate clips on the page: the list that `diccae data duplicates` wrote, and the frames of
its first pairs."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diccae.datasets.clip_files import clip_path
from diccae.datasets.containers import MediaError
from diccae.datasets.duplicates.list_file import DIGITS, read_list
from diccae.datasets.media import decode_frames
from diccae.digests import file_digest
from diccae.plans import Plan
from diccae.reporting import sources
from diccae.reporting.clip_sound import spectrogram
from diccae.reporting.pictures import jpeg
from diccae.stored_file import CACHE_AGAIN, reading

FILE = "duplicates.csv"


def duplicates(
    plan: Plan, folder: Path, pairs: int = 20, frames: int = 3, size: int = 64
) -> dict[str, Any] | None:
    """What the page says of near-duplicates; None where there is no list.

    Args:
        plan: the plan.
        folder: its results folder, which has the list.
        pairs: largest number of pairs that are shown.
        frames: number of frames of a clip.
        size: their height and width in pixels.

    Returns:
        A dict with `count`, `splits` (pairs of splits with their number of pairs), `dropped` (the
        number of clips that the list leaves out), `plan_drops` (whether the plan says so), `stale`
        (whether the list was made from another manifest; nothing else of it is then shown) and
        `pairs`, rows of the list with `first_image` and `second_image`, data URIs or None.

    Raises:
        UserError: the file is no list of near-duplicates.
    """
    if not (folder / FILE).is_file():
        return None
    table = read_list(folder / FILE)
    manifest = sources.data_file(plan, plan.manifest)
    made_from = set(table["manifest"])
    stale = manifest is not None and bool(made_from - {file_digest(manifest)[:DIGITS]})
    splits = Counter(zip(table["first_split"], table["second_split"], strict=True))
    shown = table.head(0 if stale else pairs)
    images = {} if manifest is None else _images(plan, shown, frames, size)
    return {
        "count": len(table),
        "splits": splits.most_common(),
        "dropped": table.loc[table["dropped"] != "", "dropped"].nunique(),
        "plan_drops": plan.overrides.get("data.drop_duplicates") is not None,
        "stale": stale,
        "pairs": [
            row | {f"{name}_image": images.get(row[name]) for name in ("first", "second")}
            for row in shown.to_dict("records")
        ],
    }


def _images(plan: Plan, table: pd.DataFrame, frames: int, size: int) -> dict[str, str]:
    """A picture of each clip of a list, by its id: frames side by side or, in a plan of sound
    alone, the spectrogram of a cache that stores it."""
    path = plan.cache_dir / "index.parquet"
    if not path.is_file():
        return {}
    with reading(path, CACHE_AGAIN):
        index = pd.read_parquet(path)
    clips = index[index["id"].astype(str).isin({*table["first"], *table["second"]})]
    if plan.modality == "A":
        stored = plan.cache_dir / "fbank.npy"
        if not stored.is_file():
            return {}
        with reading(stored, CACHE_AGAIN):
            fbank = np.load(stored, mmap_mode="r")
        return {str(clip["id"]): spectrogram(fbank[row]) for row, clip in clips.iterrows()}
    found = {}
    for clip in clips.to_dict("records"):
        end = float(clip["end"])
        try:
            video = decode_frames(
                clip_path(plan.manifest.parent, clip["path"]),
                start=float(clip["start"]),
                end=end if math.isfinite(end) else None,
                num_frames=frames,
                size=(size, size),
                modality="V",
            )
        except MediaError:
            # the clips may be on another machine
            continue
        found[str(clip["id"])] = jpeg(np.concatenate(list(video.images), axis=1))
    return found
