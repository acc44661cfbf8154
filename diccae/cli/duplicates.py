"""`diccae data duplicates`: clips that are alike, in different splits or of different sources."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import Jobs, PlanName, out_option
from diccae.plans import load_plan

CORES = len(os.sched_getaffinity(0))


def duplicates(
    plan: PlanName,
    out: Annotated[
        Path | None,
        out_option(".csv", "The list; by default duplicates.csv in the plan's results folder."),
    ] = None,
    jobs: Jobs = CORES,
) -> None:
    """List near-duplicate clips in different splits or of different sources, by sound and picture.

    Both must agree where the plan has both. Copies are found that were encoded again, are louder,
    are shifted by up to a quarter of the clip, or lost a tenth of the picture."""
    from diccae.datasets.duplicates.find import SIMILARITY, find_duplicates, write_list
    from diccae.run_graph import check
    from diccae.settings import dropped_list

    chosen = load_plan(plan)
    check(chosen)
    found = find_duplicates(chosen, jobs)
    path = out or chosen.results_root() / "duplicates.csv"
    write_list(found.table, path)
    print(f"{path}: {len(found.table)} pairs of near-duplicates among {found.clips} clips")
    splits = Counter(zip(found.table["first_split"], found.table["second_split"], strict=True))
    for (first, second), count in splits.most_common():
        print(f"  {first} and {second}: {count}")
    for letter, count in found.apart.items():
        if count:
            print(f"  not listed, since there is no {SIMILARITY[letter]} to compare: {count} pairs")
    for letter, count in found.unclear.items():
        if count:
            words = "a sound that changes" if letter == "A" else "contrast in the picture"
            print(f"  clips without {words}: {count}")
    dropped = found.table.loc[found.table["dropped"] != ""].drop_duplicates("dropped")
    by_split = dropped["second_split"].value_counts()
    if len(dropped) and dropped_list(chosen) is None:
        words = ", ".join(f"{count} {split}" for split, count in by_split.items())
        print(f"  `data.drop_duplicates: {path}` in the plan's overrides leaves out {words}")


def print_dropped(counts: Counter[str]) -> None:
    """Say how many clips of each split a plan leaves out as near-duplicates, if any."""
    if counts:
        words = ", ".join(f"{count} {split}" for split, count in counts.items())
        print(f"near-duplicates left out (status duplicate): {counts.total()} clips, {words}")


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command()(duplicates)
