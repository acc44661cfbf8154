"""Confusable classes of the embedded benchmark side by side: one pair of each kind."""

from __future__ import annotations

from typing import Any

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
    second = {clip["label"]: (row, clip) for row, clip in usable.groupby("label").nth(1).iterrows()}
    found = []
    for shares, pair in one_of_each_kind(known["confusable_pairs"]).items():
        clips = [shown(plan, *second[label]) if label in second else None for label in pair]
        if all(clips):
            found.append(
                {
                    "shares": shares,
                    "clips": clips,
                    "motions": [known["motions"][known["motion_of"][label]] for label in pair],
                    "sounds": [known["sounds"][known["sound_of"][label]] for label in pair],
                    "mistaken": {
                        modality: 50 * (matrix[pair[0]][pair[1]] + matrix[pair[1]][pair[0]])
                        for modality, matrix in known["bayes_confusion"].items()
                    },
                }
            )
    return found


def one_of_each_kind(confusable: dict[str, list[list[int]]]) -> dict[str, tuple[int, int]]:
    """The first pair of classes that is confusable in A and V (`AV`), in V alone and in A alone, if
    possible of classes that no earlier pair has.

    Args:
        confusable: the pairs of labels that are confusable in `A`, in `V` and in both (`AV`).
    """
    pairs = {kind: [(a, b) for a, b in confusable[kind]] for kind in ("AV", "V", "A")}
    both = set(pairs["AV"])
    chosen: dict[str, tuple[int, int]] = {}
    for kind, candidates in pairs.items():
        left = [pair for pair in candidates if kind == "AV" or pair not in both]
        used = {label for pair in chosen.values() for label in pair}
        fresh = [pair for pair in left if used.isdisjoint(pair)]
        if left:
            chosen[kind] = (fresh or left)[0]
    return chosen
