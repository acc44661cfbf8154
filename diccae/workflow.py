"""What the Snakefile asks: which jobs an artifact of a plan needs, and which command makes a file.
Reads plans and configs only."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from diccae.artifact import Artifact
from diccae.artifacts import TABLES, artifact_of, artifacts_of
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.jobs import job_key, jobs, jobs_of_seed, stamp_of
from diccae.planned_job import PlannedJob, data_key, unsuited
from diccae.plans import Plan, known_plans, load_plan, results_root_of
from diccae.run_graph import check, scored_runs
from diccae.untrue_outputs import drop_untrue


class Workflow:
    """Plans by results folder, and all their jobs by the folder of their stamp.

    Every method that is asked for a plan that cannot be used, or whose clips do not suit it, raises
    SystemExit, because Snakemake puts a traceback around every other exception. Other plans work.

    Args:
        plans: with all of their seeds; each seed has its jobs.
        seeds: how many of them tables and figures take, and the commands name; None for the
            default of each plan (`Plan.first_seeds`).
        shards: whether a seed whose shard is in the results folder of its plan is not trained.
        broken: what is wrong with each plan that cannot be used, by its results folder.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        seeds: int | None = None,
        broken: Mapping[str, str] | None = None,
        shards: bool = False,
    ) -> None:
        self.plans = {str(plan.results_root()): plan for plan in plans}
        self.seeds, self.broken = seeds, dict(broken or {})
        # shards by seed of each plan that was asked for
        self._shards: dict[str, dict[int, Path]] | None = {} if shards else None
        self.jobs: dict[str, PlannedJob] = {}
        # what is wrong with the clips of each plan that was asked for; empty for nothing
        self._unsuited: dict[str, str] = {}
        for plan in self.plans.values():
            of_plan = jobs(plan)
            for job in of_plan.values():
                self.jobs[str(job.stamp.parent)] = PlannedJob(job, of_plan)

    @property
    def root_pattern(self) -> str:
        """Regular expression of the results folders."""
        return "|".join(map(re.escape, [*self.plans, *self.broken]))

    @property
    def job_pattern(self) -> str:
        """Regular expression of the folders of all jobs."""
        unknown = (re.escape(f"{root}/runs/") + ".+" for root in self.broken)
        return "|".join([*map(re.escape, self.jobs), *unknown])

    def plan(self, root: str) -> Plan:
        """The plan whose results folder is `root`, with the seeds that are asked for."""
        if root in self.broken:
            raise SystemExit(f"diccae: {self.broken[root]}")
        return self.plans[root].first_seeds(self.seeds)

    def job(self, folder: str) -> PlannedJob:
        """The job of a folder, of a plan whose clips suit it as far as they are known."""
        for root in self.broken:
            if folder.startswith(f"{root}/runs/"):
                self.plan(root)
        planned = self.jobs[folder]
        problem = self._problem(planned.job.plan)
        if problem:
            raise SystemExit(f"diccae: {problem}")
        return planned

    def _problem(self, plan: Plan) -> str:
        if plan.name not in self._unsuited:
            self._unsuited[plan.name] = unsuited(plan)
        return self._unsuited[plan.name]

    def priority(self, folder: str) -> int:
        """Seed by seed across all variants, and first what others wait for: every seed that is
        complete is a result."""
        planned = self.job(folder)
        seeds = planned.job.plan.seeds
        later = len(seeds) - seeds.index(planned.job.seed) if planned.job.seed in seeds else 0
        stamp = str(planned.job.stamp)
        waiting = sum(stamp in other.stamps for other in self.jobs.values())
        return 1000 * later + waiting

    def artifacts(self, root: str) -> dict[str, Artifact]:
        """The artifacts of the plan whose results folder is `root`."""
        return artifacts_of(self.plan(root))

    def artifact(self, name: str, root: str) -> Artifact:
        """An artifact (`table2`, `ablations/no_infonce`) of the plan whose results folder is
        `root`.

        Raises:
            SystemExit: the plan has none of that name.
        """
        try:
            return artifact_of(self.plan(root), name)
        except UserError as error:
            raise SystemExit(f"diccae: {error}") from None

    def inputs(self, name: str, root: str) -> list[str]:
        """Stamps of the jobs that an artifact is computed from, but of seeds with a shard."""
        plan = self.plan(root)
        runs = scored_runs(plan, self.artifact(name, root).runs(plan))
        shards = self._in_shards(root)
        stamps = (str(stamp_of(plan, *job_key(run))) for run in runs if run.seed not in shards)
        return list(dict.fromkeys(stamps))

    def shards(self, root: str) -> str:
        """Changes when a shard does that seeds are read from; empty where all are trained."""
        return " ".join(map(file_hash, self._in_shards(root).values()))

    def _in_shards(self, root: str) -> dict[int, Path]:
        if self._shards is None:
            return {}
        # takes a second to import
        from diccae.reporting.shard_folder import seeds_of_shards

        try:
            self._shards[root] = self._shards.get(root) or seeds_of_shards(Path(root))
            return self._shards[root]
        except UserError as error:
            raise SystemExit(f"diccae: {error}") from None

    def shard_inputs(self, root: str, seed: int) -> list[str]:
        """Stamps of the jobs of one seed, default or not, which its shard is exported from."""
        try:
            return [str(job.stamp) for job in jobs_of_seed(self.plan(root).whole, seed)]
        except UserError as error:
            raise SystemExit(f"diccae: {error}") from None

    def command(self, name: str, root: str) -> str:
        """What stands behind `diccae` to make an artifact."""
        return f"{self.artifact(name, root).command} {self.options(root)}"

    def options(self, root: str) -> str:
        """Options that name a plan and, where fewer than all are asked for, the number of its
        seeds."""
        plan = self.plan(root)
        return f"--plan {plan.name}" + (f" --seeds {len(plan.seeds)}" if self.seeds else "")

    def names(self, drawn: bool) -> str:
        """Regular expression of the names of all artifacts with a figure, or of all without."""
        return "|".join(a.name for a in TABLES if (a.draw is not None) == drawn)

    def tables(self, root: str) -> list[str]:
        """Every table and figure CSV of a plan."""
        return [f"{root}/{name}.csv" for name in self.artifacts(root)]

    def targets(self, root: str) -> list[str]:
        """Everything of a plan: its tables and its report, if it has one."""
        report = [f"{root}/report.html"] if self.plan(root).reported() else []
        return [*self.tables(root), *report]

    def data_plan(self, data_root: str) -> Plan:
        """The first plan that uses a data folder and that the clips suit; the first one if they
        suit none.

        Raises:
            SystemExit: plans that share it describe different data or ask for different modalities.
        """
        sharing = [plan for plan in self.plans.values() if plan.data_root == data_root]
        asked = {plan.modality: plan for plan in reversed(sharing)}
        if len(asked) > 1:
            words = " and ".join(f"{plan.name} for {m}" for m, plan in sorted(asked.items()))
            raise SystemExit(
                f"diccae: plans share {data_root} but ask for clips of different modalities, "
                f"{words}; give one another data_root, or set pretrain_modality: AV in the other"
            )
        if len({data_key(plan) for plan in sharing}) > 1:
            raise SystemExit(
                f"diccae: plans {', '.join(plan.name for plan in sharing)} share {data_root} but "
                "describe different data; give one another data_root"
            )
        return next((plan for plan in sharing if not self._problem(plan)), sharing[0])

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
            SystemExit: one is missing, and the manifest is not there either.
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


@lru_cache
def load_workflow(seeds: int | None = None, shards: bool = False) -> Workflow:
    """Read and check every plan once; the arguments are those of `Workflow`. A plan with a wrong
    key, variant or number is named here, and refused when something of it is asked for, as is one
    that has fewer than `seeds` seeds."""
    plans, broken = [], {}
    for name in known_plans():
        root = str(results_root_of(name))
        try:
            plan = load_plan(name)
            check(plan)
        except UserError as error:
            # the reason follows where something of it is asked for
            print(
                f"diccae: plan {name} is left out; `diccae plan --plan {name}` says what is wrong",
                file=sys.stderr,
            )
            broken[root] = str(error)
            continue
        try:
            plan.first_seeds(seeds)
            plans.append(plan)
        except UserError as error:
            broken[root] = str(error)
    built = Workflow(plans, seeds, broken, shards)
    drop_untrue((planned.job for planned in built.jobs.values()), built.plans.values())
    return built
