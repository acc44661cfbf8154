"""Budgets and optimisers of the stages of training, as the configs state them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from diccae.errors import UserError


class Strict(BaseModel):
    """A model whose unknown keys are errors, whose numbers are finite, and whose values cannot be
    changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class StageSchedule(Strict):
    """Budget and optimiser of one training stage.

    Attributes:
        epochs: passes over the stage's training clips.
        batch_size: clips of a step in one process.
        lr: peak learning rate; it decays by a cosine to 0 over the epochs.
        weight_decay: of the optimiser.
        steps: a budget in optimiser steps: one epoch over a draw of steps x batch_size clips.
        optimizer: further keys of the optimiser's config, e.g.
            `dict(type="AdamW", betas=(0.9, 0.95))`.
        paramwise: mmengine's `paramwise_cfg`, e.g. a larger rate for the head.
        warmup_epochs: epochs over which the rate rises linearly to `lr` first.
        average_from: from this epoch on the weights are averaged (mmengine's
            `StochasticWeightAverage`), and the average is what is scored and kept; None for none.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    steps: int | None = Field(ge=1)
    optimizer: dict[str, Any] = {"type": "Adam"}
    paramwise: dict[str, Any] | None = None
    warmup_epochs: int = Field(default=0, ge=0)
    average_from: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _optimizer_is_named(self) -> StageSchedule:
        if not isinstance(self.optimizer.get("type"), str):
            raise ValueError(
                "wanted the name of an optimiser as optimizer.type, such as Adam, got "
                f"{self.optimizer.get('type', 'none')}"
            )
        return self

    @model_validator(mode="after")
    def _epochs_fit(self) -> StageSchedule:
        if self.steps is not None and self.epochs != 1:
            raise ValueError(f"wanted epochs 1 beside steps, got epochs {self.epochs}")
        for name in ("warmup_epochs", "average_from"):
            value = getattr(self, name)
            if value and value >= self.epochs:
                raise ValueError(f"wanted {name} below epochs {self.epochs}, got {value}")
        return self


class Schedule(Strict):
    """What `schedule` of a config holds: one `StageSchedule` a stage, by the stage's name, and what
    all stages share.

    Attributes:
        stages: by the name of the stage.
        eval_batch_size: clips of a batch without gradients.
        views: views of a clip at test time.
        num_workers: loader processes of a run.
        precision: of the forward pass; bfloat16 needs a GPU.
        compile: whether the encoders are handed to torch.compile.
        stream: of random numbers. Each but 0 gives runs other initial weights, another order of
            clips and other augmentations, and leaves the draw of clips, folds and the stages that
            all variants share as they are.
        base_batch_size: clips of a step that the learning rates were chosen for; with more, over
            all processes, they grow in proportion. None: they stay.
    """

    stages: dict[str, StageSchedule]
    eval_batch_size: int = Field(ge=1)
    views: int = Field(ge=1)
    num_workers: int = Field(ge=0)
    precision: Literal["float32", "bfloat16"]
    compile: bool
    stream: int = Field(default=0, ge=0)
    base_batch_size: int | None = Field(ge=1)

    @model_validator(mode="before")
    @classmethod
    def _gather_stages(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "stages" in content:
            return content
        stages = {name: value for name, value in content.items() if isinstance(value, dict)}
        return {**{k: v for k, v in content.items() if k not in stages}, "stages": stages}

    def as_record(self) -> dict[str, Any]:
        """The content as the configs write it: stages by their names beside the shared keys."""
        content = self.model_dump()
        return content.pop("stages") | content


def classes_per_batch(batch_size: int, samples_per_class: int) -> int:
    """P of P x K batches.

    Raises:
        UserError: `batch_size` is no multiple of K, or too small for clips of two classes.
    """
    if batch_size % samples_per_class:
        raise UserError(
            f"the batch size {batch_size} is no multiple of data.samples_per_class "
            f"{samples_per_class}; change schedule.finetune.batch_size or data.samples_per_class"
        )
    if batch_size == samples_per_class:
        raise UserError(
            f"a batch of {batch_size} holds data.samples_per_class {samples_per_class} clips of "
            "one class and no pair of two classes; lower data.samples_per_class in the plan"
        )
    return batch_size // samples_per_class
