"""A job of training as the workflow plans it, and whether the clips of its plan suit it."""

from __future__ import annotations

import json
from pathlib import Path

from diccae.clips_folder import clips_folder
from diccae.errors import UserError
from diccae.hashes import digest
from diccae.jobs import Job, JobKey
from diccae.plans import Plan
from diccae.run_graph import check
from diccae.settings import dropped_list, plan_settings


class PlannedJob:
    """A job with what Snakemake has to know of it."""

    def __init__(self, job: Job, others: dict[JobKey, Job]) -> None:
        self.job = job
        self.stamps = [str(others[key].stamp) for key in job.owners]

    @property
    def inputs(self) -> list[str]:
        """The clip cache or the stored features, and the stamps of the jobs whose runs this one
        starts from."""
        return [str(clips_folder(self.job.plan) / "meta.json"), *self.stamps]

    @property
    def command(self) -> str:
        """Trains all runs of the job."""
        job = self.job
        fold = "" if job.fold is None else f" --fold {job.fold}"
        return f"diccae train --plan {job.plan.name} --variant {job.name} --seed {job.seed}{fold}"

    @property
    def threads(self) -> int:
        """Threads of a run; its runs are trained one after the other."""
        return self.job.plan.runtime.threads

    @property
    def key(self) -> str:
        """Changes when a composed config does, or the code that a run executes; a rule parameter,
        so that Snakemake runs the job again."""
        return digest("".join(run.config_hash + run.source_hash for run in self.job.runs))


def impossible(plan: Plan) -> str:
    """What is wrong with a plan, whatever its clips: with its keys, variants and numbers; empty if
    nothing is."""
    try:
        check(plan)
    except UserError as error:
        return str(error)
    return ""


def unsuited(plan: Plan) -> str:
    """What is wrong with the clips of a plan; empty if nothing is, or if they are not listed yet
    (`diccae data manifest` checks them then)."""
    # not imported where nothing is trained
    from diccae.clips_of_plan import count_planned
    from diccae.data_check import check_data

    try:
        if plan.dataset == "embedded":
            # what is rendered next, whatever an older manifest says
            check_data(plan, count_planned(plan))
        elif plan.manifest.is_file() and not _lists_changed(plan):
            check_data(plan)
    except UserError as error:
        if plan.lists is None:
            return str(error)
        again = f"diccae data manifest --plan {plan.name}"
        return f"{error}; after a change of `lists` in the plan, run `{again}` first"
    return ""


def _lists_changed(plan: Plan) -> bool:
    """Whether a list is newer than the manifest, which is then made again."""
    sources = plan.lists.sources if plan.lists else []
    paths = [Path(path) for source in sources for path in source.lists]
    made = plan.manifest.stat().st_mtime
    return any(path.is_file() and path.stat().st_mtime > made for path in paths)


def data_key(plan: Plan) -> str:
    """Digest of what a plan's data is made from: benchmark, lists, what the cache keeps, what a
    clip must have, and which near-duplicates are left out."""
    base = plan_settings(plan)
    lists = plan.lists.model_dump() if plan.lists else None
    # the cache of one modality lacks the other
    part: list[str] = [] if plan.modality == "AV" else [plan.modality]
    dropped = dropped_list(plan)
    part += [] if dropped is None else [dropped]
    made_from = [base.get("benchmark"), lists, base["cache"], *part]
    return digest(json.dumps(made_from, sort_keys=True))
