"""Sections of a plan: what each artifact needs, and where the clips come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from diccae.errors import UserError
from diccae.kernels import Kernels
from diccae.schedule import Strict

Modality = Literal["A", "V", "AV"]
# faiss takes seeds below 2^31, and epochs and the numbers of workers are added to a seed
MAX_SEED = 2_000_000_000


def _distinct(seeds: list[int]) -> list[int]:
    wrong = [seed for seed in seeds if not 0 <= seed <= MAX_SEED]
    if wrong or len(set(seeds)) != len(seeds):
        raise ValueError(f"wanted distinct seeds from 0 to {MAX_SEED:,}")
    return seeds


Seeds = Annotated[list[int], Field(min_length=1), AfterValidator(_distinct)]


class Need(NamedTuple):
    """A scored variant that an artifact is computed from; seeds None for all seeds of the plan."""

    variant: str
    modality: Modality
    seeds: tuple[int, ...] | None = None


class Scored(NamedTuple):
    """A run whose predictions tables are computed from."""

    variant: str
    modality: Modality
    seed: int


class Runtime(Strict):
    """How the processor computes; both decide the last digits of every number.

    Attributes:
        kernels: `portable` for the same numbers on every x86-64 processor with AVX2, `fastest` to
            let MKL choose by the processor (`diccae.kernels`).
        threads: of one run.
    """

    kernels: Kernels = "fastest"
    threads: int = Field(default=1, ge=1)


class Folds(Strict):
    """Folds of the labelled clips, each of which is the test split of a run of its own.

    Attributes:
        kind: `official` for the column `fold` of the manifest, the same with every seed; `grouped`
            for folds drawn by the seed, which keep the clips of a `group` together.
        count: number of folds.
        train_groups_per_class: groups of a class whose clips keep their labels in training; the
            others join the unlabelled pool. None for all.
    """

    kind: Literal["official", "grouped"]
    count: int = Field(ge=2)
    train_groups_per_class: int | None = Field(default=None, ge=1)


class Section(Strict):
    """Variants in rows, each scored in every modality."""

    variants: list[str]
    modalities: list[Modality]

    def needs(self) -> list[Need]:
        """Every variant in every modality."""
        return [Need(variant, m) for variant in self.variants for m in self.modalities]


class Figure2(Strict):
    """Degrees of confusion of a variant with the confusion loss and of one without."""

    with_: str = Field(alias="with")
    without: str
    modality: Modality
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def needs(self) -> list[Need]:
        """Both variants."""
        return [Need(self.with_, self.modality), Need(self.without, self.modality)]


class Figure3(Strict):
    """A sweep of fixed weights (`variant@w=...`) beside a variant with dynamic weights."""

    variant: str
    dynamic: str
    modality: Modality
    weights: list[float] = Field(min_length=2)

    @property
    def variants(self) -> list[str]:
        """One variant a weight, then the dynamic one."""
        return [f"{self.variant}@w={weight:g}" for weight in self.weights] + [self.dynamic]

    def needs(self) -> list[Need]:
        """Every weight and the dynamic variant."""
        return [Need(variant, self.modality) for variant in self.variants]


class Leakage(Strict):
    """The leakage twin: `holdout` never sees test clips, `portion` takes its update set from the
    test split."""

    holdout: str
    portion: str
    modality: Modality

    def needs(self) -> list[Need]:
        """Both variants."""
        return [Need(self.holdout, self.modality), Need(self.portion, self.modality)]


class LearningRates(Strict):
    """Variants under other learning rates of fine-tuning (`variant@lr=...`), on seeds of their
    own."""

    variants: list[str]
    values: list[float]
    seeds: Seeds
    modality: Modality

    def at_rates(self, variant: str) -> list[str]:
        """The variant under each rate of the grid."""
        return [f"{variant}@lr={value:g}" for value in self.values]

    def needs(self) -> list[Need]:
        """Each variant at its own rate and at those of the grid."""
        return [
            Need(name, self.modality, tuple(self.seeds))
            for variant in self.variants
            for name in (variant, *self.at_rates(variant))
        ]


class SourceLists(Strict):
    """Official list files of one data set, the folder that holds its clips, and (where the reader
    takes one) the class list."""

    reader: Literal[
        "vggsound", "audioset", "epic_kitchens", "ucf101", "kinetics_sounds", "plain_csv"
    ]
    lists: list[str] = Field(min_length=1)
    media: str
    classes: str | None = None


class Lists(Strict):
    """Where a plan's clips come from; the source `labelled` keeps its labels, the others are
    unlabelled."""

    sources: list[SourceLists] = Field(min_length=1)
    labelled: str
    update_per_class: int = Field(ge=0)
    validation_per_class: int = Field(ge=0)

    @field_validator("update_per_class")
    @classmethod
    def _circles_have_a_radius(cls, clips: int) -> int:
        if clips == 1:
            raise ValueError("wanted 2 or more, since one clip makes no circle, or 0 for none")
        return clips

    @model_validator(mode="after")
    def _labelled_is_a_source(self) -> Lists:
        readers = [source.reader for source in self.sources]
        if self.labelled not in readers or len(set(readers)) != len(readers):
            raise ValueError(
                f"wanted each reader once and labelled one of them, got {readers}, "
                f"labelled {self.labelled!r}"
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
                f"lists.sources: {len(missing)} of {len(named)} list files are missing, "
                f"{missing[0][0]} of {missing[0][1]} first; put them there (symbolic links work), "
                "or change lists.sources in the plan; docs/data.md"
            )
        return [path for path, _ in named]


def modalities_of(needs: Iterable[Need]) -> dict[str, list[Modality]]:
    """Variant -> modalities in A, V, AV order, variants in the order of their first need."""
    wanted: dict[str, set[str]] = {}
    for need in needs:
        wanted.setdefault(need.variant, set()).add(need.modality)
    order: tuple[Modality, ...] = ("A", "V", "AV")
    return {variant: [m for m in order if m in found] for variant, found in wanted.items()}
