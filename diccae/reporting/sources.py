"""Where numbers are read from: a run's own folder or a shard, and the data of a plan or what its
shards say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diccae.plans import Plan
from diccae.reporting.shard_folder import shards_of
from diccae.reporting.shards import Shard


def shard_of(plan: Plan, variant: str, seed: int, modality: str) -> Shard | None:
    """The shard that a fine-tuning run is read from; None where its own folders have a record, or
    where no shard holds it."""
    if not plan.elsewhere and all(
        (folder / "record.json").is_file() for folder in _folders(plan, variant, seed, modality)
    ):
        return None
    shard = shards_of(plan).get(seed)
    return shard if shard and (variant, modality) in shard.columns else None


def is_in_shard(plan: Plan, seed: int) -> bool:
    """Whether a shard holds a seed of a plan."""
    return seed in shards_of(plan)


def is_finished(plan: Plan, variant: str, seed: int, modality: str) -> bool:
    """Whether the predictions of a fine-tuning run are there, in its folders or in a shard."""
    names = ("predictions.parquet", "metrics.json")
    folders = _folders(plan, variant, seed, modality)
    return all((folder / name).is_file() for folder in folders for name in names) or (
        shard_of(plan, variant, seed, modality) is not None
    )


def _folders(plan: Plan, variant: str, seed: int, modality: str) -> list[Path]:
    return [plan.run_folder(variant, seed, modality=modality, fold=fold) for fold in plan.folds]


def data_file(plan: Plan, path: Path) -> Path | None:
    """A file of the data of a plan; None where it is not there, or not looked for: results in
    another folder depend on its shards alone."""
    return path if not plan.elsewhere and path.is_file() else None


def shared_data(plan: Plan) -> dict[str, Any]:
    """What the shards of a plan say of its data; empty without shards."""
    return next((shard.data for shard in shards_of(plan).values()), {})


def seeds_of_shards(plan: Plan) -> list[int]:
    """The seeds of the plan of which a scored run is read from a shard."""
    return [
        seed
        for seed in plan.seeds
        if any(
            shard_of(plan, scored.variant, seed, scored.modality)
            for scored in plan.scored(plan.needs())
            if scored.seed == seed
        )
    ]
