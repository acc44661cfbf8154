"""Imports every registered component: `custom_imports = dict(imports=['diccae.registry'])` in an mmaction2 config is enough."""

from diccae import compat

compat.apply()

from diccae.datasets import av_clip_dataset, samplers, transforms  # noqa: E402, F401
from diccae.evaluation import prediction_metric  # noqa: E402, F401
from diccae.models import av_preprocessor, diccae, encoders, losses  # noqa: E402, F401
