"""The losses of DICCAE's network on pairs of clips, as configs."""

from __future__ import annotations

from typing import Any

from diccae.systems._diccae_choices import DiccaeChoices


def pair_loss(choices: DiccaeChoices, classes: int, width: int) -> dict[str, Any]:
    """The confusion loss, or the supervised contrastive loss in its place: an argument of the
    network.

    Args:
        choices: of the run.
        classes: C, number of classes, or of clusters in pre-training.
        width: E, size of the fused feature.
    """
    weight = choices.confusion_weight
    if choices.pair_loss == "supcon":
        temperature = choices.supcon_temperature
        return {"supcon": dict(type="SupConLoss", temperature=temperature, loss_weight=weight)}
    loss: dict[str, Any] = dict(
        type="ConfusionLoss",
        similarity=choices.similarity,
        reduction=choices.pair_reduction,
        pairs=choices.pairs,
        num_classes=classes,
        feature_dim=width,
        scale=choices.similarity_scale,
        bias=choices.similarity_bias,
        loss_weight=weight,
    )
    if choices.weighting == "hard_negative":
        loss["by_own_loss"] = True
    return {"confusion_loss": loss}


def info_nce(choices: DiccaeChoices) -> dict[str, Any]:
    """InfoNCE between the features of the modalities, or of two views."""
    return dict(
        type="InfoNCELoss",
        temperature=choices.temperature,
        contrast=choices.infonce_contrast,
        loss_weight=choices.infonce_weight,
    )
