"""MBT: two transformers that exchange information through a few bottleneck tokens."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from diccae.errors import UserError
from diccae.systems._infonce import (
    PRETRAIN,
    InitialEncoders,
    initial_parents,
    initial_weights,
    pretraining,
)
from diccae.systems.spec import FINETUNE, Parent, RunContext, Stage, System


class MBTChoices(InitialEncoders):
    """Choices of MBT; values in `configs/systems/mbt.py`.

    Attributes:
        bottlenecks: B, number of bottleneck tokens.
        fusion_layer: L_f, number of layers before the modalities exchange information; the number
            of all layers for late fusion.
        fusion: from L_f on, `bottleneck` tokens or full `attention` to the tokens of both
            modalities.
        pooling: the feature of a modality: its class token, or the mean of its tokens.
        objective: the loss is the mean of the cross entropies of each modality, or the cross
            entropy of the mean logits.
    """

    bottlenecks: int = Field(ge=1)
    fusion_layer: int = Field(ge=0)
    fusion: Literal["bottleneck", "attention"]
    pooling: Literal["class_token", "mean"]
    objective: Literal["each_modality", "mean_logits"]


class Mbt(System[MBTChoices]):
    """Trained from scratch on the labels, with token encoders; with one modality a plain vision
    transformer."""

    name = "mbt"
    title = "MBT"
    choices = MBTChoices
    stages = (PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.mbt",)
    input_family = "tokens"
    reference = (
        "Nagrani, Yang, Arnab, Jansen, Schmid, Sun: Attention Bottlenecks for Multimodal Fusion, "
        "NeurIPS 2021"
    )
    fidelity = "paper"

    def parents(self, stage: Stage, modality: str, choices: MBTChoices) -> tuple[Parent, ...]:
        """The encoders, if they are pre-trained."""
        return initial_parents(choices) if stage == FINETUNE else ()

    def model(self, run: RunContext[MBTChoices]) -> dict[str, Any]:
        """The network; with one modality there is nothing to fuse.

        Raises:
            UserError: the encoders do not work on tokens or differ in depth or width, or nothing
                could pass between the modalities, or the variant lacks its pre-training.
        """
        if run.stage == PRETRAIN:
            return pretraining(run)
        encoders = run.token_encoders(self.name)
        model = dict(
            type="MBT",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            pooling=run.choices.pooling,
            data_preprocessor=run.preprocessor(),
            **encoders,
            **initial_weights(run),
        )
        depth = _depth([encoders[f"{name}_encoder"] for name in run.modalities])
        if len(run.modalities) == 1:
            return model
        _check_exchange(run.choices, depth)
        fusion = run.choices.model_dump(
            include={"bottlenecks", "fusion_layer", "fusion", "objective"}
        )
        return model | fusion


def _depth(encoders: list[dict[str, Any]]) -> int:
    """Number of layers of the encoders."""
    for key in ("width", "depth"):
        values = [encoder[key] for encoder in encoders]
        if len(set(values)) > 1:
            raise UserError(
                f"mbt: the encoders of the modalities share their bottlenecks and final LayerNorm, "
                f"and so need the same {key}, got {values[0]} (audio) and {values[1]} (video); "
                "correct tokens.py of configs/base"
            )
    return encoders[0]["depth"]


def _check_exchange(choices: MBTChoices, depth: int) -> None:
    layer = choices.fusion_layer
    if layer > depth:
        raise UserError(
            f"method.fusion_layer: the encoders have {depth} layers, got {layer}; {depth} is late "
            "fusion"
        )
    # their average after the last layer is never read
    if choices.fusion == "bottleneck" and layer == depth - 1:
        raise UserError(
            f"method.fusion_layer {layer}: bottlenecks that enter in the last of {depth} layers "
            f"pass nothing between the modalities; wanted at most {depth - 2}, or {depth} for late "
            "fusion"
        )


SYSTEM = Mbt()
