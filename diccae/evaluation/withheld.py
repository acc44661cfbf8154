"""Scores of an A-V model with one modality withheld: what stands in for it, and what it is called.

These are scores of the model that was trained on both modalities. A model that was fine-tuned on
one of them is a different one, and the two may differ by far.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from diccae.functional.derangement import derangement

FILE = "withheld.parquet"
ZEROS, MEAN, ANOTHER_CLIP = FILLINGS = ("zeros", "mean", "another_clip")
# the withheld modality and what stands in for it
KINDS = tuple(product(("audio", "video"), FILLINGS))


def column(withheld: str, filling: str) -> str:
    """Name of the accuracy in tables: `AV_without_video_zeros`."""
    return f"AV_without_{withheld}_{filling}"


COLUMNS = {column(*kind): kind for kind in KINDS}


def other_clips(splits: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """For each clip the place of another one of its split, which may be of the same class; its own
    place if it is the only one of its split.

    Within a split it is a random permutation without fixed points.

    Args:
        splits: (N,) split of each clip.
        seed: seed of the run; the same splits and seed give the same answer.
    """
    rng = np.random.default_rng([seed, 7])
    others = np.arange(len(splits))
    for split in np.unique(splits):
        members = np.flatnonzero(splits == split)
        if len(members) > 1:
            others[members] = members[derangement(len(members), rng)]
    return others
