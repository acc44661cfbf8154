"""The jobs of a plan: which runs one process trains, and the file that says that they are done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.run_graph import Run, scored_runs, with_parents


def job_name(variant: str) -> str:
    """The job that a variant belongs to: its own name, or what the values of a sweep have in common
    (`fixed_weight@w` for `fixed_weight@w=4`)."""
    return variant.split("=")[0]


# name, seed and fold of a job
JobKey = tuple[str, int, int | None]


def job_key(run: Run) -> JobKey:
    """Key of the job that a run belongs to."""
    return job_name(run.variant), run.seed, run.fold


@dataclass(frozen=True)
class Job:
    """All runs of one variant, or of all values of a sweep, with one seed and in one fold: one
    process trains them.

    Attributes:
        name: see `job_name`.
        runs: those that lie in the folders of its variants, parents first.
    """

    plan: Plan
    name: str
    seed: int
    fold: int | None
    runs: tuple[Run, ...]

    @property
    def key(self) -> JobKey:
        """What names it within its plan."""
        return self.name, self.seed, self.fold

    @property
    def stamp(self) -> Path:
        """The file that says that all its runs are finished; Snakemake's output."""
        return stamp_of(self.plan, *self.key)

    @property
    def stamp_text(self) -> str:
        """Content of the stamp."""
        return json.dumps({"runs": [str(run.folder) for run in self.runs]}, indent=1) + "\n"

    @property
    def owners(self) -> list[JobKey]:
        """Keys of the other jobs whose runs its own start from, each once."""
        parents = (parent for run in self.runs for parent in run.parents.values())
        return [key for key in dict.fromkeys(map(job_key, parents)) if key != self.key]


def stamp_of(plan: Plan, name: str, seed: int, fold: int | None = None) -> Path:
    """Path of the stamp of a job."""
    return plan.seed_folder(name, seed, fold) / "job.json"


def jobs(plan: Plan) -> dict[JobKey, Job]:
    """Every job of a plan by its key, seed by seed."""
    grouped: dict[JobKey, list[Run]] = {}
    for run in sorted(with_parents(scored_runs(plan, plan.needs())), key=_place_of_seed):
        grouped.setdefault(job_key(run), []).append(run)
    return {key: Job(plan, *key, tuple(runs)) for key, runs in grouped.items()}


def jobs_of_seed(plan: Plan, seed: int) -> list[Job]:
    """The jobs of one seed.

    Raises:
        UserError: the plan does not have it.
    """
    of_plan = jobs(plan).values()
    found = [job for job in of_plan if job.seed == seed]
    if not found:
        known = ", ".join(map(str, dict.fromkeys(job.seed for job in of_plan)))
        raise UserError(f"plan {plan.name} has no seed {seed}; it has {known}")
    return found


def _place_of_seed(run: Run) -> int:
    seeds = run.plan.seeds
    return seeds.index(run.seed) if run.seed in seeds else len(seeds)
