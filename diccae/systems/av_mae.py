"""AudiovisualMAE: masked autoencoding of both modalities, then fine-tuning as MBT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, cast

from pydantic import Field, model_validator

from diccae.errors import UserError
from diccae.schedule import Strict
from diccae.systems.mbt import SYSTEM as MBT
from diccae.systems.mbt import MBTChoices
from diccae.systems.spec import FINETUNE, PRETRAIN, Parent, RunContext, Stage, System


class AvMaeChoices(Strict):
    """Choices of AudiovisualMAE.

    Attributes:
        audio_masked, video_masked: share of the tokens of a clip that pre-training masks.
        pretrain_on: `both`: every modality that the plan pre-trains in; or `audio` alone.
        decoder_width, decoder_depth, decoder_heads: of the decoder that both modalities share.
        bottlenecks, fusion_layer: B and L_f of MBT in fine-tuning.
    """

    audio_masked: float = Field(gt=0, lt=1)
    video_masked: float = Field(gt=0, lt=1)
    pretrain_on: Literal["both", "audio"]
    decoder_width: int = Field(ge=2, multiple_of=2)
    decoder_depth: int = Field(ge=1)
    decoder_heads: int = Field(ge=1)
    bottlenecks: int = Field(ge=1)
    fusion_layer: int = Field(ge=0)

    @model_validator(mode="after")
    def _heads_fit(self) -> AvMaeChoices:
        width, heads = self.decoder_width, self.decoder_heads
        if width % heads:
            raise ValueError(f"wanted decoder_heads that divide decoder_width {width}, got {heads}")
        return self


class AvMae(System[AvMaeChoices]):
    """AudiovisualMAE as it was trained on VGGSound: own encoders, one decoder, no inpainting.

    Fine-tuning in one modality takes the encoder of this modality, whatever else pre-training
    reconstructed.
    """

    name = "av_mae"
    title = "AudiovisualMAE"
    choices = AvMaeChoices
    stages = (PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.av_mae", "diccae.models.systems.mbt")
    input_family = "tokens"
    reference = (
        "Georgescu, Fonseca, Ionescu, Lucic, Schmid, Arnab: Audiovisual Masked Autoencoders, "
        "ICCV 2023"
    )
    fidelity = "paper"

    def parents(self, stage: Stage, modality: str, choices: AvMaeChoices) -> tuple[Parent, ...]:
        """Fine-tuning starts from the encoders of pre-training."""
        return (Parent("pretrain"),) if stage == FINETUNE else ()

    def model(self, run: RunContext[AvMaeChoices]) -> dict[str, Any]:
        """The autoencoders, or MBT on the means of tokens, which starts from their encoders.

        Raises:
            UserError: the encoders do not work on tokens, fine-tuning has a modality that
                pre-training lacked, or the encoders or the layers of fusion do not fit, see MBT.
        """
        needs_video = run.modality == "V" or (run.stage == FINETUNE and run.modality == "AV")
        if run.choices.pretrain_on == "audio" and needs_video:
            raise UserError(
                "method.pretrain_on audio trains no encoder of video, which the models in "
                f"{run.modality} start from; score the variant in A alone"
            )
        fixed = {
            name: encoder | dict(positions="sinusoidal")
            for name, encoder in run.token_encoders(self.name).items()
            if encoder
        }
        run = replace(run, base=run.base | fixed)
        if run.stage == PRETRAIN:
            return _autoencoders(run)
        choices = MBTChoices(
            initial_encoders="scratch",
            bottlenecks=run.choices.bottlenecks,
            fusion_layer=run.choices.fusion_layer,
            fusion="bottleneck",
            pooling="mean",
            objective="each_modality",
        )
        weights = run.parent()
        start = weights and dict(type="EncoderWeights", checkpoint=weights)
        return MBT.model(replace(cast(Any, run), choices=choices)) | dict(init_cfg=start)


def _autoencoders(run: RunContext[AvMaeChoices]) -> dict[str, Any]:
    choices, encoders = run.choices, run.encoders()
    audio_alone = choices.pretrain_on == "audio"
    return dict(
        type="AudiovisualMAE",
        modalities=("audio",) if audio_alone else run.modalities,
        num_classes=run.base["data"]["num_classes"],
        audio_masked=choices.audio_masked,
        video_masked=choices.video_masked,
        decoder=dict(
            width=choices.decoder_width, depth=choices.decoder_depth, heads=choices.decoder_heads
        ),
        data_preprocessor=run.preprocessor(),
        audio_encoder=encoders["audio_encoder"],
        video_encoder=None if audio_alone else encoders["video_encoder"],
    )


SYSTEM = AvMae()
