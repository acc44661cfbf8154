"""What stands on Snakemake's command line: the answer to a wrong target or a wrong key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from diccae.errors import UserError
from diccae.plan_name import WANTED, changed_name, read_changes
from diccae.validation import choices, did_you_mean
from diccae.workflow import Workflow

KEYS = ("seeds", "shards", "set")


def number_of_seeds(config: Mapping[str, Any]) -> int | None:
    """The value of `--config seeds=`; None without one.

    Args:
        config: what Snakemake was given with `--config`.

    Raises:
        UserError: another key, or no number from 1.
    """
    for key in config:
        if key not in KEYS:
            raise UserError(f"--config {key}: unknown key{choices(key, KEYS)}")
    value = config.get("seeds")
    if value is not None and not (isinstance(value, int) and value >= 1):
        raise UserError(f"--config seeds={value}: wanted a number of seeds from 1")
    return value


def use_shards(config: Mapping[str, Any]) -> bool:
    """The value of `--config shards=`: whether seeds whose shard is there are not trained; False
    without one.

    Raises:
        UserError: it is neither True nor False.
    """
    value = config.get("shards", False)
    if not isinstance(value, bool):
        raise UserError(f"--config shards={value}: wanted True or False")
    return value


def changed_values(config: Mapping[str, Any]) -> str:
    """The value of `--config set=`, as it follows the name of a plan: `@method.temperature=0.1`;
    empty without one.

    Raises:
        UserError: it is not `key=value`, or several of them with blanks between them.
    """
    if "set" not in config:
        return ""
    if not isinstance(config["set"], str):
        raise UserError(f"--config set={config['set']}: {WANTED}")
    return changed_name("", read_changes(config["set"]))


def unknown_target(target: str, workflow: Workflow) -> str:
    """A sentence on a target that no rule makes: the closest target, and those of the plan in whose
    folder it lies, or else of the default plan."""
    of_plan = {
        root: [
            *workflow.targets(root),
            *(f"{root}/{a.name}.svg" for a in workflow.artifacts(root).values() if a.draw),
        ]
        for root, plan in workflow.plans.items()
        if not workflow.impossible(plan)
    }
    known = ["all", "smoke", *(target for targets in of_plan.values() for target in targets)]
    trained = [folder for root in of_plan for folder in workflow.jobs(root)]
    hint = did_you_mean(target, [*known, *map("{}/job.json".format, trained)])
    # of a folder that no plan writes to, the default plan
    near = [*map(str, PurePath(target).parents), workflow.root("embedded"), *of_plan]
    root = next(folder for folder in near if folder in of_plan)
    names = ", ".join(name.removeprefix(f"{root}/") for name in of_plan[root])
    return (
        f"no rule makes the target {target!r}{hint or '.'} Targets: all, smoke, and in {root}: "
        f"{names}; other plans write to {', '.join(name for name in of_plan if name != root)}"
    )
