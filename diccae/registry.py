"""Imports every registered component: `custom_imports = dict(imports=['diccae.registry'])` in an mmaction2 config is enough."""

from diccae import compat

compat.apply()

from diccae.datasets import av_clip_dataset, samplers, transforms  # noqa: E402, F401
from diccae.engine.hooks import (  # noqa: E402, F401
    confusion_degree,
    history,
    progress,
    pseudo_labels,
    reproducibility,
    termination,
    update_set,
)
from diccae.evaluation import prediction_metric  # noqa: E402, F401
from diccae.models import av_preprocessor, encoders, losses  # noqa: E402, F401
from diccae.models.systems import diccae  # noqa: E402, F401
