"""Trains runs again, with all that they start from, in a folder that has none of the results."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from diccae import registry  # noqa: F401
from diccae.data_check import check_data
from diccae.datasets.features.checks import require_suited
from diccae.engine.runs import execute
from diccae.run_graph import Run, with_parents


def train_again(runs: Sequence[Run], work: Path) -> Path:
    """Train chains of runs in an empty folder, by the code that `diccae train` calls.

    Manifest and clips are linked into the folder, and files of weights that configs name by their
    paths. Nothing else of the working directory is read.

    Args:
        runs: the last run of each chain. What several chains share is trained once.
        work: the folder.

    Returns:
        The folder in `work` that stands for the working directory: all files have their usual paths
        in it.

    Raises:
        UserError: the clips are not those that the runs need, or training diverges.
    """
    for run in runs:
        require_suited(run.plan)
        check_data(run.plan, runs=with_parents([run]))
    inputs = _inputs(runs)
    # as deep as an input lies above the working directory
    above = max((path.parts.count("..") for path in inputs), default=0)
    place = work.joinpath(*above * ("in",))
    place.mkdir(parents=True, exist_ok=True)
    for path in inputs:
        link = place / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    with contextlib.chdir(place):
        for run in with_parents(runs):
            execute(run)
    return place


def _inputs(runs: Sequence[Run]) -> list[Path]:
    """What the runs read beside each other's files, as relative paths, each once."""
    roots = [Path(os.path.normpath(run.plan.data_root)) for run in runs]
    weights = [
        Path(os.path.normpath(name)) for run in with_parents(runs) for name in run.weight_files
    ]
    return [
        path
        for path in dict.fromkeys([*roots, *weights])
        if not path.is_absolute() and roots[0] not in path.parents
    ]
