"""The jobs of the workflow of a plan and what each waits for, as the Snakefile has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from diccae.clips_folder import clips_folder
from diccae.feature_jobs import SHARES, FeatureJobs
from diccae.jobs import Job
from diccae.planned_job import PlannedJob
from diccae.plans import Plan
from diccae.reporting.shard_folder import shard_path
from diccae.workflow import Workflow

JobKind = Literal["data", "cache", "features", "training", "shards", "tables", "report"]
DATA = {"embedded": "render"}


@dataclass(frozen=True)
class PlannedWork:
    """A job of the workflow.

    Attributes:
        kind: what it is listed under.
        label: a short name.
        output: the first file that it makes.
        inputs: the files that it reads.
        benchmark: where Snakemake writes how long it took.
        job: the runs that it trains; None for other kinds.
        share: which part of the clips of all feature jobs it encodes.
    """

    kind: JobKind
    label: str
    output: str
    inputs: tuple[str, ...]
    benchmark: str
    job: Job | None = None
    share: float = 0.0

    @property
    def on_device(self) -> bool:
        """Whether it computes on a GPU where there is one."""
        return self.job is not None or self.share > 0


def job_graph(plan: Plan, shares: int = SHARES) -> dict[str, PlannedWork]:
    """All jobs of a plan with its shards and its report, by output file, in the order in which they
    start: those before the training, then seed by seed what others wait for first.

    Args:
        plan: a checked plan.
        shares: number of jobs that the stored features are divided into.
    """
    flow, root = Workflow([plan]), str(plan.results_root())
    found = [*_data(plan, shares), *_training(flow.jobs(root))]
    for seed in dict.fromkeys(planned.job.seed for planned in flow.jobs(root).values()):
        inputs = tuple(flow.shard_inputs(root, seed))
        path = str(shard_path(plan, seed))
        benchmark = f"{root}/benchmarks/shard{seed}.tsv"
        found.append(PlannedWork("shards", f"shard of seed {seed}", path, inputs, benchmark))
    tables = flow.tables(root)
    for name, path in zip(flow.artifacts(root), tables, strict=True):
        inputs = tuple(flow.inputs(name, root))
        benchmark = f"{root}/benchmarks/{name}.tsv"
        found.append(PlannedWork("tables", name, path, inputs, benchmark))
    if plan.reported():
        before = tuple(tables)
        for name, file in (("verify", "verify.json"), ("report", "report.html")):
            path, benchmark = f"{root}/{file}", f"{root}/benchmarks/{name}.tsv"
            found.append(PlannedWork("report", name, path, before, benchmark))
            before = (*before, path)
    return {work.output: work for work in found}


def waits_for(graph: dict[str, PlannedWork]) -> dict[str, Sequence[str]]:
    """For each job, the jobs that make its input."""
    return {
        output: [path for path in dict.fromkeys(work.inputs) if path in graph]
        for output, work in graph.items()
    }


def _data(plan: Plan, shares: int) -> list[PlannedWork]:
    """The jobs before the training; none where the plan brings its own manifest."""

    def work(kind: JobKind, label: str, path: str, inputs: list[str], name: str) -> PlannedWork:
        folder = path.rpartition("/")[0] if name == "features" else plan.data_root
        benchmark = f"results/benchmarks/{folder}/{name}.tsv"
        return PlannedWork(kind, label, path, tuple(inputs), benchmark)

    manifest, cache = str(plan.manifest), str(plan.cache_dir / "meta.json")
    features, folder = FeatureJobs([plan]), str(clips_folder(plan))
    stored = folder in features.plans
    found = []
    if plan.dataset == "embedded" or plan.lists is not None:
        name = DATA.get(plan.dataset, "manifest")
        found.append(work("data", name, manifest, [], name))
    if not stored or cache in features.inputs(folder):
        found.append(work("cache", "cache", cache, [manifest], "cache"))
    if not stored:
        return found
    inputs, stamps = tuple(features.inputs(folder)), features.stamps(folder, shares)
    for number, stamp in enumerate(stamps, 1):
        label = f"features {number} of {shares}"
        benchmark = f"results/benchmarks/{folder}/share{number}-of-{shares}.tsv"
        share = 1 / shares
        found.append(PlannedWork("features", label, stamp, inputs, benchmark, share=share))
    together = [*inputs, *stamps]
    found.append(
        work("features", "list of the features", f"{folder}/meta.json", together, "features")
    )
    return found


def _training(jobs: Mapping[str, PlannedJob]) -> list[PlannedWork]:
    waiting = Counter(stamp for planned in jobs.values() for stamp in planned.stamps)
    found = []
    for folder, planned in jobs.items():
        job, output = planned.job, str(planned.job.stamp)
        fold = "" if job.fold is None else f" fold {job.fold}"
        label, benchmark = f"{job.name} seed {job.seed}{fold}", f"results/benchmarks/{folder}.tsv"
        found.append(
            PlannedWork("training", label, output, tuple(planned.inputs), benchmark, job=job)
        )
    seeds = list(dict.fromkeys(work.job.seed for work in found if work.job))
    # the priority of the workflow
    return sorted(
        found,
        key=lambda work: (seeds.index(work.job.seed if work.job else 0), -waiting[work.output]),
    )
