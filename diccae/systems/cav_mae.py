"""CAV-MAE: contrastive audio-visual masked autoencoding, then fine-tuning."""

from __future__ import annotations

from typing import Any

from diccae.errors import UserError
from diccae.systems._cav_mae_choices import CavMaeChoices
from diccae.systems._released_cav_mae import check_released
from diccae.systems.spec import FINETUNE, PRETRAIN, Parent, RunContext, Stage, System


class CavMaeSystem(System[CavMaeChoices]):
    """Pre-trained on both modalities without labels; each of A, V and A-V is fine-tuned from it."""

    name = "cav_mae"
    title = "CAV-MAE"
    choices = CavMaeChoices
    stages = (PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.cav_mae",)
    input_family = "tokens"
    reference = (
        "Gong, Rouditchenko, Liu, Harwath, Karlinsky, Kuehne, Glass: Contrastive Audio-Visual "
        "Masked Autoencoder, ICLR 2023"
    )
    fidelity = "released code"

    def parents(self, stage: Stage, modality: str, choices: CavMaeChoices) -> tuple[Parent, ...]:
        """Fine-tuning starts from pre-training."""
        return (Parent("pretrain"),) if stage == FINETUNE else ()

    def model(self, run: RunContext[CavMaeChoices]) -> dict[str, Any]:
        """The network of the stage.

        Raises:
            UserError: the encoders do not work on tokens or have too few blocks, pre-training lacks
                a modality or has no loss, or the released weights are of another layout.
        """
        choices, weights = run.choices, run.parent()
        released = choices.released_weights if weights is None else None
        if released is not None:
            check_released(released, run.stage == PRETRAIN and choices.reconstruction_weight > 0)
        model = dict(
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            joint_depth=choices.joint_depth,
            released_weights=released,
            data_preprocessor=run.preprocessor(),
            **{
                name: encoder and _own_blocks(encoder, choices.joint_depth)
                for name, encoder in run.token_encoders(self.name).items()
            },
        )
        if run.stage == FINETUNE:
            start = weights and dict(type="EncoderWeights", checkpoint=weights)
            return model | dict(type="CavMae", init_cfg=start)
        return model | dict(type="CavMaePretraining", **_pretraining(run))


def _own_blocks(encoder: dict[str, Any], joint_depth: int) -> dict[str, Any]:
    """The encoder of a modality without the joint blocks."""
    if joint_depth >= encoder["depth"]:
        raise UserError(
            f"method.joint_depth: {joint_depth} of {encoder['depth']} blocks leave none for each "
            "modality; lower it"
        )
    # eps of the released code
    return encoder | dict(depth=encoder["depth"] - joint_depth, eps=1e-5)


def _pretraining(run: RunContext[CavMaeChoices]) -> dict[str, Any]:
    choices = run.choices
    if len(run.modalities) == 1:
        raise UserError(
            f"CAV-MAE pre-trains on audio and video together, and the plan in {run.modality} "
            "alone; leave cav_mae out, or set pretrain_modality: AV in the plan"
        )
    if not (choices.reconstruction_weight or choices.contrast_weight):
        raise UserError(
            "no loss is left to pre-train with; set method.reconstruction_weight or "
            "method.contrast_weight, or leave the stage out"
        )
    return dict(
        mask_ratio=choices.mask_ratio,
        norm_pixels=choices.norm_pixels,
        reconstruction_weight=choices.reconstruction_weight,
        decoder=dict(
            width=choices.decoder_width, depth=choices.decoder_depth, heads=choices.decoder_heads
        ),
        contrast=dict(
            type="InfoNCELoss",
            temperature=choices.temperature,
            contrast="one_way",
            loss_weight=choices.contrast_weight,
        )
        if choices.contrast_weight
        else None,
    )


SYSTEM = CavMaeSystem()
