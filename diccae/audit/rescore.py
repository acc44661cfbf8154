"""Scores every run of a results folder again from its stored weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from diccae import registry  # noqa: F401
from diccae.audit.compare import scored_differences
from diccae.audit.stored import StoredRun, scored_and_stored
from diccae.engine.records import write_atomically
from diccae.engine.rescoring import score_again
from diccae.errors import UserError
from diccae.plans import Plan

WEIGHTS = "weights.pth"


def runs_with_weights(plan: Plan) -> tuple[list[StoredRun], int]:
    """The scored runs of a plan that have folders of their own, and the number of those in shards.

    Raises:
        UserError: there is no folder of a run.
    """
    runs = scored_and_stored(plan)
    own = [each for each in runs if each.shard is None]
    if not own:
        raise UserError(
            f"--rescore: {plan.results_root()} has no folder of a run of plan {plan.name}, and "
            "shards hold no weights; use --retrain, or name results with their runs"
        )
    return own, len(runs) - len(own)


def rescore(runs: Sequence[StoredRun]) -> Iterator[tuple[StoredRun, list[str]]]:
    """Score runs again, which have folders of their own; each with what differs from its files, in
    words."""
    for stored in runs:
        with tempfile.TemporaryDirectory() as folder:
            logs, again = Path(folder, str(stored.record["key"])), Path(folder, "again")
            try:
                files = score_again(stored.run, stored.run.folder / WEIGHTS, logs)
            except UserError as error:
                yield stored, [str(error)]
                continue
            for name, content in files.items():
                write_atomically(again / name, content)
            yield stored, scored_differences(stored, again)
