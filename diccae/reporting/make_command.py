"""The command that makes a file of a results folder again, as the page prints it."""

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
    usual = plan.whole.default_seeds or len(plan.whole.seeds)
    options = [f"seeds={len(plan.seeds)}"] if len(plan.seeds) != usual else []
    changed = split_name(plan.name)[1]
    if changed:
        words = " ".join(f"{key}={value_text(value)}" for key, value in changed.items())
        options.append(f"set='{words}'")
    command = f"snakemake --cores all {results_root_of(plan.name)}/{file}"
    return " ".join([command, *(["--config", *options] if options else [])])
