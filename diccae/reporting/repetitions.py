"""What the seeds of a plan are, and how many, in words."""

from __future__ import annotations

from diccae.plans import Plan


def repetition(plan: Plan) -> str:
    """What a seed of the plan is, in words: a rotation draws other folds."""
    return "rotation" if plan.split_into and plan.split_into.kind == "grouped" else "seed"


def number_of_seeds(plan: Plan) -> str:
    """How many seeds a plan has, or was cut down to, in words: `4 seeds`, `the first 4 of 12
    seeds`, `the first of 6 rotations`."""
    taken, every = len(plan.seeds), len(plan.whole.seeds)
    words = f"{repetition(plan)}{'s' if every != 1 else ''}"
    first = "the first" if taken == 1 else f"the first {taken}"
    return f"{every} {words}" if taken == every else f"{first} of {every} {words}"
