"""The runs that a seal covers, each with its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.shard_folder import shards_of
from diccae.reporting.shards import Shard
from diccae.run_graph import Run, scored_runs
from diccae.seals.record import check_keys, read_record
from diccae.seals.shard_check import name_of


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A finished run.

    Attributes:
        run: the run.
        record: its record.
        shard: the shard that it is read from; None where it has a folder of its own.
    """

    run: Run
    record: dict[str, Any]
    shard: Shard | None

    @property
    def folder(self) -> Path | None:
        """Where its files lie; None in a shard."""
        return self.run.folder if self.shard is None else None


def stored_run(run: Run) -> StoredRun | None:
    """A run as it is stored; None if it is neither in a folder of its own nor in a shard.

    Raises:
        UserError: its record is damaged or lacks a key.
    """
    path = run.folder / "record.json"
    try:
        if path.is_file() and not run.plan.elsewhere:
            return StoredRun(run, read_record(path), None)
        shard = shards_of(run.plan).get(run.seed)
        if shard is None or name_of(run) not in shard.records:
            return None
        path = shard.path
        check_keys(shard.records[name_of(run)])
        return StoredRun(run, shard.records[name_of(run)], shard)
    except ValueError as error:
        raise UserError(f"{path}, {run}: {error}; copy the results again") from None


def require_stored(run: Run) -> StoredRun:
    """A run as it is stored.

    Raises:
        UserError: it is not there, or its record is damaged.
    """
    found = stored_run(run)
    if found is None:
        raise UserError(
            f"{run.folder / 'record.json'} is missing, so {run} cannot be audited; copy the "
            "results again, with all runs that the drawn ones start from"
        )
    return found


def scored_and_stored(plan: Plan) -> list[StoredRun]:
    """All scored runs of a plan that are there."""
    found = map(stored_run, scored_runs(plan, plan.needs()))
    return [each for each in found if each is not None]
