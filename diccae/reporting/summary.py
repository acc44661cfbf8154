"""Five sentences on what the committed references say, each by the rule of its own function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from diccae.committed import FOLDER
from diccae.functional.verdicts import NO_EFFECT, SMALLER
from diccae.plans import DEFAULT_SYSTEM
from diccae.reporting import verdicts
from diccae.reporting.data_sets import (
    REAL,
    RENDERED,
    RESTORE,
    contradict,
    data_sets,
    differing,
    direction,
    drop_words,
    label,
    records,
)
from diccae.stored_file import read_json, reading
from diccae.systems._known import origin_of_variant

# the plans that are read beside those of the data sets
CONFIRMATORY, CONTROLS = "embedded", "controls"
# rules of configs/claims.yaml, `controls`, whose conclusions are the second sentence
MECHANISM = ("oracle/shuffled", "full/shuffled", "full/flat_mean")
DIFFERENCE = ("difference", "difference_low", "difference_high")
OVER_DICCAE = ("over_diccae", "over_diccae_low", "over_diccae_high")
OVER_SCRATCH = ("over_scratch", "over_scratch_low", "over_scratch_high")
ABSENT = "not computed yet."
Row = dict[str, Any]


def summary(reference: Path = FOLDER) -> list[str]:
    """Five sentences: parts of the method, which pairs are weighted, other systems, real sounds,
    and what the numbers can show.

    Args:
        reference: folder of the committed references. A sentence about a plan that it lacks says
            that this is not computed yet.

    Raises:
        UserError: a table is damaged.
    """
    effects = data_sets(reference)
    seals = sorted(reference.glob("*/verify.json"))
    return [
        parts(records(effects[effects["plan"] == CONFIRMATORY])),
        mechanism(_read(reference / CONTROLS / "control_verdicts.csv")),
        systems(_read(reference / CONFIRMATORY / "systems.csv")),
        real_sounds(effects),
        certainty(effects, [read_json(path, RESTORE) for path in seals]),
    ]


def parts(effects: Sequence[Row]) -> str:
    """The primary rows, each once: by its direction, or else by its size."""
    rows = [row for row in effects if row["family"] == "primary"]
    if not rows:
        return f"Parts of the method: {ABSENT}"
    size = f"{verdicts.effect_sizes()[0]:g} point{'s' if verdicts.effect_sizes()[0] != 1 else ''}"

    def kind(row: Row) -> str:
        verdict = row["verdict"]
        if direction(verdict):
            return f"in the {'claimed' if direction(verdict) > 0 else 'opposite'} direction"
        if NO_EFFECT in verdict:
            return f"without an effect of {size}"
        return SMALLER if SMALLER in verdict else "undecided"

    return (
        f"Parts of the method, rendered clips, {rows[0]['seeds']} seeds: of {len(rows)} A-V drops, "
        f"{_groups(rows, kind, _effect)}."
    )


def mechanism(rows: Sequence[Row]) -> str:
    """What the rules about the true, the shuffled and the mean weights conclude."""
    by_id = {row["id"]: row for row in rows}
    found = [by_id[name] for name in MECHANISM if name in by_id]
    if not found:
        return f"Which pairs are weighted: {ABSENT}"
    return (
        f"Which pairs are weighted, rendered clips, {found[0]['seeds']} seeds: "
        f"{'; '.join(map(_conclusion, found))}."
    )


def _conclusion(row: Row) -> str:
    words = str(row["conclusion"])
    if words.startswith("undecided"):
        words = f"undecided whether {row['statement'][0].lower()}{row['statement'][1:]}"
    return f"{words} ({drop_words(row, DIFFERENCE)})"


def systems(rows: Sequence[Row]) -> str:
    """The other systems by their A-V difference to DICCAE, and DICCAE's to training from
    scratch."""
    both = [row for row in rows if row["modality"] == "AV"]
    own = next((row for row in both if row["variant"] == "full"), None)
    others = [row for row in both if _is_other(row["variant"])]
    if own is None or not others:
        return f"Other systems: {ABSENT}"

    def kind(row: Row) -> str:
        _, low, high = (row[name] for name in OVER_DICCAE)
        return "better" if low > 0 else "worse" if high < 0 else "not told apart from it"

    return (
        f"Other systems, rendered clips, {own['seeds']} seeds, exploratory: DICCAE is "
        f"{drop_words(own, OVER_SCRATCH)} points over its encoders from scratch in A-V; of "
        f"{len(others)} systems beside it, {_groups(others, kind, _system)}."
    )


def _is_other(variant: str) -> bool:
    """Whether a variant is a system in its default form, and not DICCAE."""
    return origin_of_variant(variant).system.name == variant != DEFAULT_SYSTEM


def real_sounds(effects: pd.DataFrame) -> str:
    """In how many verdicts real sounds differ from rendered clips, and what has a direction
    there."""
    found, compared = differing(effects)
    real = effects[effects["clips"] == REAL]
    if not compared:
        return f"Real sounds: {ABSENT}"
    opposite = sum(contradict(*pair) for pair in found)
    shown = [row for row in records(real) if direction(row["verdict"])]
    names = "; ".join(f"{row['plan']}, {_effect(row)}" for row in shown)
    return (
        f"Real sounds ({', '.join(dict.fromkeys(real['plan']))}): {len(found)} of {compared} "
        f"verdicts in audio are not those on rendered clips, {opposite or 'none'} of them with the "
        f"opposite direction; {len(shown) or 'none'} of {len(real)} differences there "
        f"{'has' if len(shown) == 1 else 'have'} a direction{f' ({names})' if names else ''}."
    )


def certainty(effects: pd.DataFrame, seals: Sequence[Row]) -> str:
    """Which true differences can be seen, and how many runs the numbers follow from."""
    audio = effects["modality"] == "A"
    ranges = [
        ("in A-V on rendered clips", effects[~audio & (effects["clips"] == RENDERED)]),
        ("in audio on real sounds", effects[audio & (effects["clips"] == REAL)]),
    ]
    seen = [f"{_range(rows)} {words}" for words, rows in ranges if _range(rows)]
    if not seen or not seals:
        return f"What can be seen: {ABSENT}"
    runs, bad = sum(seal["runs"] for seal in seals), sum(not seal["sealed"] for seal in seals)
    state = f", {bad} of them with findings" if bad else ""
    return (
        f"What can be seen with 80 % power: a true difference of {' and of '.join(seen)}; every "
        f"number follows from {runs:,} runs of {len(seals)} plans, whose shards are in "
        f"results/reference and are verified by `diccae verify`{state}."
    )


def _range(rows: pd.DataFrame) -> str:
    values = rows["smallest_visible"].dropna().astype(float)
    if values.empty:
        return ""
    low, high = f"{values.min():.1f}", f"{values.max():.1f}"
    return f"{low} points" if low == high else f"{low} to {high} points"


def _groups(rows: Sequence[Row], kind: Callable[[Row], str], words: Callable[[Row], str]) -> str:
    """Rows by kind, each kind with their number and the rows in words."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(kind(row), []).append(row)
    found = sorted(groups.items(), key=lambda item: -len(item[1]))
    return ", ".join(f"{len(own)} {name} ({'; '.join(map(words, own))})" for name, own in found)


def _effect(row: Row) -> str:
    return f"{label(row['claim'])} {drop_words(row)}"


def _system(row: Row) -> str:
    return f"{str(row['system']).partition(' (')[0]} {drop_words(row, OVER_DICCAE)}"


def _read(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    with reading(path, RESTORE):
        return records(pd.read_csv(path))
