"""Check that a plan composes and that its clips suit it."""

from __future__ import annotations

from diccae.doctor.check import Check
from diccae.errors import UserError
from diccae.plans import Plan


def suits(plan: Plan) -> Check:
    """Compose every run of the plan's first seed, and check the clips against what these runs
    need."""
    from diccae.clips_of_plan import count_each
    from diccae.data_check import check_data
    from diccae.run_graph import check, runs_of_a_seed

    try:
        check(plan)
        clips = count_each(plan)
        check_data(plan, clips)
    except UserError as error:
        return Check("plan", "problem", str(error))
    runs = len(runs_of_a_seed(plan))
    return Check(
        "plan", "ok", f"{runs} runs a seed, and clips for each of them ({clips[0].origin})"
    )
