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
from diccae.changed_plan import check_effect, check_keys
from diccae.data_folders import DataFolders
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.jobs import job_key, jobs, jobs_of_seed, stamp_of
from diccae.plan_name import results_root_of
from diccae.planned_job import PlannedJob
from diccae.plans import Plan, known_plans, load_plan
from diccae.run_graph import scored_runs
from diccae.untrue_outputs import drop_untrue
from diccae.validation import did_you_mean


class Workflow(DataFolders):
    """Plans by results folder, and their jobs by the folder of their stamp.

    Every method that is asked for a plan that cannot be used, or whose clips do not suit it, raises
    SystemExit, because Snakemake puts a traceback around every other exception. Other plans work.
    A plan is checked when something of it is asked for, since every start of Snakemake and every
    job of a cluster reads all of them.

    Args:
        plans: with all of their seeds; each seed has its jobs.
        seeds: how many of them tables and figures take, and the commands name; None for the
            default of each plan (`Plan.first_seeds`).
        shards: whether a seed whose shard is in the results folder of its plan is not trained.
        broken: what is wrong with each plan that cannot be used, by its results folder.
        data_plans: see `DataFolders`; None for `plans`.
        changes: the values that all plans change, as they follow a name
            (`@method.temperature=0.1`).
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        seeds: int | None = None,
        broken: Mapping[str, str] | None = None,
        shards: bool = False,
        data_plans: Iterable[Plan] | None = None,
        changes: str = "",
    ) -> None:
        plans = list(plans)
        super().__init__(plans if data_plans is None else data_plans)
        self.changes = changes
        self._noted: set[str] = set()
        self.plans = {str(plan.results_root()): plan for plan in plans}
        self.seeds, self.broken = seeds, dict(broken or {})
        # shards by seed of each plan that was asked for
        self._shards: dict[str, dict[int, Path]] | None = {} if shards else None
        # jobs of each plan that was asked for
        self._jobs: dict[str, dict[str, PlannedJob]] = {}

    @property
    def root_pattern(self) -> str:
        """Regular expression of the results folders."""
        return "|".join(map(re.escape, [*self.plans, *self.broken]))

    @property
    def job_pattern(self) -> str:
        """Regular expression that the folders of all jobs match."""
        return f"(?:{self.root_pattern})/runs/.+"

    def plan(self, root: str) -> Plan:
        """The plan whose results folder is `root`, with the seeds that are asked for."""
        plan = self._usable(root)
        if self.changes and root not in self._noted:
            self._noted.add(root)
            try:
                for sentence in check_effect(plan):
                    print(f"diccae: {sentence}", file=sys.stderr)
            except UserError as error:
                raise SystemExit(f"diccae: {error}") from None
        return plan.first_seeds(self.seeds)

    def _usable(self, root: str) -> Plan:
        """The plan whose results folder is `root`, with all seeds."""
        problem = self.broken.get(root) or self.impossible(self.plans[root])
        if problem:
            raise SystemExit(f"diccae: {problem}")
        return self.plans[root]

    def root(self, name: str) -> str:
        """The results folder of the plan of that name, with the changed values."""
        return str(results_root_of(name + self.changes))

    def in_place_of(self) -> dict[str, str]:
        """Targets of the plans as they are, each with the file that stands for it where values are
        changed; nothing where none are."""
        found = {}
        for plan in self.data_plans if self.changes else ():
            own = plan.results_root()
            names = [f"{name}.csv" for name in artifacts_of(plan)]
            names += [f"{a.name}.svg" for a in artifacts_of(plan).values() if a.draw]
            for name in (*names, "report.html", "verify.json"):
                found[str(own / name)] = f"{self.root(plan.name)}/{name}"
        return found

    def jobs(self, root: str) -> dict[str, PlannedJob]:
        """All jobs of the plan whose results folder is `root`, by the folder of their stamp."""
        if root not in self._jobs:
            of_plan = jobs(self._usable(root))
            self._jobs[root] = {
                str(job.stamp.parent): PlannedJob(job, of_plan) for job in of_plan.values()
            }
        return self._jobs[root]

    def job(self, folder: str) -> PlannedJob:
        """The job of a folder, of a plan whose clips suit it as far as they are known."""
        of_plan = self._jobs_beside(folder)
        if folder not in of_plan:
            near = did_you_mean(folder, of_plan)
            raise SystemExit(f"diccae: {folder}: its plan has no such variant, seed or fold{near}")
        planned = of_plan[folder]
        problem = self._problem(planned.job.plan)
        if problem:
            raise SystemExit(f"diccae: {problem}")
        return planned

    def _jobs_beside(self, folder: str) -> dict[str, PlannedJob]:
        return self.jobs(folder.partition("/runs/")[0])

    def priority(self, folder: str) -> int:
        """Seed by seed across all variants, and first what others wait for: every seed that is
        complete is a result."""
        planned = self.job(folder)
        seeds = planned.job.plan.seeds
        later = len(seeds) - seeds.index(planned.job.seed) if planned.job.seed in seeds else 0
        stamp = str(planned.job.stamp)
        waiting = sum(stamp in other.stamps for other in self._jobs_beside(folder).values())
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


@lru_cache
def load_workflow(seeds: int | None = None, shards: bool = False, changes: str = "") -> Workflow:
    """Read every plan once; the arguments are those of `Workflow`. A plan whose file cannot be read
    is named here, and refused when something of it is asked for, as is one with a wrong variant or
    number, or with fewer than `seeds` seeds. With `changes`, the results folders of the plans as
    they are are refused too."""
    plans, data_plans, broken = [], [], {}
    for name in known_plans():
        root = str(results_root_of(name + changes))
        if changes:
            broken[str(results_root_of(name))] = (
                f"with --config set, {results_root_of(name)} is left as it is; the results of plan "
                f"{name} with these values are in {root}: name the target there"
            )
        try:
            plan = load_plan(name + changes)
            check_keys(plan)
            data_plans.append(plan.unchanged)
        except UserError as error:
            broken[root] = str(error)
            data_plans += _as_it_is(name) if changes else []
            if not changes:
                # the reason follows where something of it is asked for
                print(
                    f"diccae: plan {name} is left out; `diccae plan --plan {name}` says what is "
                    "wrong",
                    file=sys.stderr,
                )
            continue
        try:
            plan.first_seeds(seeds)
            plans.append(plan)
        except UserError as error:
            broken[root] = str(error)
    built = Workflow(plans, seeds, broken, shards, data_plans, changes)
    _drop_untrue(built)
    return built


def _drop_untrue(flow: Workflow) -> None:
    trained = [
        planned.job
        for root, plan in flow.plans.items()
        if Path(root, "runs").is_dir() and not flow.impossible(plan)
        for planned in flow.jobs(root).values()
    ]
    drop_untrue(trained, flow.plans.values())


def _as_it_is(name: str) -> list[Plan]:
    """The plan without changes, if it can be used."""
    try:
        return [load_plan(name)]
    except UserError:
        return []
