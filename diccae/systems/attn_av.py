"""Attn AV (Fayek and Kumar, IJCAI 2020): a model of audio and one of video, whose outputs a gate
combines."""

from __future__ import annotations

from typing import Any, Literal

from diccae.errors import UserError
from diccae.systems._infonce import (
    PRETRAIN,
    InitialEncoders,
    initial_parents,
    initial_weights,
    pretraining,
)
from diccae.systems.spec import FINETUNE, Parent, RunContext, Stage, System

MODELS = {"audio": Parent("finetune", "A"), "video": Parent("finetune", "V")}


class AttnAVChoices(InitialEncoders):
    """Defaults: `configs/systems/attn_av.py`; alternatives: `configs/ambiguities.yaml`."""

    gate: Literal["features", "outputs", "constant", "half"]
    per_class: bool
    outputs: Literal["probabilities", "logits"]
    train_models: bool


class AttnAV(System[AttnAVChoices]):
    """In one modality a plain model; in both, the two models with a gate."""

    name = "attn_av"
    title = "Attn AV"
    choices = AttnAVChoices
    stages = (PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.attn_av",)
    reference = (
        "Fayek and Kumar, Large Scale Audiovisual Learning of Sounds with Weakly Labeled Data, "
        "IJCAI 2020"
    )
    fidelity = "interpretation"

    def parents(self, stage: Stage, modality: str, choices: AttnAVChoices) -> tuple[Parent, ...]:
        """The models of audio and of video, fine-tuned with the same seed; in one modality its
        encoder, if it is pre-trained."""
        if stage == PRETRAIN:
            return ()
        return tuple(MODELS.values()) if modality == "AV" else initial_parents(choices)

    def model(self, run: RunContext[AttnAVChoices]) -> dict[str, Any]:
        """The network; of both modalities with the weights of the two models.

        Raises:
            UserError: a gate that is not learned combines models that are trained further, or the
                variant lacks the pre-training that it starts from.
        """
        if run.stage == PRETRAIN:
            return pretraining(run)
        choices = run.choices
        model = dict(
            type="AttnAV",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            data_preprocessor=run.preprocessor(),
            **run.encoders(),
        )
        if run.modality != "AV":
            return model | initial_weights(run)
        if choices.gate == "half" and choices.train_models:
            raise UserError(
                "method.gate half averages the models as they are, and method.train_models trains "
                "them; set method.train_models: false, or learn a gate (method.gate: constant)"
            )
        paths = {name: run.parents[parent] for name, parent in MODELS.items()}
        return model | dict(
            gate="constant" if choices.gate == "half" else choices.gate,
            per_class=choices.per_class,
            outputs=choices.outputs,
            train_models=choices.train_models,
            init_cfg=dict(type="EncoderWeights", checkpoints=paths),
        )

    def optimizer(self, run: RunContext[AttnAVChoices]) -> dict[str, Any]:
        """The optimiser of the schedule; a gate of 1/2 has a rate of 0."""
        wrapper = super().optimizer(run)
        if run.stage == FINETUNE and run.modality == "AV" and run.choices.gate == "half":
            wrapper["optimizer"]["lr"] = 0.0
        return wrapper


SYSTEM = AttnAV()
