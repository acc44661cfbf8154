"""Sample clips of the report: a player, frames and spectrogram."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.datasets.clip_files import clip_path
from diccae.datasets.containers import unreadable
from diccae.plans import Plan
from diccae.reporting import sources
from diccae.reporting.clip_copy import still_frames
from diccae.reporting.clip_file import playable, span_of
from diccae.reporting.clip_sound import first_seconds, log_bands, mp3, spectrogram
from diccae.reporting.pictures import jpeg
from diccae.reporting.scored_clips import tested
from diccae.stored_file import CACHE_AGAIN, reading

# of the picture of a clip; the height in pixels is the largest
FRAMES, HEIGHT = 6, 96


def sample_clips(plan: Plan, classes: int = 12) -> list[dict[str, Any]]:
    """The first usable test clip of each class, for the first `classes` classes.

    Args:
        plan: the plan, whose manifest and cache index name the clips.
        classes: largest number of clips.

    Returns:
        What `shown` gives of each. Clips whose files do not exist are left out.

    Raises:
        UserError: a file cannot be decoded any more.
    """
    usable = usable_clips(plan)
    if usable is None:
        return []
    first = usable.groupby("label").head(1).sort_values("label").head(classes)
    found = (shown(plan, row, clip) for row, clip in first.iterrows())
    return [clip for clip in found if clip is not None]


def usable_clips(plan: Plan) -> pd.DataFrame | None:
    """Rows of the cache index of the test clips that could be used; None where manifest or cache
    are not on this machine."""
    path = plan.cache_dir / "index.parquet"
    if any(sources.data_file(plan, file) is None for file in (plan.manifest, path)):
        return None
    with reading(path, CACHE_AGAIN):
        index = pd.read_parquet(path)
    return index[tested(plan, index) & (index["status"] == "ok")]


def shown(plan: Plan, row: Any, clip: pd.Series) -> dict[str, Any] | None:
    """What the page shows of a clip.

    Args:
        plan: the plan.
        row: its row in the cache.
        clip: that row of the cache index.

    Returns:
        A dict with `name` (of the class), `id`, and data URIs: `video` (see
        `diccae.reporting.clip_file.playable`), `strip` (JPEG of FRAMES evenly spaced frames;
        None for a plan of sound alone), `sound` (MP3 of the first seconds; None for other plans)
        and `spectrogram` (PNG; None for a plan of pictures alone, and for one of both whose cache
        stores none). None where the file does not exist.

    Raises:
        UserError: the file cannot be decoded any more.
    """
    path = clip_path(plan.manifest.parent, clip["path"])
    if not path.is_file():
        return None
    result: dict[str, Any] = {"name": clip["label_name"], "id": clip["id"], "video": None}
    result |= {"strip": None, "sound": None, "spectrogram": None}
    bands = _stored_bands(plan, row) if "A" in plan.modality else None
    try:
        if "V" in plan.modality:
            result["video"] = playable(path, clip, plan.modality)
            frames = still_frames(path, *span_of(clip), FRAMES, HEIGHT)
            result["strip"] = jpeg(np.concatenate(frames, axis=1))
        else:
            sound = first_seconds(path, *span_of(clip))
            result["sound"] = mp3(sound)
            bands = log_bands(sound) if bands is None else bands
    except av.FFmpegError as error:
        raise unreadable(path, error) from None
    if bands is not None:
        result["spectrogram"] = spectrogram(bands)
    return result


def _stored_bands(plan: Plan, row: Any) -> NDArray[np.float16] | None:
    stored = plan.cache_dir / "fbank.npy"
    if not stored.is_file():
        return None
    with reading(stored, CACHE_AGAIN):
        return np.load(stored, mmap_mode="r")[row]
