"""`diccae data features`: stored features that runs read instead of frames and log-mels."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer

from diccae.cli.duplicates import print_dropped
from diccae.cli.node import require_clips
from diccae.cli.options import Jobs, PlanName
from diccae.errors import UserError
from diccae.plans import load_plan

CORES = len(os.sched_getaffinity(0))


def _share(value: str) -> tuple[int, int]:
    """`3/16` -> (3, 16)."""
    match = re.fullmatch(r"(\d+)/(\d+)", value)
    share = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= share[0] <= share[1]:
        raise UserError(f"--shard {value}: wanted k/n with k from 1 to n, such as 3/16")
    return share


def features(
    plan: PlanName,
    shard: Annotated[
        str,
        typer.Option(
            help="Compute the k-th of n shares, such as 3/16; then run once without this option."
        ),
    ] = "1/1",
    jobs: Jobs = CORES,
) -> None:
    """Compute the features that a plan stores, with the encoders that its section `features` names.

    Prints the disk space before it starts. Finished parts are kept, whatever interrupts it."""
    share = _share(shard)
    from diccae.data_check import check_data
    from diccae.run_graph import check

    chosen = load_plan(plan)
    check(chosen)
    require_clips(chosen)
    from diccae import registry  # noqa: F401
    from diccae.datasets.duplicates.marking import mark_duplicates
    from diccae.datasets.features.checks import require_suited
    from diccae.engine.stored_features import build_features

    meta = build_features(chosen, share, jobs)
    if meta is None:
        print(
            f"share {shard} is complete; when all are, run `diccae data features --plan "
            f"{chosen.name}`"
        )
        return
    print(f"{meta.parent}: complete")
    print_dropped(mark_duplicates(chosen, meta.parent))
    require_suited(chosen)
    check_data(chosen)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command()(features)
