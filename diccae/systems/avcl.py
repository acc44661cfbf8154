"""AVCL: contrastive pre-training of a fused feature, then fine-tuning (our interpretation)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from diccae.errors import UserError
from diccae.feature_settings import features_of
from diccae.schedule import Strict
from diccae.systems.spec import FINETUNE, PRETRAIN, Parent, RunContext, Stage, System


class AvclChoices(Strict):
    """Everything that the abstract leaves open. Defaults: `configs/systems/avcl.py`; what else
    could be meant: `configs/ambiguities.yaml`."""

    amfm: Literal["attention", "concatenation"]
    cgra_weight: float = Field(ge=0)
    cgra_level: Literal["locations", "pooled"]
    cgra_finetune: bool
    selfcl_weight: float = Field(ge=0)
    selfcl_head: Literal["none", "mlp"]
    temperature: float = Field(gt=0)


class Avcl(System[AvclChoices]):
    """AVCL after its abstract. In one modality there is neither AMFM nor CGRA, and SelfCL contrasts
    two views of that modality.

    Deviation: written from the paper's abstract alone. It names the modules, what they are for, and
    that training is self-supervised; their forms are ours.
    """

    name = "avcl"
    title = "AVCL"
    choices = AvclChoices
    stages = (PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.avcl",)
    label_use = "none"
    reference = (
        "Liu, Tan, Lan: Self-supervised Contrastive Learning for Audio-Visual Action Recognition "
        "(2022), its abstract"
    )
    fidelity = "interpretation"

    def parents(self, stage: Stage, modality: str, choices: AvclChoices) -> tuple[Parent, ...]:
        """Fine-tuning starts from pre-training."""
        return (Parent("pretrain"),) if stage == FINETUNE else ()

    def model(self, run: RunContext[AvclChoices]) -> dict[str, Any]:
        """Encoders, fusion and the losses that the stage has.

        Raises:
            UserError: it has none, or the plan trains on stored features.
        """
        choices, finetune = run.choices, run.stage == FINETUNE
        if features_of(run.base) is not None:
            raise UserError(
                "avcl contrasts two views of a clip and aligns features before pooling, and stored "
                "features have neither; train it in a plan that reads clips"
            )
        selfcl = not finetune and choices.selfcl_weight > 0
        cgra = _has_cgra(run, finetune)
        if not (selfcl or cgra or finetune):
            raise UserError(
                "no loss is left to train with; set method.selfcl_weight or, in A-V, "
                "method.cgra_weight, or leave the stage out"
            )
        model = dict(
            type="AVCL",
            modalities=run.modalities,
            num_classes=run.base["data"]["num_classes"],
            embedding_dim=run.base["embedding_dim"],
            **run.encoders(),
            data_preprocessor=run.preprocessor(two_views=selfcl),
            amfm=choices.amfm if selfcl or finetune else None,
            cgra=dict(level=choices.cgra_level, loss_weight=choices.cgra_weight) if cgra else None,
            selfcl=dict(
                temperature=choices.temperature,
                head=choices.selfcl_head == "mlp",
                loss_weight=choices.selfcl_weight,
            )
            if selfcl
            else None,
            cls_head=finetune,
        )
        weights = run.parent()
        if weights is not None:
            # they have other shapes where pre-training has other modalities
            alike = run.modality == run.pretrain_modality
            parts = {"fusion.": alike and choices.selfcl_weight > 0, "cgra.": alike and cgra}
            model["init_cfg"] = dict(
                type="EncoderWeights",
                checkpoint=weights,
                parts=[part for part, kept in parts.items() if kept],
            )
        return model


def _has_cgra(run: RunContext[AvclChoices], finetune: bool) -> bool:
    wanted = run.choices.cgra_weight > 0 and (run.choices.cgra_finetune or not finetune)
    return wanted and len(run.modalities) == 2


SYSTEM = Avcl()
