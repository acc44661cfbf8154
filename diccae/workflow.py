"""What the Snakefile asks: which jobs an artifact of a plan needs, and which command makes a file.
Reads plans and configs only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from diccae.artifacts import TABLES, Artifact, artifact_of, artifacts_of
from diccae.errors import UserError
from diccae.hashes import digest
from diccae.plans import Plan, known_plans, load_plan
from diccae.run_graph import Job, check, job_name, jobs, scored_runs, stamp_of
from diccae.settings import plan_settings
from diccae.source import source_hash
from diccae.validation import choices, did_you_mean


class PlannedJob:
    """A job with what Snakemake has to know of it."""

    def __init__(self, job: Job, others: dict[tuple[str, int], Job]) -> None:
        self.job = job
        self.stamps = [str(others[key].stamp) for key in job.owners]

    @property
    def inputs(self) -> list[str]:
        """The clip cache, and the stamps of the jobs whose runs this one starts from."""
        return [str(self.job.plan.cache_dir / "meta.json"), *self.stamps]

    @property
    def command(self) -> str:
        """Trains all runs of the job."""
        job = self.job
        return f"diccae train --plan {job.plan.name} --variant {job.name} --seed {job.seed}"

    @property
    def key(self) -> str:
        """Changes when a composed config does, or the code that a run executes; a rule parameter,
        so that Snakemake runs the job again."""
        parts = [
            run.config_hash + source_hash(run.config(), run.settings.system.name)
            for run in self.job.runs
        ]
        return digest("".join(parts))


class Workflow:
    """Plans by results folder, and all their jobs by the folder of their stamp.

    Args:
        plans: cut down to their first `seeds` seeds already.
        seeds: number of seeds to name in the commands; None for all.
    """

    def __init__(self, plans: Iterable[Plan], seeds: int | None = None) -> None:
        self.plans = {str(plan.results_root()): plan for plan in plans}
        self.seeds = seeds
        self.jobs: dict[str, PlannedJob] = {}
        for plan in self.plans.values():
            of_plan = jobs(plan)
            for job in of_plan.values():
                self.jobs[str(job.stamp.parent)] = PlannedJob(job, of_plan)

    def priority(self, folder: str) -> int:
        """Seed by seed across all variants, and first what others wait for: every seed that is
        complete is a result."""
        planned = self.jobs[folder]
        seeds = planned.job.plan.seeds
        later = len(seeds) - seeds.index(planned.job.seed) if planned.job.seed in seeds else 0
        stamp = str(planned.job.stamp)
        waiting = sum(stamp in other.stamps for other in self.jobs.values())
        return 1000 * later + waiting

    def drop_untrue_stamps(self) -> None:
        """Remove the stamp of every job whose runs are not all there any more, so that Snakemake
        makes them again: it sees the stamp alone."""
        for planned in self.jobs.values():
            job = planned.job
            if job.stamp.is_file() and any(run.record() is None for run in job.runs):
                job.stamp.unlink()

    def artifacts(self, root: str) -> dict[str, Artifact]:
        """The artifacts of the plan whose results folder is `root`."""
        return artifacts_of(self.plans[root])

    def artifact(self, name: str, root: str) -> Artifact:
        """An artifact (`table2`, `ablations/no_infonce`) of the plan whose results folder is
        `root`.

        Raises:
            SystemExit: the plan has none of that name; Snakemake puts a traceback around every
                other exception.
        """
        try:
            return artifact_of(self.plans[root], name)
        except UserError as error:
            raise SystemExit(f"diccae: {error}") from None

    def inputs(self, name: str, root: str) -> list[str]:
        """Stamps of the jobs that an artifact is computed from."""
        plan = self.plans[root]
        runs = scored_runs(plan, self.artifact(name, root).runs(plan))
        stamps = (str(stamp_of(plan, job_name(run.variant), run.seed)) for run in runs)
        return list(dict.fromkeys(stamps))

    def command(self, name: str, root: str) -> str:
        """What stands behind `diccae` to make an artifact."""
        return f"{self.artifact(name, root).command} {self.options(root)}"

    def options(self, root: str) -> str:
        """Options that name a plan and, where fewer than all are asked for, the number of its
        seeds."""
        plan = self.plans[root]
        return f"--plan {plan.name}" + (f" --seeds {len(plan.seeds)}" if self.seeds else "")

    def names(self, drawn: bool) -> str:
        """Regular expression of the names of all artifacts with a figure, or of all without."""
        return "|".join(a.name for a in TABLES if (a.draw is not None) == drawn)

    def tables(self, root: str) -> list[str]:
        """Every table and figure CSV of a plan."""
        return [f"{root}/{name}.csv" for name in self.artifacts(root)]

    def targets(self, root: str) -> list[str]:
        """Everything of a plan: its tables and, where it has Table 2, its report."""
        report = [f"{root}/report.html"] if self.plans[root].table2 else []
        return [*self.tables(root), *report]

    def explain_unknown(self, target: str) -> str:
        """A sentence on a target that no rule makes: the closest target, and those of a plan."""
        of_plan = {root: [*self.targets(root), *self.figures(root)] for root in self.plans}
        known = [target for targets in of_plan.values() for target in targets]
        hint = did_you_mean(target, ["all", "smoke", *known, *map("{}/job.json".format, self.jobs)])
        folder = str(PurePath(target).parent)
        root = folder if folder in of_plan else next(iter(of_plan))
        names = ", ".join(name.removeprefix(f"{root}/") for name in of_plan[root])
        return (
            f"no rule makes the target {target!r}{hint or '.'} Targets: all, smoke, and in {root}: "
            f"{names}; other plans write to {', '.join(name for name in of_plan if name != root)}"
        )

    def figures(self, root: str) -> list[str]:
        """The SVG file of every figure of a plan."""
        drawn = (artifact for artifact in self.artifacts(root).values() if artifact.draw)
        return [f"{root}/{artifact.name}.svg" for artifact in drawn]

    def data_plan(self, data_root: str) -> Plan:
        """The first plan that uses a data folder.

        Raises:
            UserError: plans that share it describe different data.
        """
        sharing = [plan for plan in self.plans.values() if plan.data_root == data_root]
        if len({data_key(plan) for plan in sharing}) > 1:
            raise UserError(
                f"plans {', '.join(plan.name for plan in sharing)} share {data_root} but describe "
                "different data; give one another data_root"
            )
        return sharing[0]

    def data_key(self, data_root: str) -> str:
        """Changes when what a data folder is made from does."""
        return data_key(self.data_plan(data_root))

    def data_pattern(self, made_from: str) -> str:
        """Regular expression of the data folders that are rendered (`embedded`) or read from lists
        (`lists`); others bring their own manifest."""
        roots = {
            plan.data_root
            for plan in self.plans.values()
            if (plan.lists is not None if made_from == "lists" else plan.dataset == "embedded")
        }
        return "|".join(sorted(re.escape(root) for root in roots)) or "no-such-data"

    def list_files(self, data_root: str) -> list[str]:
        """The lists that a manifest is made from.

        Raises:
            SystemExit: one is missing, and the manifest is not there either; Snakemake puts a
                traceback around every other exception.
        """
        plan = self.data_plan(data_root)
        if plan.lists is None:
            return []
        try:
            return plan.lists.files()
        except UserError as error:
            # results that were copied from elsewhere need no lists: Snakemake takes a file that it
            # cannot make for one that was given
            if plan.manifest.is_file():
                return [path for source in plan.lists.sources for path in source.lists]
            raise SystemExit(f"diccae: plan {plan.name}, {error}") from None


def number_of_seeds(config: Mapping[str, Any]) -> int | None:
    """The value of `--config seeds=`; None without one.

    Args:
        config: what Snakemake was given with `--config`.

    Raises:
        UserError: another key, or no number from 1.
    """
    for key in config:
        if key != "seeds":
            raise UserError(f"--config {key}: unknown key{choices(key, ['seeds'])}")
    value = config.get("seeds")
    if value is not None and not (isinstance(value, int) and value >= 1):
        raise UserError(f"--config seeds={value}: wanted a number of seeds from 1")
    return value


def data_key(plan: Plan) -> str:
    """Digest of what a plan's data is made from: benchmark, lists, and what the cache keeps."""
    base = plan_settings(plan)
    lists = plan.lists.model_dump() if plan.lists else None
    return digest(json.dumps([base.get("benchmark"), lists, base["cache"]], sort_keys=True))


def _at_most(plan: Plan, seeds: int | None) -> int | None:
    return None if seeds is None else min(seeds, len(plan.seeds))


@lru_cache
def load_workflow(seeds: int | None = None) -> Workflow:
    """Read and check every plan once; a wrong key, variant or number ends here, before any job is
    planned.

    Args:
        seeds: take the first so many seeds of every plan, all of a plan that has fewer; None for
            all.

    Raises:
        UserError: a plan is wrong; names the file and the key.
    """
    plans = [load_plan(name) for name in known_plans()]
    built = Workflow([plan.first_seeds(_at_most(plan, seeds)) for plan in plans], seeds)
    for plan in built.plans.values():
        check(plan)
        # plans that share a data folder describe the same data
        built.data_plan(plan.data_root)
    built.drop_untrue_stamps()
    return built
