"""Stages of training, what a run starts from, and which clips it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WEIGHTS = "weights.pth"


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    Attributes:
        name: names the run's folder and the key of its budget in `schedule`.
        labelled: trained on the labelled clips, once for each modality that the plan scores;
            otherwise on the unlabelled pool, in the modality that the plan pre-trains in.
        scored: whether the validation and test clips are scored at its end.
        shared: the same for all variants: a variant's `method` does not act on it.
        only_with: a choice and its value that a variant needs to have the stage; None for all.
        budget_of: the stage whose key of `schedule` it takes its budget from; None for its own.
    """

    name: str
    labelled: bool = False
    scored: bool = False
    shared: bool = False
    only_with: tuple[str, str] | None = None
    budget_of: str | None = None

    def wanted_by(self, choices: object) -> bool:
        """Whether a variant with these choices has the stage."""
        return self.only_with is None or getattr(choices, self.only_with[0]) == self.only_with[1]

    @property
    def budget_key(self) -> str:
        """The key of `schedule` that holds its budget."""
        return self.budget_of or self.name


PRETRAIN = Stage("pretrain")
FINETUNE = Stage("finetune", labelled=True, scored=True)


@dataclass(frozen=True)
class Parent:
    """A file that a run starts from: of the same variant and seed, of another stage or modality;
    the modality None is that of the stages without labels."""

    stage: str
    modality: str | None = None
    file: str = WEIGHTS


@dataclass(frozen=True)
class DataUse:
    """Which clips a stage uses beside its training clips, and how batches are drawn.

    Attributes:
        batches: `uniform`, or `p_x_k`: P classes with K clips each.
        permuted_labels: whether training and update clips of a labelled stage have the labels of
            other clips (a control).
        sources: sources of the unlabelled pool to train on; None for all.
        update: the update set: `held_out` of the unlabelled pool, the split `update`, clips of
            `test`; None for none.
        clusters: whether the stage trains on cluster ids.
        clusterings: how often the training clips are clustered during the stage.
        update_passes: how often the network reads the update set.
        train_passes: how often it reads the training clips without augmentation, for their losses.
        copy_passes: passes over them that train copies of the network, in passes of its own.
    """

    batches: Literal["uniform", "p_x_k"] = "uniform"
    permuted_labels: bool = False
    sources: tuple[str, ...] | None = None
    update: Literal["held_out", "update", "test"] | None = None
    clusters: bool = False
    clusterings: int = 0
    update_passes: int = 0
    train_passes: int = 0
    copy_passes: int = 0
