"""Kinds of runs that cost the same per clip, and what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass

from diccae.plans import DEFAULT_SYSTEM, SCORED_STAGE, Plan
from diccae.run_graph import Run, with_parents
from diccae.systems._known import origin_of_variant

_ORDER = ("A", "V", "AV")


@dataclass(frozen=True)
class Kind:
    """Runs that cost the same per clip: of one system, trained with or without labels, in one
    modality; `stage` names a stage with labels that is not scored, `inputs` another input family
    than that of the system."""

    system: str
    labelled: bool
    modality: str
    stage: str = ""
    inputs: str = ""

    def __str__(self) -> str:
        system = "" if self.system == DEFAULT_SYSTEM else f"{self.system} "
        training = self.stage or ("fine-tuning" if self.labelled else "pre-training")
        inputs = f" on {self.inputs}" if self.inputs else ""
        return f"{system}{training} {self.modality}{inputs}"


@dataclass(frozen=True)
class Timing:
    """Median time per clip.

    Attributes:
        seconds: seconds per clip.
        batch: clips in each timed batch.
        full: clips in a batch of a real run.
        repeats: number of timed batches.
    """

    seconds: float
    batch: int
    full: int
    repeats: int


@dataclass(frozen=True)
class Speed:
    """Timings of one kind of run.

    Attributes:
        train: a training step.
        embed: features of one view.
        predict: scores of all views; None for a stage that is not scored.
    """

    train: Timing
    embed: Timing
    predict: Timing | None


@dataclass(frozen=True)
class Calibration:
    """Everything that was measured on one device.

    Attributes:
        device: name of the device.
        gpu: whether it is a GPU.
        seconds: how long the calibration took.
        speeds: timings by kind of run.
        kmeans: seconds of K-means per clip, restart and feature dimension.
        loading: seconds per clip and core to load a clip; None if the speeds include it or it is
            unknown.
        remarks: sentences on what was not measured as a real run would do it.
    """

    device: str
    gpu: bool
    seconds: float
    speeds: dict[Kind, Speed]
    kmeans: float
    loading: Timing | None
    remarks: list[str]


def kind_of(run: Run) -> Kind:
    """The kind that a run belongs to."""
    spec = run.spec
    other = run.stage if spec.labelled and not spec.scored else ""
    system, inputs = run.settings.system, origin_of_variant(run.variant).inputs
    family = "" if inputs == system.input_family else inputs
    return Kind(system.name, spec.labelled, run.modality, other, family)


def kinds(plan: Plan) -> list[Run]:
    """The runs to time: for each kind, the last run that a variant trains, of the reference if it
    has one.

    The variants of a system differ in cost by less than the timing noise.
    """
    names = sorted(plan.variants(), key=lambda name: name != plan.reference)
    found: dict[Kind, Run] = {}
    for name in names:
        own: dict[Kind, Run] = {}
        for modality in plan.variants()[name]:
            scored = Run(plan, SCORED_STAGE, name, plan.seeds[0], modality, plan.folds[0])
            for run in with_parents([scored]):
                own[kind_of(run)] = run
        found = own | found
    return sorted(found.values(), key=lambda run: (run.spec.labelled, _ORDER.index(run.modality)))
