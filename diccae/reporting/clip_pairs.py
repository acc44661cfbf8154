"""Confusable classes of the embedded benchmark side by side: one pair of each kind."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diccae.datasets.clip_files import clip_path
from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.sample_clips import shown, usable_clips


def clip_pairs(plan: Plan) -> list[dict[str, Any]]:
    """A pair of classes that share motion and sound, one that shares the motion alone, and one that
    shares the sound alone, each with the second usable test clip of both classes.

    Returns:
        For each kind that the benchmark has: `shares` (the modalities in which the pair is
        confusable), `clips` (two, as `diccae.reporting.sample_clips.shown` gives them), `motions`
        and `sounds` (the names of both classes') and `mistaken` (by modality, the percentage of the
        clips of both classes that the best possible classifier takes for the other class). Empty
        for other data, and where the clips are not on this machine.

    Raises:
        UserError: a file cannot be decoded any more.
    """
    known, usable = collect.truth(plan), usable_clips(plan)
    if known is None or usable is None:
        return []
    second = {
        clip["label"]: (row, clip)
        for row, clip in usable.groupby("label").nth(1).iterrows()
        if clip_path(plan.manifest.parent, clip["path"]).is_file()
    }
    if not second:
        return []
    bayes = {kind: np.array(matrix) for kind, matrix in known["bayes_confusion"].items()}
    found = []
    for kind, pair in one_of_each_kind(known["confusable_pairs"], bayes).items():
        clips = [shown(plan, *second[label]) if label in second else None for label in pair]
        if None not in clips:
            found.append(
                {
                    "shares": kind,
                    "clips": clips,
                    "motions": [known["motions"][known["motion_of"][label]] for label in pair],
                    "sounds": [known["sounds"][known["sound_of"][label]] for label in pair],
                    "mistaken": {m: 100 * _mistaken(bayes[m], pair) for m in ("A", "V", "AV")},
                }
            )
    return found


def one_of_each_kind(
    confusable: dict[str, list[list[int]]], bayes: dict[str, NDArray[np.float64]]
) -> dict[str, tuple[int, int]]:
    """Of the pairs of classes that are confusable in A and V (`AV`), in V alone and in A alone, the
    one that the best possible classifier confuses most.

    Args:
        confusable: the pairs of labels that are confusable in `A`, in `V` and in both (`AV`).
        bayes: by modality, (C, C), the share of the clips of each class (row) that the best
            possible classifier takes for each class.
    """
    pairs = {kind: [(a, b) for a, b in confusable[kind]] for kind in ("AV", "V", "A")}
    alone = {
        kind: [pair for pair in found if kind == "AV" or pair not in pairs["AV"]]
        for kind, found in pairs.items()
    }
    return {
        kind: max(found, key=partial(_mistaken, bayes[kind]))
        for kind, found in alone.items()
        if found
    }


def _mistaken(bayes: NDArray[np.float64], pair: tuple[int, int]) -> float:
    """The share of the clips of two classes that are taken for the other one."""
    first, second = pair
    return float(bayes[first, second] + bayes[second, first]) / 2
