"""The losses, for use in any project: `from diccae.models.losses import ConfusionLoss, InfoNCELoss`."""

from diccae.models.losses.confusion_loss import ConfusionLoss
from diccae.models.losses.info_nce import InfoNCELoss

__all__ = ["ConfusionLoss", "InfoNCELoss"]
