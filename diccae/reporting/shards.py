"""Shards: the small files of the results of one seed, in place of the folders of its runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.plans import SCORED_STAGE, Plan
from diccae.reporting.shard_file import read_shard
from diccae.validation import checked

FOLDER, SUFFIX = "shards", ".npz"
# files of a run that a shard holds as they are
KEPT = ("metrics.json", "history.csv")
# top1 of a clip that a run did not score
NOT_SCORED = -1


@dataclass(frozen=True, eq=False)
class Shard:
    """The results of one seed of a plan; docs/shards.md describes the file.

    Attributes:
        path: the file.
        about: content of about.json.
        arrays: its arrays, by name.
    """

    path: Path
    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.about["seed"])

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """Record of each run, by its folder below `runs`."""
        return self.about["records"]

    @property
    def data(self) -> dict[str, Any]:
        """What tables and page show of the data."""
        return self.about["data"]

    @cached_property
    def columns(self) -> dict[tuple[str, str], int]:
        """(variant, modality) of each scored run -> its place in the arrays."""
        return {(run["variant"], run["modality"]): k for k, run in enumerate(self.about["runs"])}

    @property
    def listed(self) -> set[str] | None:
        """Ids of the test clips in the manifest; None if the shard was made without it."""
        differs = self.data["listed"]
        if differs is None:
            return None
        clips = self.about["clips"]
        pairs = zip(clips["id"], clips["split"], strict=True)
        scored = {name for name, split in pairs if split == "test"}
        return scored.difference(differs["unlisted"]).union(differs["not_scored"])

    def folder(self, variant: str, modality: str, fold: int | None) -> str:
        """Folder of a scored run below `runs`."""
        wanted = (SCORED_STAGE, variant, modality, fold)
        keys = ("stage", "variant", "modality", "fold")
        return next(
            folder
            for folder, record in self.records.items()
            if tuple(record.get(key) for key in keys) == wanted
        )

    def predictions(self, variant: str, modality: str) -> pd.DataFrame:
        """The columns id, label, split, fold, group, view, top1 and in_update of a scored run."""
        place, clips = self.columns[variant, modality], self.about["clips"]
        tables = []
        for view, name in enumerate(self.about["views"]):
            top1 = self.arrays["top1"][view, :, place]
            table = pd.DataFrame(
                {
                    **clips,
                    "label": self.arrays["label"].astype(np.int64),
                    "fold": self.arrays["fold"].astype(np.int32),
                    "view": name,
                    "top1": top1.astype(np.int32),
                    "in_update": self.arrays["in_update"][:, place],
                }
            )
            tables.append(table[top1 != NOT_SCORED])
        return pd.concat(tables, ignore_index=True)

    def degree(self, folder: str) -> NDArray[np.float64]:
        """(C, C) degrees of confusion of a scored run on the test split."""
        return self.arrays["degree"][self.about["degrees"].index(folder)]

    def file(self, name: str) -> str:
        """Text of a file that the shard holds as it was, by its path below `runs`."""
        return self.about["files"][name]


def shard_path(plan: Plan, seed: int) -> Path:
    """Where the shard of a seed is written."""
    return plan.results_root() / FOLDER / f"seed{seed}{SUFFIX}"


def shard_files(root: Path, elsewhere: bool = True) -> list[Path]:
    """The shards of a results folder, whatever their names.

    Args:
        root: the folder; shards are in its subfolder `shards`, or in a folder of shards alone.
        elsewhere: whether it may be a folder of shards alone.
    """
    folder = root / FOLDER
    if elsewhere and not folder.is_dir():
        folder = root
    return sorted(folder.glob(f"*{SUFFIX}"))


def shards_of(plan: Plan) -> dict[int, Shard]:
    """The shards in the results folder of a plan, by seed.

    Raises:
        UserError: a shard is damaged, of another plan or of other data than the first; a seed has
            two shards, or runs with other numbers.
    """
    files = shard_files(plan.results_root(), plan.elsewhere)
    return _shards(plan, Path.cwd(), tuple((file, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=8)
def _shards(plan: Plan, _place: Path, files: tuple[tuple[Path, int], ...]) -> dict[int, Shard]:
    found = by_seed([path for path, _ in files])
    for shard in found.values():
        _check_plan(plan, shard)
        _check_complete(plan, shard)
        if not plan.elsewhere:
            _check_runs(plan, shard)
    _check_data(list(found.values()))
    return found


def read(path: Path) -> Shard:
    """Read a shard.

    Raises:
        UserError: it is damaged, or no shard.
    """
    return Shard(path, *read_shard(path))


def by_seed(paths: list[Path]) -> dict[int, Shard]:
    """Read shards.

    Raises:
        UserError: one is damaged, or two hold the same seed.
    """
    found: dict[int, Shard] = {}
    for shard in map(read, paths):
        first = found.setdefault(shard.seed, shard)
        if first is not shard:
            raise UserError(
                f"{shard.path} and {first.path} both hold seed {shard.seed}; remove one of them"
            )
    return dict(sorted(found.items()))


def plan_of_shards(folder: Path) -> Plan:
    """The plan of a folder of shards, as they state it, with the seeds that any of them states.

    Raises:
        UserError: there is no shard, one is damaged, or they are of several plans.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not there; name a folder of shards")
    paths = shard_files(folder)
    if not paths:
        raise UserError(
            f"{folder} has no shards (*{SUFFIX}); copy those that `diccae export --shard` wrote"
        )
    shards = list(by_seed(paths).values())
    plans = [_plan(shard) for shard in shards]
    for shard in shards[1:]:
        _check_plan(plans[0], shard)
    seeds = dict.fromkeys(seed for plan in plans for seed in plan.seeds)
    rates = plans[0].learning_rates
    if rates is not None:
        own = dict.fromkeys(
            seed for plan in plans if plan.learning_rates for seed in plan.learning_rates.seeds
        )
        rates = rates.model_copy(update={"seeds": list(own)})
    return plans[0].model_copy(update={"seeds": list(seeds), "learning_rates": rates})


def check_seeds(plan: Plan) -> None:
    """Whether a plan in another folder has a shard for each of its seeds.

    Raises:
        UserError: one is missing.
    """
    found = shards_of(plan)
    wanted = dict.fromkeys(scored.seed for scored in plan.scored(plan.needs()))
    missing = [str(seed) for seed in wanted if seed not in found]
    if missing:
        raise UserError(
            f"{plan.results_root()} has no shard of seed {', '.join(missing)} of plan {plan.name} "
            f"(wanted seeds {', '.join(map(str, wanted))}; found {', '.join(map(str, found))}); "
            "copy it there, or take fewer seeds with --seeds"
        )


def _plan(shard: Shard) -> Plan:
    plan: Plan = checked(Plan, shard.about["plan"], f"{shard.path}, its plan")
    return plan


def plan_text(plan: Plan) -> dict[str, Any]:
    """A plan as a shard keeps it."""
    content: dict[str, Any] = json.loads(plan.model_dump_json(by_alias=True))
    return content


def _without_seeds(content: dict[str, Any]) -> dict[str, Any]:
    """What two plans must have in common for their seeds to stand in one table."""
    rates = content.get("learning_rates")
    kept = {key: value for key, value in content.items() if key != "seeds"}
    if rates:
        kept["learning_rates"] = {key: value for key, value in rates.items() if key != "seeds"}
    return kept


def _check_plan(plan: Plan, shard: Shard) -> None:
    mine, theirs = plan_text(plan), shard.about["plan"]
    if theirs["name"] != plan.name:
        raise UserError(
            f"{shard.path} is of plan {theirs['name']!r}, wanted {plan.name!r}; move it to a "
            "folder of its own"
        )
    mine, theirs = _without_seeds(mine), _without_seeds(theirs)
    # which seeds have other learning rates does not change what a run is
    if not (mine.get("learning_rates") and theirs.get("learning_rates")):
        mine.pop("learning_rates", None)
        theirs.pop("learning_rates", None)
    keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    if keys:
        differ = "; ".join(
            f"{key} is {json.dumps(theirs.get(key))} there, {json.dumps(mine.get(key))} here"
            for key in keys
        )
        raise UserError(
            f"{shard.path} is of another version of plan {plan.name} ({differ}); use the plan that "
            "it was made with, or compute this seed again"
        )


def _check_complete(plan: Plan, shard: Shard) -> None:
    lacking = [
        f"{scored.variant} {scored.modality}"
        for scored in plan.scored(plan.needs())
        if scored.seed == shard.seed and (scored.variant, scored.modality) not in shard.columns
    ]
    if lacking:
        raise UserError(
            f"{shard.path} lacks {len(lacking)} runs of seed {shard.seed}, such as {lacking[0]}; "
            "train them where this seed was computed, then export it again"
        )


def _check_runs(plan: Plan, shard: Shard) -> None:
    """Where runs of the same seed are there too, both must have the same predictions."""
    root = plan.results_root() / "runs"
    for folder, record in shard.records.items():
        path = root / folder / "record.json"
        if path.is_file() and record["stage"] == SCORED_STAGE:
            own = json.loads(path.read_text()).get("files", {}).get("predictions.parquet")
            if own != record["files"]["predictions.parquet"]:
                raise UserError(
                    f"{shard.path} has other predictions than {path.parent}; remove the shard, or "
                    "the runs of this seed"
                )


def _check_data(shards: list[Shard]) -> None:
    for shard in shards[1:]:
        for key in ("manifest_sha256", "truth", "classes"):
            if shard.data[key] != shards[0].data[key]:
                raise UserError(
                    f"{shard.path} was made from other clips than {shards[0].path}: {key} differs; "
                    "remove one of them, or compute its seed again on the same clips"
                )
