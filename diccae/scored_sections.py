"""What a plan scores: its sections, their runs and their modalities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from diccae.schedule import Strict
from diccae.sections import (
    DoseResponse,
    Figure2,
    Figure3,
    Leakage,
    LearningRates,
    Mechanism,
    Modality,
    Need,
    Scored,
    Section,
    Table1,
    Tuning,
    joint,
    modalities_of,
)
from diccae.seed_sets import Seeds

# what the modules of the section `avcl` are removed from
AVCL = "avcl"


class ScoredSections(Strict):
    """The sections of a plan.

    Attributes:
        seeds: each seed is a repetition of everything.
        default_seeds: how many of them, from the first, are taken where nobody asks for a number;
            None for all. See `Plan.first_seeds`.
        reference: the variant that every drop is measured against.
        pretrain_modality: of the stages without labels; None for the union of the scored ones.
        table1, ..., spread: what each artifact needs; at least one of them.
    """

    seeds: Seeds
    default_seeds: int | None = Field(default=None, ge=1)
    reference: str = "full"
    pretrain_modality: Modality | None = None
    table1: Table1 | None = None
    table2: Section | None = None
    sensitivity: Section | None = None
    cluster_ce: Section | None = None
    figure2: Figure2 | None = None
    figure3: Figure3 | None = None
    controls: Section | None = None
    leakage: Leakage | None = None
    learning_rates: LearningRates | None = None
    dose_response: DoseResponse | None = None
    avcl: Section | None = None
    mechanism: Mechanism | None = None
    tuning: Tuning | None = None
    spread: Section | None = None

    @model_validator(mode="after")
    def _default_of_seeds(self) -> Self:
        if self.default_seeds is not None and self.default_seeds > len(self.seeds):
            raise ValueError(
                f"default_seeds: wanted a number from 1 to {len(self.seeds)}, the number of seeds, "
                f"got {self.default_seeds}"
            )
        return self

    @model_validator(mode="after")
    def _purpose(self) -> Self:
        scored = [need.modality for need in self.needs()]
        if not scored:
            raise ValueError("wanted a section that scores something, such as table1 or table2")
        wanted = self.pretrain_modality or "AV"
        lacking = [modality for modality in scored if not set(modality) <= set(wanted)]
        if lacking:
            raise ValueError(
                f"pretrain_modality: wanted a modality that {lacking[0]} is part of, since the "
                f"plan scores {lacking[0]}, got {wanted}; set it to AV, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _known_reference(self) -> Self:
        for name in ("table1", "table2", "controls"):
            section = getattr(self, name)
            if section is not None and self.reference not in section.variants:
                raise ValueError(
                    f"reference: wanted one of the variants of {name} "
                    f"({', '.join(section.variants)}), got {self.reference!r}"
                )
        known = self.reference_modalities
        if self.reported() and not known:
            raise ValueError(
                f"reference: wanted a variant that the plan scores with all of its seeds "
                f"({', '.join(modalities_of(self.reported()))}), got {self.reference!r}"
            )
        for name in ("sensitivity", "cluster_ce"):
            section = getattr(self, name)
            lacking = [m for m in section.modalities if m not in known] if section else []
            if lacking:
                raise ValueError(
                    f"{name}.modalities: drops in {lacking[0]} are measured from "
                    f"{self.reference!r}, which no section scores in {lacking[0]}; add it to "
                    f"{name}.variants"
                )
        return self

    @model_validator(mode="after")
    def _whole_avcl(self) -> Self:
        if self.avcl is not None and AVCL not in self.avcl.variants:
            raise ValueError(
                f"avcl.variants: wanted {AVCL} among them, from which the drops are measured, got "
                f"{', '.join(self.avcl.variants)}"
            )
        return self

    def needs(self) -> list[Need]:
        """What all sections need, section by section."""
        sections = (getattr(self, name) for name in type(self).model_fields)
        return [need for s in sections if hasattr(s, "needs") for need in s.needs()]

    def reported(self) -> list[Need]:
        """What the report is made from: all sections but `tuning`, of which the test clips are not
        read, and `spread`, which compares nothing; nothing for a plan that has these alone."""
        return self.model_copy(update={"tuning": None, "spread": None}).needs()

    @property
    def reference_modalities(self) -> list[Modality]:
        """Modalities in which the report has the reference with all seeds, in A, V, AV order."""
        whole = [need for need in self.reported() if need.seeds is None]
        return modalities_of(whole).get(self.reference, [])

    @property
    def modality(self) -> Modality:
        """What the clips must have, and what the stages without labels are trained in."""
        own = [] if self.pretrain_modality is None else [self.pretrain_modality]
        return joint([*own, *(need.modality for need in self.needs())])

    def variants(self) -> dict[str, list[Modality]]:
        """Every variant of the plan with the modalities that any artifact scores, in A, V, AV
        order."""
        return modalities_of(self.needs())

    def scored(self, needs: Iterable[Need]) -> list[Scored]:
        """The scored runs of some needs, each once."""
        runs = (
            Scored(need.variant, need.modality, seed)
            for need in needs
            for seed in (self.seeds if need.seeds is None else need.seeds)
        )
        return list(dict.fromkeys(runs))
