"""What tables say, in words: each function is the rule of one sentence. `diccae summary` applies it
to the committed references, and the page of a plan to its own tables.

Rows are those of the CSV files, as mappings from column to value. Where no row has an interval, a
rule gives means and says that they are no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from diccae.functional.verdicts import NO_EFFECT, SMALLER
from diccae.reporting import verdicts
from diccae.reporting.data_sets import direction, drop_words, label
from diccae.reporting.effects import OF_TABLE2
from diccae.reporting.row_words import MODALITIES, Row, groups, no_verdict, widest

# columns of a difference and of the ends of its interval
DROP = ("drop", "low", "high")
DIFFERENCE = ("difference", "difference_low", "difference_high")
# what dynamic weights are compared with, by the variant that has it
OTHER_WEIGHTS = {
    "no_dynamic_weighting": "a static weight of 1",
    "flat_mean": "their mean for every pair",
    "shuffled_weights": "the same weights on wrong pairs",
}
# rules of configs/claims.yaml, `controls`, about the weights, and the variant that each is about
WEIGHT_RULES = {
    "oracle/shuffled": "oracle_weights",
    "full/shuffled": "shuffled_weights",
    "full/flat_mean": "flat_mean",
}


def parts(rows: Sequence[Row], unit: str = "seed", intervals: bool = True) -> str:
    """The primary drops of Table 2, each once: by its direction, or else by its size; in a table
    without them, the exploratory drops in the modality that holds the others. Empty without drops.

    Args:
        rows: of effects.csv.
        unit: what a seed is, in words.
        intervals: whether each drop is followed by its interval.
    """
    drops = [row for row in rows if row["claim"].startswith(OF_TABLE2)]
    chosen = [row for row in drops if row["family"] == "primary"] or widest(drops)
    if not chosen:
        return ""
    size = f"{verdicts.effect_sizes()[0]:g} point{'s' if verdicts.effect_sizes()[0] != 1 else ''}"

    def kind(row: Row) -> str:
        verdict = row["verdict"]
        if direction(verdict):
            return f"in the {'claimed' if direction(verdict) > 0 else 'opposite'} direction"
        if NO_EFFECT in verdict:
            return f"without an effect of {size}"
        return SMALLER if SMALLER in verdict else "undecided"

    def words(row: Row) -> str:
        value = drop_words(row) if intervals else f"{row['drop'] + 0.0:+.1f}"
        return f"{label(row['claim'])}: {value}"

    drop = f"{MODALITIES[chosen[0]['modality']]} drop{'s' if len(chosen) != 1 else ''}"
    drop = drop if chosen[0]["family"] == "primary" else f"exploratory {drop}"
    if few := no_verdict(chosen, DROP, unit):
        listed = "; ".join(map(words, chosen))
        return f"{few}; means of {len(chosen)} {drop}, in points: {listed}"
    return f"of {len(chosen)} {drop}, in points: {groups(chosen, kind, words)}"


def weights(effects: Sequence[Row], controls: Sequence[Row], unit: str = "seed") -> str:
    """Whether dynamic weights do better than static ones, than their mean and than weights of other
    pairs; empty without such a comparison.

    Args:
        effects: rows of effects.csv.
        controls: rows of control_verdicts.csv; a rule about a variant that `effects` has too is
            left out.
        unit: what a seed is, in words.
    """
    drops = widest([row for row in effects if _variant(row) in OTHER_WEIGHTS])
    by_id = {row["id"]: row for row in controls}
    known = {_variant(row) for row in drops}
    rules = [
        by_id[name] for name, own in WEIGHT_RULES.items() if name in by_id and own not in known
    ]
    few = no_verdict(drops, DROP, unit) if drops else no_verdict(rules, DIFFERENCE, unit)
    if not few:
        return "; ".join([*map(_against, drops), *map(_conclusion, rules)])
    said = [(f"dynamic weights minus {OTHER_WEIGHTS[_variant(row)]}", row, DROP) for row in drops]
    said += [(row["compared"].replace(" - ", " minus "), row, DIFFERENCE) for row in rules]
    means = "; ".join(f"{words}: {drop_words(row, names)}" for words, row, names in said)
    return f"{few}; mean differences, in points: {means}"


def _against(row: Row) -> str:
    verb = {1: "do better than", -1: "do worse than"}.get(direction(row["verdict"]))
    if verb is None:
        verb = "do as well as" if NO_EFFECT in row["verdict"] else "are not told apart from"
    return f"dynamic weights {verb} {OTHER_WEIGHTS[_variant(row)]} ({drop_words(row)} points)"


def _conclusion(row: Row) -> str:
    words = str(row["conclusion"])
    if words.startswith("undecided"):
        words = f"undecided whether {row['statement'][0].lower()}{row['statement'][1:]}"
    return f"{words} ({drop_words(row, DIFFERENCE)} points)"


def visible(rows: Sequence[Row], unit: str = "seed") -> str:
    """The smallest true drops that Table 2 shows with 80 % power; empty without drops.

    Args:
        rows: of effects.csv.
        unit: what a seed is, in words.
    """
    drops = widest([row for row in rows if row["claim"].startswith(OF_TABLE2)])
    if not drops:
        return ""
    modality = MODALITIES[drops[0]["modality"]]
    size = size_range(pd.DataFrame(drops))
    if not size:
        return f"nothing yet: {no_verdict(drops, DROP, unit)}"
    primary = sum(row["family"] == "primary" for row in drops)
    wider = "; the wider intervals of the verdicts need a larger one" if primary > 1 else ""
    return (
        f"with 80 % power, a 95 % interval shows a true {modality} drop of {size} or more, by the "
        f"spread of each row{wider}; a smaller one may stay undecided, which does not say that "
        "there is none"
    )


def size_range(rows: pd.DataFrame) -> str:
    """The range of the column `smallest_visible`, in words; empty where no row has a number."""
    values = rows["smallest_visible"].dropna().astype(float)
    if values.empty:
        return ""
    low, high = f"{values.min():.1f}", f"{values.max():.1f}"
    return f"{low} points" if low == high else f"{low} to {high} points"


def _variant(row: Row) -> str:
    claim = str(row["claim"])
    return claim.removeprefix(OF_TABLE2) if claim.startswith(OF_TABLE2) else ""
