"""Plans: which variants, modalities, seeds and sweeps an experiment consists of, read from YAML and
validated before the first job runs. Numbers live in `configs/base`, `systems` and `variants`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, model_validator

from diccae.errors import UserError
from diccae.plan_name import NAME, PLAIN, changed_name, results_root_of, split_name
from diccae.scored_sections import ScoredSections
from diccae.sections import Runtime
from diccae.source_lists import Folds, Lists
from diccae.validation import checked, choices
from diccae.yaml_file import read_yaml

CONFIG_ROOT = Path(__file__).resolve().parent.parent / "configs"
VARIANT = re.compile(r"(?P<name>[a-z0-9_]+)(?:@(?P<short>[a-z]+)=(?P<value>[0-9.eE+-]+))?")
# The stage that every system ends with, and that validation and test clips are scored after.
SCORED_STAGE = "finetune"
# The system of variants that name none.
DEFAULT_SYSTEM = "diccae"
# Environment variable that the Snakefile sets for jobs: how many seeds are asked for. No option of
# `diccae train`, since Snakemake trains again what has another command.
SEEDS_ASKED = "DICCAE_SEEDS"
DATASET_NAMES = {"embedded": "embedded benchmark", "vggsound": "VGGSound"}


class Plan(ScoredSections):
    """One experiment: what is trained, scored and rendered, and where it goes.

    Attributes, beside those of `ScoredSections`:
        name: the file's own name, with the values that it changes (`diccae.plan_name`); it names
            the results folder.
        scale: folder of `configs/base`.
        dataset, data_root, lists: the clips.
        runtime: kernels and threads of every run.
        parameters: short names of dotted keys, or of lists of keys that get the same value, for
            variants such as `fixed_weight@w=4`.
        overrides: dotted keys of the configs, with their values in this plan; a variant that sets
            the same key keeps its own value.
    """

    name: str = Field(pattern=f"^{NAME}$")
    scale: str
    dataset: str
    data_root: str
    lists: Lists | None = None
    runtime: Runtime = Runtime()
    parameters: dict[str, str | list[str]] = {}
    overrides: dict[str, Any] = {}
    _folder: Path | None = PrivateAttr(default=None)
    _whole: Plan | None = PrivateAttr(default=None)
    _unchanged: Plan | None = PrivateAttr(default=None)

    def __hash__(self) -> int:
        # equal plans have equal names; what differs beside the name is found by comparison
        return hash(self.name)

    @model_validator(mode="after")
    def _known_variants(self) -> Plan:
        for variant in self.variants():
            self.split_variant(variant)
        return self

    @model_validator(mode="after")
    def _folds_of_lists(self) -> Plan:
        if self.split_into is not None and self.lists is None:
            raise ValueError("data.folds: wanted `lists` beside it, whose clips have groups")
        return self

    def split_variant(self, variant: str) -> tuple[str, dict[str, float]]:
        """`fixed_weight@w=4` -> (`fixed_weight`, {`method.static_weight`: 4.0})."""
        match = VARIANT.fullmatch(variant)
        known = known_variants()
        if match is None or match["name"] not in known:
            name, parameter, _ = variant.partition("@")
            if parameter and name in known:
                raise ValueError(
                    f"variant {variant!r}: wanted a number after the name of a parameter, such as "
                    f"{name}@{next(iter(self.parameters), 'lr')}=0.5"
                )
            raise ValueError(f"unknown variant {variant!r}{choices(name, known, 'known variants')}")
        if match["short"] is None:
            return match["name"], {}
        if match["short"] not in self.parameters:
            raise ValueError(
                f"variant {variant!r}: no parameter {match['short']!r} in `parameters` "
                f"({', '.join(self.parameters)})"
            )
        named = self.parameters[match["short"]]
        keys = [named] if isinstance(named, str) else named
        return match["name"], dict.fromkeys(keys, float(match["value"]))

    def first_seeds(self, count: int | None = None) -> Plan:
        """The plan with its first `count` seeds, whose runs are those of the whole plan; by default
        with `default_seeds` of them, or with all where the plan does not state it.

        Raises:
            UserError: the plan has fewer seeds, or none is asked for.
        """
        if count is None:
            count = self.default_seeds or len(self.seeds)
        if not 1 <= count <= len(self.seeds):
            raise UserError(
                f"seeds: plan {self.name} has {len(self.seeds)} seeds, got {count}; "
                f"name a number from 1 to {len(self.seeds)}, or add seeds to the plan"
            )
        kept = self.seeds[:count]
        rates = self.learning_rates
        if rates is not None:
            own = [seed for seed in rates.seeds if seed in kept]
            rates = rates.model_copy(update={"seeds": own}) if own else None
        # nothing is left to choose, so that a default and the same number asked for are equal
        update = {"seeds": kept, "default_seeds": None, "learning_rates": rates}
        chosen = self.model_copy(update=update)
        chosen._whole = self.whole
        return chosen

    @property
    def whole(self) -> Plan:
        """The plan with all of its seeds, of which `first_seeds` took some."""
        return self._whole or self

    def at(self, folder: Path) -> Plan:
        """The plan with its results in another folder, of shards; itself for its own folder."""
        if folder.resolve() == results_root_of(self.name).resolve():
            return self
        plan = self.model_copy()
        plan._folder = folder
        return plan

    @property
    def elsewhere(self) -> bool:
        """Whether its results are in another folder than its own."""
        return self._folder is not None

    def results_root(self) -> Path:
        """The folder of `at`, or `results/<plan>` (`results` for the default plan)."""
        return self._folder or results_root_of(self.name)

    @property
    def unchanged(self) -> Plan:
        """The plan without the values that its name changes."""
        name, changes = split_name(self.name)
        return self._unchanged or (load_plan(name) if changes else self)

    @property
    def split_into(self) -> Folds | None:
        """The folds that its clips are tested in; None where the splits of the manifest hold."""
        content = self.overrides.get("data.folds")
        return None if content is None else Folds.model_validate(content)

    @property
    def folds(self) -> tuple[int | None, ...]:
        """The number of each fold, from 1; a single None without folds."""
        folds = self.split_into
        return (None,) if folds is None else tuple(range(1, folds.count + 1))

    def fold_settings(self, fold: int | None) -> dict[str, Any] | None:
        """What `diccae.datasets.folds.fold_splits` computes the splits of a fold from; None without
        folds."""
        folds = self.split_into
        if fold is None or folds is None or self.lists is None:
            return None
        return folds.model_dump() | {
            "fold": fold,
            "update_per_class": self.lists.update_per_class,
            "validation_per_class": self.lists.validation_per_class,
        }

    def seed_folder(self, variant: str, seed: int, fold: int | None = None) -> Path:
        """The folder of all runs of a variant with one seed, in one fold if the plan has folds."""
        folder = results_root_of(self.name) / "runs" / variant / f"seed{seed}"
        return folder if fold is None else folder / f"fold{fold}"

    def run_folder(
        self,
        variant: str,
        seed: int,
        stage: str = SCORED_STAGE,
        modality: str | None = None,
        fold: int | None = None,
    ) -> Path:
        """Where the files of a run lie; `modality` for stages that are trained once a modality."""
        folder = self.seed_folder(variant, seed, fold) / stage
        return folder / modality if modality else folder

    @property
    def dataset_name(self) -> str:
        """As tables and report print it."""
        return DATASET_NAMES.get(self.dataset, self.dataset)

    @property
    def cache_dir(self) -> Path:
        """Folder of the clip cache."""
        return Path(self.data_root) / "cache"

    @property
    def manifest(self) -> Path:
        """The list of all clips."""
        return Path(self.data_root) / "manifest.parquet"

    @property
    def manifest_command(self) -> str:
        """The command that makes the manifest."""
        step = "render" if self.dataset == "embedded" else "manifest"
        return f"diccae data {step} --plan {self.name}"


def known_variants() -> list[str]:
    """Names of the variants: the files of `configs/variants`, and every system but the default one,
    which stands for its own defaults."""
    files = [*(CONFIG_ROOT / "variants").glob("*.py"), *(CONFIG_ROOT / "systems").glob("*.py")]
    return sorted({path.stem for path in files} - {DEFAULT_SYSTEM})


def known_plans() -> list[str]:
    """Names of the plans: the files of `configs/plans`."""
    return sorted(path.stem for path in (CONFIG_ROOT / "plans").glob("*.yaml"))


def load_plan(name_or_path: str | Path) -> Plan:
    """Read and validate a plan by name (`embedded`) or by path (`my/plan.yaml`), with all of its
    seeds; `Plan.first_seeds` takes some of them. Both can be followed by changed values
    (`embedded@method.temperature=0.1`), which are overrides of the plan under that name.

    Raises:
        UserError: the plan does not exist or a key of it is wrong; names the file, the key, what
            was wanted and what was found. `diccae.changed_plan` checks what is changed.
    """
    name, changes = split_name(str(name_or_path))
    path = Path(name)
    if path.suffix != ".yaml":
        path = CONFIG_ROOT / "plans" / f"{name}.yaml"
    if not path.is_file():
        known = choices(name, known_plans(), "known plans")
        raise UserError(f"plan {name!r} not found at {path}{known}")
    plan = checked(Plan, read_yaml(path), str(path))
    if plan.name != path.stem or not re.fullmatch(PLAIN, plan.name):
        raise UserError(
            f"{path}: name is {plan.name!r}, wanted {path.stem!r}, in small letters, digits and "
            "dashes (the file's own name, since it names the results folder)"
        )
    if not changes:
        return plan
    update = {"name": changed_name(plan.name, changes), "overrides": plan.overrides | changes}
    changed = plan.model_copy(update=update)
    changed._unchanged = plan
    return changed
