"""Sentences on what the committed references say. The rules that a page shares are in
`diccae.reporting.findings` and `diccae.reporting.system_findings`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from diccae.committed import FOLDER
from diccae.reporting import findings, system_findings
from diccae.reporting.data_sets import (
    REAL,
    RENDERED,
    contradict,
    data_sets,
    differing,
    direction,
    drop_words,
    label,
    records,
)
from diccae.reporting.listed_files import RESTORE, check_listed, read_listing
from diccae.reporting.row_words import MODALITIES, Row, no_verdict, widest
from diccae.reporting.verdicts import error, level_words
from diccae.stored_file import reading

# the plans that are read beside those of the data sets
CONFIRMATORY, CONTROLS, READINGS = "embedded", "controls", "embedded-full"
ABSENT = "not computed yet."
# nothing corrects for the number of these intervals
EXPLORATORY = "exploratory, 95 % intervals"
BY_CHANCE = "by chance alone 5 % of such intervals or more have a direction"
READING_DROP = ("drop", "drop_low", "drop_high")


def summary(reference: Path = FOLDER) -> list[str]:
    """Five sentences: parts of the method, which pairs are weighted, other systems, real sounds,
    and what the numbers can show.

    Args:
        reference: folder of the committed references. A sentence about a plan that it lacks says
            that this is not computed yet.

    Raises:
        UserError: a table or a verify.json is damaged or was edited.
    """
    effects = data_sets(reference)
    seals = sorted(reference.glob("*/verify.json"))
    return [
        _parts(records(effects[effects["plan"] == CONFIRMATORY])),
        _weights(_read(reference / CONTROLS / "control_verdicts.csv")),
        _systems(_read(reference / CONFIRMATORY / "systems.csv")),
        real_sounds(effects),
        certainty(effects, [read_listing(path) for path in seals]),
    ]


def _parts(effects: Sequence[Row]) -> str:
    rows = [row for row in effects if row["family"] == "primary"]
    if not rows:
        return f"Parts of the method: {ABSENT}"
    together = ""
    if pd.notna(rows[0]["low"]):
        level, all_of_them = level_words(rows[0]["level"] / 100), level_words(1 - error())
        together = f", {level} % intervals, which hold together in {all_of_them} % of cases"
    return f"Parts of the method, {_seeds(rows)}{together}: {findings.parts(rows)}."


def _weights(controls: Sequence[Row]) -> str:
    said = findings.weights([], controls)
    if not said:
        return f"Which pairs are weighted: {ABSENT}"
    return f"Which pairs are weighted, {_seeds(controls)}, {EXPLORATORY}: {said}."


def open_choices(reference: Path = FOLDER) -> str:
    """A sentence on the readings of what the paper leaves open, for the page of the references.

    Args:
        reference: see `summary`.

    Raises:
        UserError: see `summary`.
    """
    table = _read(reference / READINGS / "sensitivity.csv")
    rows = [row for row in widest(table) if pd.notna(row["drop"])]
    if not rows:
        return f"Readings of open choices: {ABSENT}"
    few = no_verdict(rows, READING_DROP, "seed")
    if few:
        return f"Readings of open choices: {few}."

    def words(row: Row) -> str:
        return f"{row['variant']}: {drop_words(row, READING_DROP)}"

    kinds = {
        "worse": [row for row in rows if row["drop_low"] > 0],
        "better": [row for row in rows if row["drop_high"] < 0],
    }
    told = "".join(
        f"; {len(own)} {'does' if len(own) == 1 else 'do'} {kind} "
        f"(drops in points: {'; '.join(map(words, own))})"
        for kind, own in kinds.items()
        if own
    )
    rest = len(rows) - sum(map(len, kinds.values()))
    return (
        f"Readings of open choices, {_seeds(rows)}, {EXPLORATORY}: {rest} of {len(rows)} in "
        f"{MODALITIES[rows[0]['modality']]} {'is' if rest == 1 else 'are'} not told apart from the "
        f"method as it runs here{told}; {BY_CHANCE}."
    )


def _systems(rows: Sequence[Row]) -> str:
    own, others = system_findings.accuracy(rows), system_findings.others(rows)
    if not (own and others):
        return f"Other systems: {ABSENT}"
    # with too few seeds both say so
    own = own.removesuffix("; " + others.partition("; ")[0])
    return f"Other systems, {_seeds(rows)}, {EXPLORATORY}: {own}; {others}."


def _seeds(rows: Sequence[Row]) -> str:
    return f"rendered clips, {rows[0]['seeds']} seeds"


def real_sounds(effects: pd.DataFrame) -> str:
    """In how many verdicts real sounds differ from rendered clips, and what has a direction there;
    means alone of plans with too few rotations for a verdict."""
    real = effects[effects["clips"] == REAL]
    if real.empty:
        return f"Real sounds: {ABSENT}"
    judged = real.groupby("plan")["low"].transform(lambda ends: ends.notna().any())
    said = [_compared(effects, real[judged])] if judged.any() else []
    for plan, rows in real[~judged].groupby("plan", sort=False):
        said.append(f"Real sounds ({plan}): {findings.parts(records(rows), 'rotation')}.")
    return " ".join(said)


def _compared(effects: pd.DataFrame, real: pd.DataFrame) -> str:
    found, compared = differing(effects)
    opposite = sum(contradict(*pair) for pair in found)
    known = real[real["low"].notna()]
    shown = [row for row in records(known) if direction(row["verdict"])]
    names = "; ".join(f"{row['plan']}, {_effect(row)}" for row in shown)
    listed = f" (in points: {names})" if names else ""
    rotations = real.groupby("plan", sort=False)["seeds"].first()
    plans = ", ".join(f"{plan} with {count} rotations" for plan, count in rotations.items())
    return (
        f"Real sounds ({plans}), {EXPLORATORY}: {len(found)} of {compared} "
        f"verdicts in audio are not those on rendered clips, {opposite or 'none'} of them with the "
        f"opposite direction, which is no test of a difference; {len(shown) or 'none'} of "
        f"{len(known)} differences there {'has' if len(shown) == 1 else 'have'} a direction"
        f"{listed}; {BY_CHANCE}."
    )


def certainty(effects: pd.DataFrame, seals: Sequence[Row]) -> str:
    """Which true differences can be seen, and how many runs the numbers follow from."""
    audio = effects["modality"] == "A"
    ranges = [
        ("in A-V on rendered clips", effects[~audio & (effects["clips"] == RENDERED)]),
        ("in audio on real sounds", effects[audio & (effects["clips"] == REAL)]),
    ]
    sizes = [(findings.size_range(rows), words) for words, rows in ranges]
    seen = [f"{size} {words}" for size, words in sizes if size]
    if not seen or not seals:
        return f"What can be seen: {ABSENT}"
    runs, bad = sum(seal["runs"] for seal in seals), sum(not seal["sealed"] for seal in seals)
    state = f", {bad} of them with findings" if bad else ""
    plans = f"{len(seals)} plan{'s' if len(seals) > 1 else ''}"
    # the intervals of the primary verdicts are wider than those that the sizes are about
    primary = int((effects["family"] == "primary").sum())
    wider = (
        "; the wider intervals of the parts of the method need a larger one" if primary > 1 else ""
    )
    return (
        f"What can be seen: with 80 % power, 95 % intervals show a true difference of "
        f"{' and of '.join(seen)}{wider}; every "
        f"number follows from {runs:,} runs of {plans}, whose shards are in "
        f"results/reference and are verified by `diccae verify`{state}."
    )


def _effect(row: Row) -> str:
    return f"{label(row['claim'])}: {drop_words(row)}"


def _read(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    check_listed(path)
    with reading(path, RESTORE):
        return records(pd.read_csv(path))
