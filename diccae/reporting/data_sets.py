"""One claim, one row: its effect in the paper, on rendered clips and on real sounds, from the
committed reference of each plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from diccae.committed import DATA_SETS, DATA_SETS_TABLE, FOLDER
from diccae.functional.verdicts import OPPOSITE, SAME
from diccae.plans import Plan
from diccae.reporting import paper
from diccae.reporting.effects import COLUMNS, OF_TABLE2, printed_effect
from diccae.reporting.listed_files import RESTORE, check_listed
from diccae.stored_file import reading

RENDERED, REAL = "rendered", "real"
# the modality that rendered clips and real sounds have in common
COMMON = "A"
HERE = " here"


def data_sets(reference: Path = FOLDER) -> pd.DataFrame:
    """The effects of all plans of `DATA_SETS` whose reference is there: the columns `plan` and
    `clips` (`rendered` or `real`), then those of effects.csv.

    Args:
        reference: folder of the committed references.

    Raises:
        UserError: a table is damaged, or not the one that the verify.json beside it lists.
    """
    tables = []
    for name, clips in DATA_SETS.items():
        path = reference / name / "effects.csv"
        if path.is_file():
            check_listed(path)
            with reading(path, RESTORE):
                table = pd.read_csv(path, usecols=COLUMNS)[COLUMNS]
            table.insert(0, "clips", clips)
            table.insert(0, "plan", name)
            tables.append(table)
    columns = ["plan", "clips", *COLUMNS]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def label(claim: str) -> str:
    """What the method has instead, in words."""
    return str(paper.claims()["effects"].get(claim, claim.removeprefix(OF_TABLE2)))


def plain(verdict: str) -> str:
    """A verdict without the word that rendered clips add to it."""
    return verdict.removesuffix(HERE)


def direction(verdict: str) -> int:
    """1 for a verdict with the direction that the paper claims, -1 for the opposite one, else 0."""
    return (SAME in verdict) - (OPPOSITE in verdict)


def differing(table: pd.DataFrame) -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], int]:
    """The effects in audio whose verdict on real sounds is not that on rendered clips, as pairs of
    rows (rendered, real), opposite directions first; and the number of pairs that were compared,
    which are those that have an interval on both."""
    audio = table[(table["modality"] == COMMON) & table["low"].notna()]
    rendered = {row["claim"]: row for row in records(audio[audio["clips"] == RENDERED])}
    real = records(audio[audio["clips"] == REAL])
    pairs = [(rendered[row["claim"]], row) for row in real if row["claim"] in rendered]
    found = [pair for pair in pairs if len({plain(row["verdict"]) for row in pair}) > 1]
    return sorted(found, key=lambda pair: -contradict(*pair)), len(pairs)


def sentences(table: pd.DataFrame) -> list[str]:
    """Where real sounds and rendered clips have other verdicts, in words; the count first."""
    found, compared = differing(table)
    if not compared:
        return [
            "Rendered clips and real sounds are not compared yet: a reference is missing, or has "
            "too few seeds for a verdict."
        ]
    if not found:
        return [f"In audio, all verdicts on real sounds are those on rendered clips ({compared})."]
    opposite = sum(contradict(*pair) for pair in found)
    said = f"In audio, {len(found)} of {compared} verdicts on real sounds are not those on rendered"
    said += f" clips; {opposite or 'none'} of them {'has' if opposite == 1 else 'have'} the "
    said += "opposite direction. This is no test of the difference between the data sets."
    return [said, *(_in_words(*pair) for pair in found)]


def page_of_data_sets(plan: Plan) -> dict[str, Any] | None:
    """What the page of a plan shows of the committed table; None for other plans, for results in
    another folder, and without the table.

    Returns:
        `sentences`; `columns`, pairs of plan and modality; `missing`, the plans that are not
        computed; and `rows`, each with `words`, the drops that are printed for A and A-V as
        `paper`, in points and log-odds, and `cells`, the effect in each column or None.

    Raises:
        UserError: the table is damaged.
    """
    if plan.elsewhere or plan.name not in DATA_SETS or not DATA_SETS_TABLE.is_file():
        return None
    with reading(DATA_SETS_TABLE, RESTORE):
        table = pd.read_csv(DATA_SETS_TABLE)
        rows = records(table)
        columns = [
            (name, modality)
            for name in DATA_SETS
            for modality in ("A", "V", "AV")
            if ((table["plan"] == name) & (table["modality"] == modality)).any()
        ]
        claims = [claim for claim in paper.claims()["effects"] if claim in set(table["claim"])]
        return {
            "sentences": sentences(table),
            "columns": columns,
            "missing": [name for name in DATA_SETS if name not in set(table["plan"])],
            "rows": [_line(claim, rows, columns) for claim in claims],
        }


def _line(claim: str, rows: list[dict[str, Any]], columns: list[tuple[str, str]]) -> dict[str, Any]:
    own = {(row["plan"], row["modality"]): row for row in rows if row["claim"] == claim}
    printed = [printed_effect(claim, modality) for modality in ("A", "AV")]
    return {
        "words": label(claim),
        "paper": printed,
        "cells": [own.get(column) for column in columns],
    }


def contradict(rendered: dict[str, Any], real: dict[str, Any]) -> bool:
    """Whether both rows have a direction, and not the same one."""
    return direction(rendered["verdict"]) * direction(real["verdict"]) < 0


def _in_words(rendered: dict[str, Any], real: dict[str, Any]) -> str:
    words = label(real["claim"])
    return (
        f"{words[0].upper()}{words[1:]}: {plain(rendered['verdict'])} on rendered clips "
        f"({drop_words(rendered)}), {plain(real['verdict'])} on {real['plan']} "
        f"({drop_words(real)}{visible_words(real)})."
    )


def drop_words(row: Mapping[str, Any], names: Sequence[str] = ("drop", "low", "high")) -> str:
    """A drop with its interval, in words; `names` are the columns of both."""
    # without the sign of a zero below zero
    value, low, high = (row[name] + 0.0 for name in names)
    return f"{value:+.1f}" if pd.isna(low) else f"{value:+.1f} [{_end(low)}, {_end(high)}]"


def _end(value: float) -> str:
    """An end of an interval, whose sign decides: one that is not 0 is not rounded to 0."""
    words = f"{value:+.1f}"
    return words if float(words) or not value else f"{value:+.1g}"


def visible_words(row: dict[str, Any]) -> str:
    """From which size on an effect can be seen, in words that follow others; empty where it is not
    known."""
    size = row["smallest_visible"]
    return "" if pd.isna(size) else f"; effects from {size:.1f} points on can be seen"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
