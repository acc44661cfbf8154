"""What the Snakefile asks: which files an artifact of a plan needs, and which command makes a run. Reads plans and configs only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from diccae.compose import Run, check, compose, initial_weights, warmup_dir
from diccae.errors import UserError
from diccae.hashes import config_hash, digest, source_hash
from diccae.plans import Plan, known_plans, load_plan
from diccae.settings import needs_clusters, settings_of

PRETRAIN_FILES = ("record.json", "history.csv", "confusion.npz", "assignments.npz", "weights.pth")
FINETUNE_FILES = (
    "record.json",
    "metrics.json",
    "predictions.parquet",
    "history.csv",
    "confusion.npz",
    "weights.pth",
)
MODALITY_SETS = (("A", "V", "AV"), ("A", "AV"), ("A", "V"), ("V", "AV"), ("A",), ("V",), ("AV",))
SECTIONS = ("sensitivity", "cluster_ce", "leakage", "learning_rates")


@dataclass(frozen=True)
class Cell:
    """One job: a pre-training, or the fine-tuning of a (variant, seed) in all its modalities."""

    plan: Plan
    stage: str
    variant: str
    seed: int
    modalities: tuple[str, ...] = ("AV",)

    @property
    def folder(self) -> str:
        return str(
            self.plan.run_dir(
                "finetune" if self.stage == "finetune" else "pretrain", self.variant, self.seed
            )
        )

    @cached_property
    def runs(self) -> list[Run]:
        return [Run(self.stage, self.variant, self.seed, modality) for modality in self.modalities]

    @property
    def command(self) -> str:
        variant = "" if self.stage == "warmup" else f" --variant {self.variant}"
        return f"diccae {self.stage} --plan {self.plan.name}{variant} --seed {self.seed}"

    @property
    def key(self) -> str:
        """Changes when a composed config or the package's source does; a rule parameter, so that Snakemake runs the job again."""
        return digest(
            source_hash() + "".join(config_hash(compose(self.plan, run)) for run in self.runs)
        )

    def inputs(self) -> list[str]:
        settings = settings_of(self.plan, self.stage, self.variant)
        files = [str(self.plan.cache_dir / "meta.json")]
        for run in self.runs:
            weights = initial_weights(self.plan, run, settings)
            if weights is not None and str(weights) not in files:
                files.append(str(weights))
        if self.stage == "pretrain" and needs_clusters(settings):
            files.append(str(warmup_dir(self.plan, self.seed) / "assignments.npz"))
        return files


class Workflow:
    """Plans by results folder, and all their jobs by run folder."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self.plans = {str(plan.results_root()): plan for plan in plans}
        self.cells: dict[str, Cell] = {}
        for plan in self.plans.values():
            for cell in self._cells_of(plan):
                self.cells[cell.folder] = cell

    @staticmethod
    def _cells_of(plan: Plan) -> Iterable[Cell]:
        rates = plan.learning_rates
        for seed in plan.seeds:
            yield Cell(plan, "warmup", "warmup", seed)
            for variant, modalities in plan.cells().items():
                if settings_of(plan, "pretrain", variant).pretrained:
                    yield Cell(plan, "pretrain", variant, seed)
                if rates is None or variant not in rates.cells or seed in rates.seeds:
                    yield Cell(plan, "finetune", variant, seed, tuple(modalities))

    def pattern(self, stage: str, modalities: tuple[str, ...] = ("AV",)) -> str:
        """Regular expression of the run folders that one rule serves; one that matches nothing where there are none."""
        folders = [
            folder
            for folder, cell in self.cells.items()
            if cell.stage == stage and cell.modalities == modalities
        ]
        return "|".join(folder.replace(".", r"\.") for folder in folders) or "no-such-run"

    def runs(
        self,
        root: str,
        variants: Iterable[str],
        modalities: Iterable[str],
        seeds: Iterable[int] | None = None,
    ) -> list[str]:
        """Predictions and records of the named variants."""
        plan = self.plans[root]
        return [
            str(plan.run_dir("finetune", variant, seed, modality) / name)
            for variant in variants
            for seed in (plan.seeds if seeds is None else seeds)
            for modality in modalities
            for name in ("predictions.parquet", "record.json", "metrics.json", "confusion.npz")
        ]

    def inputs(self, artifact: str, root: str) -> list[str]:
        """Run files that one artifact (a name, or `ablations/<variant>`) is computed from."""
        plan = self.plans[root]
        if artifact.startswith("ablations/"):
            name = artifact.split("/")[1]
            known = plan.table2.variants if plan.table2 else []
            if plan.table2 is None or name not in known:
                raise UserError(
                    f"{name!r} is not a variant of Table 2 in plan {plan.name}; there are: {', '.join(known)}"
                )
            return self.runs(root, ["full", name], plan.table2.modalities)
        if artifact == "leakage" and plan.leakage:
            return self.runs(
                root, [plan.leakage.holdout, plan.leakage.portion], [plan.leakage.modality]
            )
        if artifact == "learning_rates" and plan.learning_rates:
            rates = plan.learning_rates
            return self.runs(root, [*rates.variants, *rates.cells], [rates.modality], rates.seeds)
        if artifact == "figure2" and plan.figure2:
            return self.runs(
                root, [plan.figure2.with_, plan.figure2.without], [plan.figure2.modality]
            )
        if artifact == "figure3" and plan.figure3:
            return self.runs(root, plan.figure3.variants, [plan.figure3.modality])
        if artifact == "feature_quality":
            return [
                file
                for name in self.artifacts(root)
                if name != "feature_quality"
                for file in self.inputs(name, root)
            ]
        section = getattr(plan, artifact, None)
        if section is None:
            raise UserError(
                f"plan {plan.name} has no section {artifact!r}; add it to configs/plans/{plan.name}.yaml"
            )
        return self.runs(root, section.variants, section.modalities)

    def artifacts(self, root: str) -> list[str]:
        plan = self.plans[root]
        if plan.table1 is None or plan.table2 is None:
            return ["tuning"]
        optional = [
            name for name in (*SECTIONS, "figure2", "figure3") if getattr(plan, name) is not None
        ]
        ablations = [f"ablations/{name}" for name in plan.table2.variants if name != "full"]
        return ["table1", "table2", *optional, "feature_quality", *ablations]

    def tables(self, root: str) -> list[str]:
        """Every table and figure CSV of a plan."""
        return [f"{root}/{name}.csv" for name in self.artifacts(root)]

    def targets(self, root: str) -> list[str]:
        report = [f"{root}/report.html"] if self.plans[root].table2 else []
        return [*self.tables(root), *report]

    def data_plan(self, data_root: str) -> Plan:
        """The first plan that uses a data folder; plans that share one must describe the same benchmark."""
        sharing = [plan for plan in self.plans.values() if plan.data_root == data_root]
        if len({self.benchmark_key_of(plan) for plan in sharing}) > 1:
            raise UserError(
                f"plans {', '.join(plan.name for plan in sharing)} share {data_root} but describe different data; give one another data_root"
            )
        return sharing[0]

    @staticmethod
    def benchmark_key_of(plan: Plan) -> str:
        base = settings_of(plan, "pretrain", "full").base
        lists = plan.lists.model_dump() if plan.lists else None
        return digest(json.dumps([base.get("benchmark"), lists, base["cache"]], sort_keys=True))

    def data_pattern(self, made_from: str) -> str:
        """Regular expression of the data folders that are rendered (`embedded`) or read from lists (`lists`); others bring their own manifest."""
        roots = {
            plan.data_root
            for plan in self.plans.values()
            if (plan.lists is not None if made_from == "lists" else plan.dataset == "embedded")
        }
        return "|".join(sorted(re.escape(root) for root in roots)) or "no-such-data"

    def list_files(self, data_root: str) -> list[str]:
        """The lists that a manifest is made from.

        Raises:
            SystemExit: one is missing, and the manifest is not there either; Snakemake puts a traceback around every other exception.
        """
        plan = self.data_plan(data_root)
        if plan.lists is None:
            return []
        try:
            return plan.lists.files()
        except UserError as error:
            # results that were copied from elsewhere need no lists: Snakemake takes a file that it cannot make for one that was given
            if plan.manifest.is_file():
                return [path for source in plan.lists.sources for path in source.lists]
            raise SystemExit(f"diccae: plan {plan.name}, {error}") from None

    def benchmark_key(self, data_root: str) -> str:
        return self.benchmark_key_of(self.data_plan(data_root))

    def folders(self, root: str, stage: str) -> list[str]:
        """Records of all jobs of a stage (targets `pretrain` and `finetune`), shared pre-trainings once."""
        plan = self.plans[root]
        cells = [
            cell for cell in self.cells.values() if cell.plan == plan and cell.stage == "finetune"
        ]
        if stage == "finetune":
            return [
                f"{cell.folder}/{modality}/record.json"
                for cell in cells
                for modality in cell.modalities
            ]
        sources = {file for cell in cells for file in cell.inputs() if file.endswith("weights.pth")}
        return sorted(str(Path(file).with_name("record.json")) for file in sources)


@lru_cache
def load_workflow() -> Workflow:
    """Read and check every plan once; a wrong key, variant or number ends here, before any job is planned."""
    built = Workflow(map(load_plan, known_plans()))
    for plan in built.plans.values():
        check(plan)
    return built
