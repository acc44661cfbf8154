"""The runs of a plan: what each is composed of, where it lies, and what it starts from.

Workflow, planner, verifier and training walk the same graph, which is decided here alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from diccae.clips_folder import clips_folder
from diccae.compared_data import check_compared, check_defaults
from diccae.compose import compose
from diccae.errors import UserError
from diccae.hashes import config_hash, require_weights, weight_files
from diccae.plans import SCORED_STAGE, Plan
from diccae.schedule import StageSchedule
from diccae.sections import Need
from diccae.settings import Settings, plan_settings, settings_of
from diccae.source import present_tree
from diccae.systems.spec import DataUse, Parent, RunContext, Stage


@dataclass(frozen=True)
class Run:
    """One stage of training of one variant with one seed; `modality` is `Plan.modality` by default,
    and in every stage that trains on the unlabelled pool; `fold` is the fold that it is tested in,
    of a plan with folds."""

    plan: Plan
    stage: str
    variant: str
    seed: int
    modality: str = ""
    fold: int | None = None

    def __post_init__(self) -> None:
        if not self.modality:
            object.__setattr__(self, "modality", _modality(self.plan))

    def __str__(self) -> str:
        modality = f" {self.modality}" if self.spec.labelled else ""
        fold = "" if self.fold is None else f" fold {self.fold}"
        return f"{self.stage} {self.variant}{modality} seed {self.seed}{fold}"

    @property
    def settings(self) -> Settings:
        """The merged choices."""
        return settings_of(self.plan, self.stage, self.variant)

    @property
    def spec(self) -> Stage:
        """The stage as its system declares it.

        Raises:
            UserError: the system has no such stage.
        """
        return self.settings.system.stage(self.stage)

    @property
    def data_use(self) -> DataUse:
        """Which clips it uses beside its training clips."""
        settings = self.settings
        budget = settings.schedule.stages[self.stage]
        return settings.system.data_in(self.modality, self.spec, settings.choices, budget)

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        modality = self.modality if self.spec.labelled else None
        return self.plan.run_folder(self.variant, self.seed, self.stage, modality, self.fold)

    @property
    def owner(self) -> Run:
        """The run that stands for this one: of the first variant of the plan whose run of this
        stage composes to the same config, or an earlier stage with the same training. A scored run
        stands for itself."""
        if self.spec.scored:
            return self
        stage, variant = _owner(self.plan, self.stage, self.variant, self.modality)
        return replace(self, stage=stage, variant=variant)

    @property
    def parents(self) -> dict[Parent, Run]:
        """The files that it starts from, each with the run that makes it."""
        settings = self.settings
        return {
            parent: replace(self, stage=parent.stage, modality=parent.modality or "").owner
            for parent in settings.system.parents(self.spec, self.modality, settings.choices)
            if parent.stage in settings.stages
        }

    @property
    def parent_files(self) -> dict[Parent, Path]:
        """Path of each file that it starts from."""
        return {parent: run.folder / parent.file for parent, run in self.parents.items()}

    def record(self) -> dict[str, Any] | None:
        """The record of the finished run; None if it or a file that it names is missing or empty,
        or if the record cannot be read."""
        path = self.folder / "record.json"
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text())
            files = [self.folder / name for name in content["files"]]
        except (ValueError, KeyError, TypeError):
            return None
        whole = all(file.is_file() and file.stat().st_size > 0 for file in files)
        return content if whole else None

    def context(self) -> RunContext[Any]:
        """What the system composes this run from."""
        settings = self.settings
        embedded = self.plan.dataset == "embedded"
        design = settings.base.get("benchmark", {}).get("design") if embedded else None
        return RunContext(
            stage=self.spec,
            modality=self.modality,
            pretrain_modality=self.plan.modality,
            seed=self.seed,
            choices=settings.choices,
            schedule=settings.schedule,
            runtime=settings.runtime,
            base=settings.base,
            cache_meta=str(clips_folder(self.plan) / "meta.json"),
            diccae_method=plan_settings(self.plan)["method"],
            folds=self.plan.fold_settings(self.fold),
            design=design,
            parents={parent: str(path) for parent, path in self.parent_files.items()},
        )

    def config(self) -> Config:
        """The composed config, made anew at each call.

        Raises:
            UserError: choices do not fit together; names plan, stage and variant.
        """
        context = self.context()
        try:
            return compose(self.settings, context, str(clips_folder(self.plan)))
        except UserError as error:
            place = f"plan {self.plan.name}, {self.stage} of {self.variant}"
            raise UserError(f"{place}: {error}") from None

    @property
    def config_hash(self) -> str:
        """Digest of the composed config."""
        return _of_config(self)[0]

    @property
    def weight_files(self) -> dict[str, str]:
        """The files of weights that it reads beside those of its parents, see
        `diccae.hashes.weight_files`."""
        return dict(_of_config(self)[1])

    @property
    def source_hash(self) -> str:
        """Digest of the modules that it executes."""
        return _of_config(self)[2]


@lru_cache(maxsize=8192)
def _of_config(run: Run) -> tuple[str, dict[str, str], str]:
    """Digest of the composed config, the files of weights that it names, and the digest of the
    modules that a run with this config executes."""
    config = run.config()
    executed = present_tree().digest(config, run.settings.system.name)
    return config_hash(config), weight_files(config), executed


@lru_cache
def _modality(plan: Plan) -> str:
    # asked for by every run, and derived from all sections
    return plan.modality


@lru_cache(maxsize=4096)
def _owner(plan: Plan, stage: str, variant: str, modality: str) -> tuple[str, str]:
    """Stage and variant of the run that stands for another one."""
    # which variants share a config depends neither on the seed nor on the fold
    run = Run(plan, stage, variant, plan.seeds[0], modality, plan.folds[0])
    settings = run.settings
    earlier = settings.system.same_training(run.spec, settings.choices)
    if (
        earlier is not None
        and earlier.name in settings.stages
        and _training(replace(run, stage=earlier.name)) == _training(run)
    ):
        return _owner(plan, earlier.name, variant, modality)
    for name in plan.variants():
        other = settings_of(plan, SCORED_STAGE, name)
        alike = other.system is run.settings.system and stage in other.stages
        if alike and replace(run, variant=name).config_hash == run.config_hash:
            return stage, name
    return stage, variant


def _training(run: Run) -> tuple[StageSchedule, str]:
    """What decides the weights of a run, of stages whose hooks leave them alone."""
    config = run.config()
    for key in ("custom_hooks", "update_dataloader", "extract_dataloader"):
        config.pop(key)
    return run.settings.schedule.stages[run.stage], config_hash(config)


def scored_runs(plan: Plan, needs: Iterable[Need]) -> list[Run]:
    """The scored runs of some needs, each once, in every fold."""
    return [
        Run(plan, SCORED_STAGE, scored.variant, scored.seed, scored.modality, fold)
        for scored in plan.scored(needs)
        for fold in plan.folds
    ]


def with_parents(runs: Iterable[Run]) -> list[Run]:
    """The runs and everything that they start from, each once, parents first."""
    ordered: dict[Run, None] = {}
    for run in runs:
        if run not in ordered:
            ordered |= dict.fromkeys(with_parents(run.parents.values()))
            ordered[run] = None
    return list(ordered)


def runs_of_a_seed(plan: Plan) -> list[Run]:
    """The runs of a plan's first seed, each once, parents first, in every fold."""
    return with_parents(
        Run(plan, SCORED_STAGE, variant, plan.seeds[0], modality, fold)
        for variant, modalities in plan.variants().items()
        for modality in modalities
        for fold in plan.folds
    )


def check(plan: Plan) -> None:
    """Compose every run of a plan's first seed, so that an impossible choice is refused before any
    job starts, and so is a comparison of what cannot be compared.

    Raises:
        UserError: a variant, an override or a number is not possible, Table 1 compares systems on
            different data, a curve's default is not its own, or a file of weights is missing; names
            the file and the key.
    """
    check_compared(plan)
    check_defaults(plan)
    for run in runs_of_a_seed(plan):
        files = run.weight_files
        # tables from shards need no weights
        if not plan.elsewhere:
            require_weights(files)
