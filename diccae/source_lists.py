"""Where the clips of a plan come from: list files of data sets, and folds of their clips."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from diccae.errors import UserError
from diccae.schedule import Strict

Reader = Literal[
    "vggsound",
    "audioset",
    "epic_kitchens",
    "ucf101",
    "kinetics_sounds",
    "esc50",
    "kitchen20",
    "urbansound8k",
    "plain_csv",
]
# the subset that a reader can take
SUBSETS = {"esc50": "esc10", "ucf101": "sound"}


class SourceLists(Strict):
    """Official list files of one data set, the folder that holds its clips, and (where the reader
    takes one) the class list.

    Attributes:
        lists: files; for esc50 also the folder of a release in folders.
        classes: a class list that sets the order of the classes; `31` or `32` for kinetics_sounds.
        subset: `esc10`, of esc50, for the clips of ESC-10 alone; `sound`, of ucf101, for those of
            the classes with sound.
    """

    reader: Reader
    lists: list[str] = Field(min_length=1)
    media: str
    classes: str | None = None
    subset: Literal["esc10", "sound"] | None = None

    @model_validator(mode="after")
    def _subset_of_the_reader(self) -> SourceLists:
        known = SUBSETS.get(self.reader, "none")
        if self.subset not in (None, known):
            raise ValueError(f"subset: {self.reader} has {known}; correct or remove the key")
        return self


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
        missing = [(path, reader) for path, reader in named if not Path(path).exists()]
        if missing:
            own = [s.classes for s in self.sources if (s.classes, s.reader) in missing]
            raise UserError(
                f"lists.sources: {len(missing)} of {len(named)} list files are missing, "
                f"{missing[0][0]} of {missing[0][1]} first; put them there (symbolic links work), "
                "or change lists.sources in the plan; "
                + (f"{own[0]} is a list of class names, one a line; " if own else "")
                + "docs/data.md"
            )
        return [path for path, _ in named]


class Folds(Strict):
    """Folds of the labelled clips, each of which is the test split of a run of its own.

    Attributes:
        kind: `official` for the column `fold` of the manifest, the same with every seed; `grouped`
            for folds drawn by the seed, which keep the clips of a `group` together.
        count: number of folds.
        train_groups_per_class: groups of a class whose clips keep their labels in training; the
            others join the unlabelled pool. None for all.
        shared_groups: what to do about groups in more than one official fold: `refuse` them, or
            `leave_out` their other clips where one of their clips is tested.
    """

    kind: Literal["official", "grouped"]
    count: int = Field(ge=2)
    train_groups_per_class: int | None = Field(default=None, ge=1)
    shared_groups: Literal["refuse", "leave_out"] = "refuse"
