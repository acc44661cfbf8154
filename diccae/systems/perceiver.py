"""Perceiver IO: a few latent vectors read the tokens of both modalities by cross-attention."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from diccae.systems._infonce import (
    PRETRAIN,
    InitialEncoders,
    initial_parents,
    initial_weights,
    pretraining,
)
from diccae.systems.spec import FINETUNE, Parent, RunContext, Stage, System


class PerceiverChoices(InitialEncoders):
    """Choices of Perceiver IO; values in `configs/systems/perceiver.py`.

    Attributes:
        latents, latent_width: N latent vectors of width D.
        layers: S self-attention layers on the latents, each with weights of its own.
        repeats: how often these S layers are applied one after the other.
        heads, cross_heads, decoder_heads: of the self-attention, of the latents' attention to the
            tokens, and of the class query's attention to the latents.
        widening: width of the MLP in a self-attention layer, in multiples of D.
        attention_dropout: share of the attention weights that are dropped in training.
        positions: `learned`: projected patches plus a learned position; `fourier`: the values of a
            patch beside the Fourier features of its position.
        fourier_bands: of `fourier`, frequencies on each axis.
        modality_channels: fewest channels of the learned vector that tells the modalities apart.
        init: `scratch`, or the path of a released checkpoint of Perceiver IO.
    """

    latents: int = Field(ge=1)
    latent_width: int = Field(ge=1)
    layers: int = Field(ge=1)
    repeats: int = Field(ge=1)
    heads: int = Field(ge=1)
    cross_heads: int = Field(ge=1)
    decoder_heads: int = Field(ge=1)
    widening: int = Field(ge=1)
    attention_dropout: float = Field(ge=0, lt=1)
    positions: Literal["learned", "fourier"]
    fourier_bands: int = Field(ge=1)
    modality_channels: int = Field(ge=1)
    init: str

    @model_validator(mode="after")
    def _heads_divide(self) -> PerceiverChoices:
        for name in ("heads", "cross_heads", "decoder_heads"):
            if self.latent_width % getattr(self, name):
                raise ValueError(
                    f"wanted {name} that divide latent_width {self.latent_width}, got "
                    f"{getattr(self, name)}"
                )
        return self

    @model_validator(mode="after")
    def _takes_encoders(self) -> PerceiverChoices:
        if self.initial_encoders == "infonce":
            if self.positions == "fourier":
                raise ValueError(
                    "initial_encoders infonce gives projections and learned positions of the "
                    "patches, and positions fourier has neither; set positions to learned"
                )
            if self.init != "scratch":
                raise ValueError(
                    f"initial_encoders infonce and init {self.init} both give the weights of the "
                    "tokens; set one of them to scratch"
                )
        return self


class Perceiver(System[PerceiverChoices]):
    """Trained from scratch on the labels, in A, V and A-V alike."""

    name = "perceiver"
    title = "Perceiver IO"
    choices = PerceiverChoices
    stages = (PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.perceiver",)
    input_family = "tokens"
    reference = (
        "Jaegle, Borgeaud, Alayrac, Doersch, Ionescu, Ding, Koppula, Zoran, Brock, Shelhamer, "
        "Henaff, Botvinick, Zisserman, Vinyals, Carreira: Perceiver IO: A General Architecture for "
        "Structured Inputs & Outputs, ICLR 2022"
    )
    fidelity = "released code"

    def parents(self, stage: Stage, modality: str, choices: PerceiverChoices) -> tuple[Parent, ...]:
        """Projections and positions of the patches, if the encoders are pre-trained."""
        return initial_parents(choices) if stage == FINETUNE else ()

    def model(self, run: RunContext[PerceiverChoices]) -> dict[str, Any]:
        """The network, and the token encoders without their transformer blocks.

        Raises:
            UserError: the encoders are not on tokens, or the variant lacks the pre-training that it
                starts from.
        """
        if run.stage == PRETRAIN:
            return pretraining(run)
        encoders = {
            name: encoder and dict(encoder, depth=0)
            for name, encoder in run.token_encoders(self.name).items()
        }
        return dict(
            type="PerceiverIO",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            data_preprocessor=run.preprocessor(),
            **run.choices.model_dump(exclude={"initial_encoders"}),
            **encoders,
            **initial_weights(run),
        )


SYSTEM = Perceiver()
