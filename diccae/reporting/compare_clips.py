"""The runs of two results folders, scored on the clips that both have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.evaluation.withheld import COLUMNS
from diccae.functional.bootstrap import DIFFERENCE, paired_clip_bootstrap, paired_t_pvalue
from diccae.functional.two_way import group_interval, group_pvalue
from diccae.reporting.stored_scores import Scores, Stored, read_scores, scored_runs

BOOTSTRAP_SEED = 0
SHOWN = 20


@dataclass(frozen=True)
class ClipComparison:
    """Two results folders on their common clips, for each variant and modality that both have. An
    A-V model with a modality withheld counts as a modality, named as in `withheld.COLUMNS`.

    Accuracies and differences are in percent, from scores averaged over all views, and averaged
    over the seeds of each side, as in the tables. A difference is `here` minus `there`.

    Attributes:
        scores: one row a variant and modality: number of seeds of both, clips in common and of each
            side alone, accuracies on the common clips and on all clips of a side, the difference
            with its 95 % interval over clips (bootstrap within classes) and the p-value of a paired
            t-test over clips. Where clips share a group, both are over groups (jackknife within
            classes), and `groups` counts these. Both hold for these trained models: other seeds are
            no part of them. Neither is given where no clip differs, or for fewer than four clips.
        changed: the common clips that the two sides do not get right in the same share of seeds,
            one row a variant, modality and clip, largest change first.
        classes: accuracies on the common clips of each class.
        skipped: variants and modalities of one side alone, in words.
    """

    scores: pd.DataFrame
    changed: pd.DataFrame
    classes: pd.DataFrame
    skipped: list[str]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by the name of their file."""
        return {
            "clips": self.scores,
            "clips_changed": self.changed,
            "clips_by_class": self.classes,
        }

    def words(self) -> str:
        """The scores, the first clips that changed, the classes, and what was left out; of scores
        with a modality withheld, only how many differ."""
        every, changed, classes = (
            table[~table["modality"].isin(COLUMNS)]
            for table in (self.scores, self.changed, self.classes)
        )
        scores = every.assign(p=every["p"].map(_p_words))
        parts = [
            "Accuracies in percent on the common test clips, all views, mean over seeds; "
            "difference: here minus there, with its 95 % interval and p over clips",
            scores.to_string(index=False, float_format="%.2f", na_rep="-"),
        ]
        number = len(changed)
        if number:
            more = f", the first {SHOWN}; --out writes all" if number > SHOWN else ""
            parts += [f"\n{number} clips changed in all runs together{more}; share of right seeds:"]
            parts += [changed.head(SHOWN).to_string(index=False, float_format="%.2f")]
        else:
            parts += ["\nNo clip changed"]
        moved = classes[classes["difference"] != 0]
        if len(moved):
            largest = moved.sort_values("difference", key=np.abs, ascending=False, kind="stable")
            more = f", the {SHOWN} largest; --out writes all" if len(moved) > SHOWN else ""
            parts += [f"\nDifferences of {len(moved)} classes{more}"]
            parts += [largest.head(SHOWN).to_string(index=False, float_format="%.2f")]
        withheld = self.scores.loc[self.scores["modality"].isin(COLUMNS), "difference"]
        if len(withheld):
            parts += [
                f"\n{(withheld != 0).sum()} of {len(withheld)} accuracies of A-V models with a "
                f"modality withheld differ, by up to {withheld.abs().max():.2f} points; --out "
                "writes them"
            ]
        return "\n".join([*parts, "", *(f"not compared: {words}" for words in self.skipped)])


def compare_clips(here: Path, there: Path) -> ClipComparison:
    """Compare the predictions of two results folders on the test clips that both scored.

    Runs are found by their place, `runs/<variant>/seed<k>/finetune/<modality>`, or in shards, so
    that the folders may lie anywhere and come from other machines. Clips are matched by id.

    Raises:
        UserError: a folder is missing or has no runs; the folders have no run or no clip in common;
            a clip has two labels; or predictions cannot be read.
    """
    mine, theirs = scored_runs(here), scored_runs(there)
    common = [key for key in mine if key in theirs]
    if not common:
        raise UserError(
            f"{here} and {there} have no variant and modality in common: {_names(mine)} here, "
            f"{_names(theirs)} there; name two folders of runs that can be compared"
        )
    scores, changed, classes = [], [], []
    for variant, modality in common:
        pair = (
            read_scores(mine[variant, modality]),
            read_scores(theirs[variant, modality]),
        )
        named = {"variant": variant, "modality": modality}
        clips = _common(*pair, f"{variant} {modality} of {here} and {there}")
        scores.append(named | _scores(*pair, clips))
        changed.append(_changed(*pair, clips).assign(**named))
        classes.append(_classes(*pair, clips).assign(**named))
    skipped = [
        f"{key}: {lacking} has no run of it"
        for runs, others, lacking in ((mine, theirs, there), (theirs, mine, here))
        for key in dict.fromkeys(_words(key) for key in runs if key not in others)
    ]
    tables = [pd.concat(parts, ignore_index=True) for parts in (changed, classes)]
    first = ["variant", "modality"]
    changed_table, class_table = (
        table[first + [column for column in table if column not in first]] for table in tables
    )
    sizes = -(changed_table["here"] - changed_table["there"]).abs().to_numpy()
    by_size = changed_table.iloc[np.argsort(sizes, kind="stable")]
    return ClipComparison(pd.DataFrame(scores), by_size, class_table, skipped)


def _names(runs: dict[tuple[str, str], list[Stored]]) -> str:
    return ", ".join(dict.fromkeys(map(_words, runs)))


def _words(key: tuple[str, str]) -> str:
    variant, modality = key
    return f"{variant} AV, a modality withheld" if modality in COLUMNS else f"{variant} {modality}"


def _common(here: Scores, there: Scores, where: str) -> NDArray[np.str_]:
    ids = np.intersect1d(here.ids, there.ids)
    if not len(ids):
        first, second = str(here.ids[0]), str(there.ids[0])
        raise UserError(
            f"{where} have no test clip in common: {first!r} here, {second!r} there; "
            "name folders whose clips have the same ids"
        )
    labels = here.labels[here.rows(ids)], there.labels[there.rows(ids)]
    unequal = np.flatnonzero(labels[0] != labels[1])
    if len(unequal):
        clip = unequal[0]
        raise UserError(
            f"{where}: {len(unequal)} of {len(ids)} common clips have other labels, the first is "
            f"{str(ids[clip])!r} ({labels[0][clip]} here, {labels[1][clip]} there); number the "
            "classes alike, or correct the lists"
        )
    return ids


def _scores(here: Scores, there: Scores, ids: NDArray[np.str_]) -> dict[str, object]:
    first, second = 100.0 * here.on(ids), 100.0 * there.on(ids)
    own, other = first.mean(axis=0), second.mean(axis=0)
    labels, groups = here.labels[here.rows(ids)], here.groups[here.rows(ids)]
    count = len(np.unique(groups))
    if count < len(ids):
        interval = group_interval(own - other, labels, groups, limits=DIFFERENCE)
        p = group_pvalue(own - other, labels, groups)
    else:
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        interval = paired_clip_bootstrap(first, second, labels, rng=rng)
        p = paired_t_pvalue(own, other)
    low, high = (interval.low, interval.high) if np.isfinite(p) else (np.nan, np.nan)
    return {
        "seeds_here": len(first),
        "seeds_there": len(second),
        "clips": len(ids),
        **({"groups": count} if count < len(ids) else {}),
        "only_here": len(here.ids) - len(ids),
        "only_there": len(there.ids) - len(ids),
        "here": own.mean(),
        "there": other.mean(),
        "here_all": 100.0 * here.correct.mean(),
        "there_all": 100.0 * there.correct.mean(),
        "difference": interval.estimate,
        "low": low,
        "high": high,
        "p": p,
        "better": int((own > other).sum()),
        "worse": int((own < other).sum()),
    }


def _changed(here: Scores, there: Scores, ids: NDArray[np.str_]) -> pd.DataFrame:
    own, other = here.on(ids).mean(axis=0), there.on(ids).mean(axis=0)
    table = pd.DataFrame(
        {"id": ids, "label": here.labels[here.rows(ids)], "here": own, "there": other}
    )
    return table[own != other]


def _classes(here: Scores, there: Scores, ids: NDArray[np.str_]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "label": here.labels[here.rows(ids)],
            "here": 100.0 * here.on(ids).mean(axis=0),
            "there": 100.0 * there.on(ids).mean(axis=0),
        }
    )
    groups = table.groupby("label")
    means = groups.mean().assign(clips=groups.size())
    means["difference"] = means["here"] - means["there"]
    return means.reset_index()[["label", "clips", "here", "there", "difference"]]


def _p_words(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
