"""What the table of systems says, in words: the rules of the sentences on the full method and on
the other systems. All of these comparisons are exploratory."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from diccae.plans import DEFAULT_SYSTEM
from diccae.reporting import paper
from diccae.reporting.data_sets import drop_words
from diccae.reporting.row_words import MODALITIES, Row, by_kind, groups, no_verdict, widest
from diccae.systems._known import origin_of_variant

# columns of a difference and of the ends of its interval
OVER_DICCAE = ("over_diccae", "over_diccae_low", "over_diccae_high")
OVER_SCRATCH = ("over_scratch", "over_scratch_low", "over_scratch_high")
AT_CHOSEN_RATES = "each at the learning rate chosen for it on validation clips"


def accuracy(rows: Sequence[Row], unit: str = "seed", reference: str = paper.WHOLE) -> str:
    """The accuracy of the full method, and whether it is better than training its encoders from
    scratch; empty without the full method.

    Args:
        rows: of systems.csv.
        unit: what a seed is, in words.
        reference: the variant that is the full method.
    """
    own = next((row for row in comparable(rows, reference) if _base(row) == reference), None)
    if own is None:
        return ""
    interval: str = "" if pd.isna(own["low"]) else f" [{own['low']:.1f}, {own['high']:.1f}]"
    said = f"DICCAE reaches {own['top1']:.1f} %{interval} in {MODALITIES[own['modality']]}"
    value, low, high = (own[name] for name in OVER_SCRATCH)
    if pd.isna(value):
        return f"{said}; training from scratch is not part of these results"
    difference = drop_words(own, OVER_SCRATCH)
    if few := no_verdict([own], OVER_SCRATCH, unit):
        return (
            f"{said}; mean difference to its encoders trained from scratch, in points: "
            f"{difference}; {few}"
        )
    verb = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
    rates = ", each at its chosen learning rate" if own["rate"] == "chosen" else ""
    return f"{said} and is {verb} its encoders trained from scratch ({difference} points){rates}"


def others(
    rows: Sequence[Row],
    unit: str = "seed",
    reference: str = paper.WHOLE,
    intervals: bool = True,
) -> str:
    """The other systems by their difference to DICCAE; empty where there is none.

    Where the table has them, these are the rows at the learning rates that were chosen for each
    system, and how many are better or worse at the common rate is said too.

    Args:
        rows: of systems.csv.
        unit: what a seed is, in words.
        reference: the variant that is the full method.
        intervals: whether each difference is followed by its interval.
    """
    fair = [row for row in comparable(rows, reference) if _is_other(row)]
    if not fair:
        return ""

    def kind(row: Row) -> str:
        _, low, high = (row[name] for name in OVER_DICCAE)
        return "better" if low > 0 else "worse" if high < 0 else "not told apart from it"

    def words(row: Row) -> str:
        value = drop_words(row, OVER_DICCAE) if intervals else f"{row[OVER_DICCAE[0]] + 0.0:+.1f}"
        return f"{str(row['system']).partition(' (')[0].partition(',')[0]}: {value}"

    count = f"{len(fair)} system{'s' if len(fair) != 1 else ''}"
    chosen = fair[0]["rate"] == "chosen"
    rates = f", {AT_CHOSEN_RATES}" if chosen else ""
    modality = MODALITIES[fair[0]["modality"]]
    if few := no_verdict(fair, OVER_DICCAE, unit):
        listed = "; ".join(map(words, fair))
        return f"{few}; mean {modality} differences to DICCAE{rates}, in points: {listed}"
    grouped = groups(fair, kind, words)
    said = f"of {count} beside DICCAE in {modality}{rates}, differences in points: {grouped}"
    common = [row for row in widest(rows) if row["rate"] != "chosen" and _is_other(row)]
    if not chosen or not common:
        return said
    counts = ", ".join(f"{len(own)} {name}" for name, own in by_kind(common, kind))
    return f"{said}; at the common rate {counts}"


def comparable(rows: Sequence[Row], reference: str = paper.WHOLE) -> list[Row]:
    """The rows of systems.csv that are compared with each other: in the modality that holds the
    others, and at the rates chosen for them where the full method has such a row."""
    both = widest(rows)
    chosen = [row for row in both if row["rate"] == "chosen"]
    common = [row for row in both if row["rate"] != "chosen"]
    return chosen if any(_base(row) == reference for row in chosen) else common


def _is_other(row: Row) -> bool:
    """Whether a row is of a system in its default form, and not of DICCAE."""
    return origin_of_variant(row["variant"]).system.name == _base(row) != DEFAULT_SYSTEM


def _base(row: Row) -> str:
    return str(row["variant"]).partition("@")[0]
