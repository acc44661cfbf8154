"""Sections of a plan: what each artifact needs, and where the clips come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from diccae.kernels import Kernels
from diccae.schedule import Strict
from diccae.seed_sets import Seeds

Modality = Literal["A", "V", "AV"]


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
    """How the processor computes, which decides the last digits of every number.

    Attributes:
        kernels: `portable` for the same numbers on every x86-64 processor with AVX2, `fastest` to
            let MKL choose by the processor (`diccae.kernels`).
        threads: of one run.
        deterministic: whether a GPU computes with deterministic algorithms alone, so that the same
            GPU gives the same numbers again; K-means is then left to the CPU.
    """

    kernels: Kernels = "portable"
    threads: int = Field(default=1, ge=1)
    deterministic: bool = False

    @model_serializer(mode="wrap")
    def _without_default(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # the committed reference is older than this key, and its configs are hashed
        values: dict[str, Any] = handler(self)
        if not self.deterministic:
            del values["deterministic"]
        return values


class Section(Strict):
    """Variants in rows, each scored in every modality."""

    variants: list[str]
    modalities: list[Modality]

    def needs(self) -> list[Need]:
        """Every variant in every modality."""
        return [Need(variant, m) for variant in self.variants for m in self.modalities]


class Table1(Section):
    """The systems of Table 1.

    Attributes:
        at_chosen_rates: variants again, each at the learning rate that was chosen for it on
            validation clips (`mbt@lr=0.004`), beside those at the common rate; scored in the
            modality that holds the others, in which the rates were chosen.
    """

    at_chosen_rates: list[str] = []

    @model_validator(mode="after")
    def _rates_of_variants(self) -> Table1:
        for name in self.at_chosen_rates:
            base, _, value = name.partition("@")
            if base not in self.variants or not value:
                raise ValueError(
                    f"at_chosen_rates: wanted one of `variants` ({', '.join(self.variants)}) with "
                    f"a rate in its name, such as mbt@lr=0.001, got {name!r}"
                )
        return self

    @property
    def rows(self) -> list[tuple[str, list[Modality]]]:
        """Each variant with the modalities that it is scored in; those at chosen rates last."""
        widest = max(self.modalities, key=len)
        return [
            *((variant, self.modalities) for variant in self.variants),
            *((variant, [widest]) for variant in self.at_chosen_rates),
        ]

    def needs(self) -> list[Need]:
        """Every row in its modalities."""
        return [Need(variant, m) for variant, modalities in self.rows for m in modalities]

    def peer(self, variant: str, other: str) -> str | None:
        """What a variant is compared with: `other`, or for a variant at a chosen rate `other` at
        the one chosen for it; None where the section lacks it."""
        if variant not in self.at_chosen_rates:
            return other if other in self.variants else None
        of_other = (name for name in self.at_chosen_rates if name.partition("@")[0] == other)
        return next(of_other, None)


class Tuning(Section):
    """Settings that hyper-parameters are selected from.

    Attributes:
        apart: whether each model has a best value of its own; otherwise all have one value, the
            best in their mean.
    """

    apart: bool = False


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


class Mechanism(Strict):
    """A variant whose losses weigh pairs of classes, and one with flat weights."""

    variant: str
    flat: str
    modality: Modality

    def needs(self) -> list[Need]:
        """Both variants."""
        return [Need(self.variant, self.modality), Need(self.flat, self.modality)]


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


class Curve(Strict):
    """A variant at several values of one number (`variant@parameter=...`).

    Attributes:
        variant: as it is, it has the value `default`.
        parameter: short name of a key, from `parameters` of the plan.
        values: ascending, `default` among them.
        default: the value that differences are measured from.
    """

    variant: str
    parameter: str
    values: list[float] = Field(min_length=2)
    default: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if sorted(set(self.values)) != self.values or self.default not in self.values:
            raise ValueError(
                f"wanted ascending values, with the default ({self.default:g}) among them, got "
                f"{', '.join(f'{value:g}' for value in self.values)}"
            )
        return self

    def at(self, value: float) -> str:
        """The variant with a value; without one in its name where it is the default."""
        return self.variant if value == self.default else f"{self.variant}@{self.named(value)}"

    def named(self, value: float) -> str:
        """A value as variants name it: `c=4`."""
        return f"{self.parameter}={value:g}"


class DoseResponse(Strict):
    """Accuracy as a function of a number, several curves."""

    modality: Modality
    curves: list[Curve] = Field(min_length=1)

    def needs(self) -> list[Need]:
        """Every curve at each of its values; first the variants as they are, whose warm-up the
        others then share."""
        names = [curve.variant for curve in self.curves]
        names += [curve.at(value) for curve in self.curves for value in curve.values]
        return [Need(name, self.modality) for name in dict.fromkeys(names)]


def joint(modalities: Iterable[Modality]) -> Modality:
    """The smallest modality that holds all of these: A, V, or AV for both."""
    found = set("".join(modalities))
    return "A" if found == {"A"} else "V" if found == {"V"} else "AV"


def modalities_of(needs: Iterable[Need]) -> dict[str, list[Modality]]:
    """Variant -> modalities in A, V, AV order, variants in the order of their first need."""
    wanted: dict[str, set[str]] = {}
    for need in needs:
        wanted.setdefault(need.variant, set()).add(need.modality)
    order: tuple[Modality, ...] = ("A", "V", "AV")
    return {variant: [m for m in order if m in found] for variant, found in wanted.items()}
