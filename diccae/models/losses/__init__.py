"""The losses, for use in any project: they need torch, numpy and jaxtyping alone."""

from diccae.models.losses.confusion_loss import ConfusionLoss
from diccae.models.losses.info_nce import InfoNCELoss
from diccae.models.losses.supcon import SupConLoss

__all__ = ["ConfusionLoss", "InfoNCELoss", "SupConLoss"]
