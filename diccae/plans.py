"""Plans and method choices: YAML and config values turned into typed, validated models.

A plan says what an experiment consists of (variants, modalities, seeds, sweeps); numbers live in `configs/base` and `configs/variants`.
Everything here runs before the first job does, so that a typo costs a second and not a night.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from diccae.errors import UserError

CONFIG_ROOT = Path(__file__).resolve().parent.parent / "configs"
Modality = Literal["A", "V", "AV"]
VARIANT = re.compile(r"(?P<name>[a-z0-9_]+)(?:@(?P<short>[a-z]+)=(?P<value>[0-9.eE+-]+))?")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Method(Strict):
    """Every open choice of the paper (docs: the ambiguity register); defaults live in `configs/base/method.py`."""

    similarity: Literal["sigmoid_cosine", "half_cosine", "rbf", "mlp"]
    pairs: Literal["fused", "intra_modal", "cross_modal"]
    pair_reduction: Literal["balanced", "plain_mean", "sum"]
    pretrain_batches: Literal["uniform", "p_x_k"]
    finetune_batches: Literal["uniform", "p_x_k"]
    update_set: Literal["train_holdout", "test_portion"]
    update_redraw: Literal["fixed", "each_epoch"]
    centroid: Literal["mean", "geometric_median"]
    pca_dim: int | None = Field(ge=1)
    pca_scope: Literal["all", "class"]
    circle: Literal["quantile", "min_enclosing", "least_squares"]
    coverage: float = Field(gt=0, le=1)
    normalize_features: bool
    normalization: Literal["literal", "robust", "rank", "log1p", "mean_one"]
    weight_range: float = Field(gt=0)
    diagonal_weight: float | Literal["row_mean"]
    weight_floor: float = Field(ge=0)
    smoothing: float = Field(ge=0, lt=1)
    weighting: Literal["dynamic", "static", "flat_mean"]
    static_weight: float = Field(ge=0)
    confusion_weight: float = Field(ge=0)
    infonce_weight: float = Field(ge=0)
    infonce_contrast: Literal["cross_modal", "intra_modal", "both", "one_way"]
    temperature: float = Field(gt=0)
    kmeans_k: int = Field(ge=2)
    kmeans_restarts: int = Field(ge=1)
    kmeans_spherical: bool
    kmeans_init: Literal["random", "k-means++", "afk_mc2"]
    refine_every: int = Field(ge=0)
    initial_features: Literal["warmup", "warmup_weights"]
    reinit_head: Literal["unmatched", "all"]
    cluster_cross_entropy: bool
    sources: Literal["all"] | list[str]


class StageSchedule(Strict):
    """Budget and optimiser of one training stage; epochs over the stage's training clips, batch size in clips per process."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    # a budget in optimiser steps: one epoch over a draw of steps x batch_size clips
    steps: int | None = Field(ge=1)

    @model_validator(mode="after")
    def _steps_fill_one_epoch(self) -> StageSchedule:
        if self.steps is not None and self.epochs != 1:
            raise ValueError(f"wanted epochs 1 beside steps, got epochs {self.epochs}")
        return self


class Schedule(Strict):
    warmup: StageSchedule
    pretrain: StageSchedule
    finetune: StageSchedule
    eval_batch_size: int = Field(ge=1)
    views: int = Field(ge=1)
    num_workers: int = Field(ge=0)
    precision: Literal["float32", "bfloat16"]
    compile: bool
    # clips a step that the learning rates were chosen for; with more, over all processes, they grow in proportion. None: they stay
    base_batch_size: int | None = Field(ge=1)


class Section(Strict):
    """Which variants, scored in which modalities, an artifact needs."""

    variants: list[str]
    modalities: list[Modality]


class Figure2(Strict):
    with_: str = Field(alias="with")
    without: str
    modality: Modality
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Figure3(Strict):
    variant: str
    dynamic: str
    modality: Modality
    weights: list[float] = Field(min_length=2)

    @property
    def variants(self) -> list[str]:
        return [f"{self.variant}@w={weight:g}" for weight in self.weights] + [self.dynamic]


class Leakage(Strict):
    """The leakage twin: `holdout` never sees test clips, `portion` takes its update set from the test split."""

    holdout: str
    portion: str
    modality: Modality


class LearningRates(Strict):
    variants: list[str]
    values: list[float]
    seeds: list[int]
    modality: Modality

    @property
    def cells(self) -> list[str]:
        return [f"{variant}@lr={value:g}" for variant in self.variants for value in self.values]


class SourceLists(Strict):
    """Official list files of one data set, the folder that holds its clips, and (where the reader takes one) the class list."""

    reader: Literal[
        "vggsound", "audioset", "epic_kitchens", "ucf101", "kinetics_sounds", "plain_csv"
    ]
    lists: list[str] = Field(min_length=1)
    media: str
    classes: str | None = None


class Lists(Strict):
    """Where a plan's clips come from; the source `labelled` keeps its labels, the others are unlabelled."""

    sources: list[SourceLists] = Field(min_length=1)
    labelled: str
    update_per_class: int = Field(ge=0)
    validation_per_class: int = Field(ge=0)

    @model_validator(mode="after")
    def _labelled_is_a_source(self) -> Lists:
        readers = [source.reader for source in self.sources]
        if self.labelled not in readers or len(set(readers)) != len(readers):
            raise ValueError(
                f"wanted each reader once and labelled one of them, got {readers}, labelled {self.labelled!r}"
            )
        return self

    def files(self) -> list[str]:
        """Every list file and class list.

        Raises:
            UserError: one is not there; names it and its source.
        """
        named = [(path, source.reader) for source in self.sources for path in source.lists]
        named += [
            (s.classes, s.reader)
            for s in self.sources
            if s.classes is not None and not s.classes.isdigit()
        ]
        missing = [(path, reader) for path, reader in named if not Path(path).is_file()]
        if missing:
            raise UserError(
                f"lists.sources: {len(missing)} of {len(named)} list files are missing, {missing[0][0]} of {missing[0][1]} first; "
                "put them there (links do), or change lists.sources in the plan; docs/data.md"
            )
        return [path for path, _ in named]


class Plan(Strict):
    """One experiment: what is trained, scored and rendered, and where it goes."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    scale: str
    dataset: str
    data_root: str
    lists: Lists | None = None
    seeds: list[int] = Field(min_length=1)
    table1: Section | None = None
    table2: Section | None = None
    sensitivity: Section | None = None
    cluster_ce: Section | None = None
    figure2: Figure2 | None = None
    figure3: Figure3 | None = None
    leakage: Leakage | None = None
    learning_rates: LearningRates | None = None
    tuning: Section | None = None
    parameters: dict[str, str] = {}
    overrides: dict[str, Any] = {}

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds) or min(seeds) < 0:
            raise ValueError(f"wanted distinct seeds >= 0, got {seeds}")
        return seeds

    @model_validator(mode="after")
    def _purpose(self) -> Plan:
        if (self.table1 is None or self.table2 is None) and self.tuning is None:
            raise ValueError(
                "wanted table1 and table2 (or tuning, for a plan that only chooses hyper-parameters)"
            )
        return self

    @model_validator(mode="after")
    def _known_variants(self) -> Plan:
        for variant in self.cells():
            self.split_variant(variant)
        return self

    def split_variant(self, variant: str) -> tuple[str, dict[str, float]]:
        """`fixed_weight@w=4` -> (`fixed_weight`, {`method.static_weight`: 4.0})."""
        match = VARIANT.fullmatch(variant)
        known = known_variants()
        if match is None or match["name"] not in known:
            close = difflib.get_close_matches(variant.split("@")[0], known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"unknown variant {variant!r}{hint} Known: {', '.join(known)}")
        if match["short"] is None:
            return match["name"], {}
        if match["short"] not in self.parameters:
            raise ValueError(
                f"variant {variant!r}: no parameter {match['short']!r} in `parameters` ({', '.join(self.parameters)})"
            )
        return match["name"], {self.parameters[match["short"]]: float(match["value"])}

    def cells(self) -> dict[str, list[Modality]]:
        """Every variant of the plan with the modalities that any artifact scores, in A, V, AV order."""
        wanted: dict[str, set[str]] = {}

        def want(variants: list[str], modalities: list[Any]) -> None:
            for variant in variants:
                wanted.setdefault(variant, set()).update(modalities)

        for section in (self.table1, self.table2, self.sensitivity, self.cluster_ce, self.tuning):
            if section is not None:
                want(section.variants, list(section.modalities))
        if self.figure2:
            want([self.figure2.with_, self.figure2.without], [self.figure2.modality])
        if self.figure3:
            want(self.figure3.variants, [self.figure3.modality])
        if self.leakage:
            want([self.leakage.holdout, self.leakage.portion], [self.leakage.modality])
        if self.learning_rates:
            want(self.learning_rates.cells, [self.learning_rates.modality])
        return {
            variant: [m for m in ("A", "V", "AV") if m in modalities]
            for variant, modalities in wanted.items()
        }

    def results_root(self) -> Path:
        """`results` for the default plan, `results/<plan>` for any other; relative to the working directory."""
        return Path("results") if self.name == "embedded" else Path("results") / self.name

    def run_dir(self, stage: str, variant: str, seed: int, modality: str | None = None) -> Path:
        folder = self.results_root() / "runs" / stage / variant / f"seed{seed}"
        return folder / modality if modality else folder

    @property
    def dataset_name(self) -> str:
        """As tables and report print it."""
        return {"embedded": "embedded benchmark", "vggsound": "VGGSound"}.get(
            self.dataset, self.dataset
        )

    @property
    def cache_dir(self) -> Path:
        return Path(self.data_root) / "cache"

    @property
    def manifest(self) -> Path:
        return Path(self.data_root) / "manifest.parquet"


def known_variants() -> list[str]:
    return sorted(path.stem for path in (CONFIG_ROOT / "variants").glob("*.py"))


def known_plans() -> list[str]:
    return sorted(path.stem for path in (CONFIG_ROOT / "plans").glob("*.yaml"))


def load_plan(name_or_path: str | Path) -> Plan:
    """Read and validate a plan by name (`embedded`) or by path (`my/plan.yaml`).

    Raises:
        UserError: the plan does not exist or a key of it is wrong; names the file, the key, what was wanted and what was found.
    """
    path = Path(name_or_path)
    if path.suffix != ".yaml":
        path = CONFIG_ROOT / "plans" / f"{name_or_path}.yaml"
    if not path.is_file():
        raise UserError(
            f"plan {str(name_or_path)!r} not found at {path}; known plans: {', '.join(known_plans())}"
        )
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: wanted a mapping of keys, got {type(content).__name__}")
    plan = checked(Plan, content, str(path))
    if plan.name != path.stem:
        raise UserError(
            f"{path}: name is {plan.name!r}, wanted {path.stem!r} (the file's own name, since it names the results folder)"
        )
    return plan


def checked(model: type[Any], content: dict[str, Any], where: str) -> Any:
    """Validate `content` against a model; the first three problems become one readable UserError that names each key."""
    try:
        return model(**content)
    except ValidationError as error:
        lines = []
        for problem in error.errors()[:3]:
            key = ".".join(str(part) for part in problem["loc"]) or "plan"
            message = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                close = difflib.get_close_matches(
                    str(problem["loc"][-1]), list(model.model_fields), n=1
                )
                message = "unknown key" + (f"; did you mean {close[0]!r}?" if close else "")
            elif "did you mean" not in message and not isinstance(problem.get("input"), dict):
                message = f"{message}, got {problem.get('input')!r}"
            lines.append(f"{key}: {message}")
        raise UserError(f"{where}: " + " | ".join(lines)) from None
