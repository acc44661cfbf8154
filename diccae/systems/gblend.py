"""Gradient-Blending (Wang, Tran and Feiszli, CVPR 2020): a loss for each modality and a joint one,
weighted by how much each overfits and generalises."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from diccae.errors import UserError
from diccae.schedule import StageSchedule
from diccae.systems._infonce import (
    PRETRAIN,
    InitialEncoders,
    initial_parents,
    initial_weights,
    pretraining,
)
from diccae.systems.spec import FINETUNE, DataUse, Parent, RunContext, Stage, System

BLEND = "blend.json"
COPIES = 2  # passes of the network that one pass of all copies costs
ESTIMATE = Stage("estimate", labelled=True, budget_of="finetune")


class GBlendChoices(InitialEncoders):
    """Defaults: `configs/systems/gblend.py`; alternatives: `configs/ambiguities.yaml`."""

    weights: Literal["offline", "online", "equal", "joint"]
    super_epoch: int = Field(ge=1)
    least_overfitting: float = Field(gt=0, le=1)
    inference: Literal["joint", "blend"]


class GBlend(System[GBlendChoices]):
    """In both modalities the weighted sum of three losses; in one, a plain network."""

    name = "gblend"
    title = "GBlend"
    choices = GBlendChoices
    stages = (PRETRAIN, ESTIMATE, FINETUNE)
    imports = ("diccae.models.systems.gblend", "diccae.engine.hooks.gradient_blending")
    label_use = "labels of the update set, for the weights of the losses"
    reference = (
        "Wang, Tran and Feiszli, What Makes Training Multi-Modal Classification Networks Hard?, "
        "CVPR 2020"
    )
    fidelity = "paper"

    def parents(self, stage: Stage, modality: str, choices: GBlendChoices) -> tuple[Parent, ...]:
        """Weights that are estimated before training; encoders, if they are pre-trained."""
        if stage == PRETRAIN:
            return ()
        estimated = stage == FINETUNE and modality == "AV" and choices.weights == "offline"
        own = (Parent("estimate", "AV", BLEND),) if estimated else ()
        return own + initial_parents(choices)

    def data_in(
        self, modality: str, stage: Stage, choices: GBlendChoices, budget: StageSchedule
    ) -> DataUse:
        """Training clips and update set are read before and after each training of copies."""
        use = self.data(stage, choices, budget)
        if stage == ESTIMATE:
            return replace(use, update="update", update_passes=2, train_passes=2)
        if stage == PRETRAIN or modality != "AV" or choices.weights != "online":
            return use
        passes = 2 * math.ceil(budget.epochs / choices.super_epoch)
        return replace(
            use,
            update="update",
            update_passes=COPIES * passes,
            train_passes=COPIES * passes,
            copy_passes=COPIES * budget.epochs,
        )

    def model(self, run: RunContext[GBlendChoices]) -> dict[str, Any]:
        """The network of pre-training, the copies of the estimate, or the network.

        Raises:
            UserError: the estimate is asked for one modality alone, or the variant lacks it or
                pre-training.
        """
        if run.stage == PRETRAIN:
            return pretraining(run)
        if run.stage == ESTIMATE:
            return self._copies(run) | initial_weights(run)
        choices = run.choices
        model = dict(
            type="GBlend",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            heads=run.modalities,
            data_preprocessor=run.preprocessor(),
            **run.encoders(),
            **initial_weights(run),
        )
        if run.modality != "AV":
            return model
        heads = () if choices.weights == "joint" else run.modalities
        model |= dict(heads=(*heads, "joint"), inference=choices.inference)
        if choices.weights == "offline":
            model["weights_file"] = run.parent(BLEND)
            if model["weights_file"] is None:
                raise UserError(
                    "method.weights offline needs the stage estimate, which the variant leaves out"
                    "; keep it, or choose other weights"
                )
        return model

    def hooks(self, run: RunContext[GBlendChoices]) -> list[dict[str, Any]]:
        """The estimate of the weights."""
        if run.stage == ESTIMATE:
            return [dict(type="BlendEstimateHook")]
        if run.stage == PRETRAIN or run.modality != "AV" or run.choices.weights != "online":
            return []
        copies, length, seed = self._copies(run), run.choices.super_epoch, run.stream_seed
        return [dict(type="OnlineBlendHook", copies=copies, super_epoch=length, seed=seed)]

    def _copies(self, run: RunContext[GBlendChoices]) -> dict[str, Any]:
        if run.modality != "AV":
            raise UserError(
                f"weights of the losses are estimated for audio and video together, not in "
                f"{run.modality} alone, which has one loss; ask for the stage finetune"
            )
        return dict(
            type="GBlendCopies",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            least_overfitting=run.choices.least_overfitting,
            data_preprocessor=run.preprocessor(),
            **run.encoders(),
        )


SYSTEM = GBlend()
