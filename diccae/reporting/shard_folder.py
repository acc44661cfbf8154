"""The shards of a results folder: which seeds they hold, and whether they belong together."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from diccae.errors import UserError
from diccae.plans import SCORED_STAGE, Plan, known_plans, load_plan
from diccae.reporting.shard_agreement import check_agreement
from diccae.reporting.shards import Shard, plan_text, read
from diccae.validation import checked

FOLDER, SUFFIX = "shards", ".npz"


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
        UserError: a shard is damaged, of another plan, or of other data, code or settings than the
            first; a seed has two shards, or runs with other numbers.
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
    check_agreement(list(found.values()))
    return found


def by_seed(paths: list[Path]) -> dict[int, Shard]:
    """Read shards.

    Raises:
        UserError: one is damaged, or two hold the same seed, also of two plans.
    """
    found: dict[int, Shard] = {}
    for shard in map(read, paths):
        first = found.setdefault(shard.seed, shard)
        if first is not shard and _plan_name(shard) != _plan_name(first):
            raise UserError(
                f"{shard.path} is of plan {_plan_name(shard)!r}, {first.path} of "
                f"{_plan_name(first)!r}; move one of them to a folder of its own"
            )
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
        state = "is no folder" if folder.exists() else "is not there"
        raise UserError(f"{folder} {state}; name a folder of shards")
    paths = shard_files(folder)
    if not paths:
        place = folder / FOLDER if (folder / FOLDER).is_dir() else folder
        raise UserError(
            f"{place} has no shards (*{SUFFIX}); copy those that `diccae export --shard` wrote "
            "there, or name the plan with --plan where these are results with their runs"
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
    missing = [f"seed{seed}{SUFFIX}" for seed in wanted if seed not in found]
    if missing:
        folder = next((shard.path.parent for shard in found.values()), plan.results_root())
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(
            f"{folder / missing[0]} is missing{more}: plan {plan.name} has seeds "
            f"{', '.join(map(str, wanted))}, the shards hold "
            f"{', '.join(map(str, found)) or 'none'}; copy it there, or take fewer seeds with "
            "--seeds"
        )


def check_known(plan: Plan) -> None:
    """Whether a plan in another folder, with all of its seeds, has those of the shards there.

    Raises:
        UserError: a shard holds another seed.
    """
    known = dict.fromkeys([*plan.seeds, *(scored.seed for scored in plan.scored(plan.needs()))])
    for seed, shard in shards_of(plan).items():
        if seed not in known:
            raise UserError(
                f"{shard.path} holds seed {seed}, which plan {plan.name} does not have "
                f"({', '.join(map(str, known))}); remove it, or add the seed to the plan"
            )


def other_plan(plan: Plan) -> str:
    """How the plan that the shards of a folder state differs from the one of that name in this
    checkout, in words; empty where it does not, or where there is none."""
    if not plan.elsewhere or plan.name not in known_plans():
        return ""
    own, stated = load_plan(plan.name), plan.whole.seeds
    try:
        for shard in shards_of(plan).values():
            _check_plan(own, shard)
    except UserError as error:
        return str(error)
    if stated == own.seeds:
        return ""
    return (
        f"its shards state the seeds {', '.join(map(str, stated))}, the plan here has "
        f"{', '.join(map(str, own.seeds))}: seeds may have been left out"
    )


def _plan_name(shard: Shard) -> str:
    return str(shard.about["plan"]["name"])


def _plan(shard: Shard) -> Plan:
    plan: Plan = checked(Plan, shard.about["plan"], f"{shard.path}, its plan")
    return plan


def _without_seeds(content: dict[str, Any]) -> dict[str, Any]:
    """What two plans must have in common for their seeds to stand in one table."""
    rates = content.get("learning_rates")
    kept = {key: v for key, v in content.items() if key not in ("seeds", "default_seeds")}
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
            "it was made with, or remove the shard and compute this seed again"
        )


def _check_complete(plan: Plan, shard: Shard) -> None:
    keys = ("stage", "variant", "modality", "fold")
    there = {tuple(record.get(key) for key in keys) for record in shard.records.values()}
    lacking = [
        f"{scored.variant} {scored.modality}" + (f" of fold {fold}" if fold else "")
        for scored in plan.scored(plan.needs())
        for fold in plan.folds
        if scored.seed == shard.seed
        and (
            (scored.variant, scored.modality) not in shard.columns
            or (SCORED_STAGE, scored.variant, scored.modality, fold) not in there
        )
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
        own = _predictions_digest(root / folder / "record.json")
        if record["stage"] == SCORED_STAGE and own not in (None, _digest(record)):
            raise UserError(
                f"{shard.path} has other predictions than {root / folder}; remove the shard, or "
                "the runs of this seed"
            )


def _predictions_digest(path: Path) -> str | None:
    """What the record of a run says of its predictions; None where it is not there or damaged,
    which is found where it is read for its numbers."""
    try:
        return _digest(json.loads(path.read_text()))
    except (OSError, ValueError, AttributeError):
        return None


def _digest(record: dict[str, Any]) -> str | None:
    digest: str | None = record.get("files", {}).get("predictions.parquet")
    return digest


def seeds_of_shards(root: Path) -> dict[int, Path]:
    """The shard of each seed in the folder `shards` of a results folder.

    Raises:
        UserError: one is damaged, or two hold the same seed.
    """
    return {seed: shard.path for seed, shard in by_seed(shard_files(root, False)).items()}
