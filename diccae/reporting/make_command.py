"""The commands that make and check the files of a results folder, as the page prints them."""

from __future__ import annotations

from diccae.plan_name import results_root_of, split_name, value_text
from diccae.plans import Plan


def make_command(plan: Plan, file: str) -> str:
    """The Snakemake command for a file of the results folder of a plan: with the number of seeds
    where it is not the default, and with the values that the name of the plan changes, without
    which Snakemake knows neither.

    Args:
        plan: the plan, with the seeds that the file was made from.
        file: the file, relative to the results folder of the plan.
    """
    options = [] if _usual(plan) else [f"seeds={len(plan.seeds)}"]
    changed = split_name(plan.name)[1]
    if changed:
        words = " ".join(f"{key}={value_text(value)}" for key, value in changed.items())
        options.append(f"set='{words}'")
    command = f"snakemake --cores all {results_root_of(plan.name)}/{file}"
    return " ".join([command, *(["--config", *options] if options else [])])


def verify_command(plan: Plan) -> str:
    """The command that checks the results of a plan, with the number of seeds where it is not the
    default."""
    seeds = "" if _usual(plan) else f" --seeds {len(plan.seeds)}"
    return f"diccae verify --plan {plan.name}{seeds}"


def _usual(plan: Plan) -> bool:
    return len(plan.seeds) == (plan.whole.default_seeds or len(plan.whole.seeds))
