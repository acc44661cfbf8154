"""Registers every component with mmaction2.

`custom_imports = dict(imports=['diccae.registry'])` in a config is enough.
"""

from diccae import compat

compat.apply()

from mmaction.registry import MODELS  # noqa: E402

from diccae.datasets import av_clip_dataset, samplers, transforms  # noqa: E402, F401
from diccae.datasets.features import transforms as feature_transforms  # noqa: E402, F401
from diccae.engine.hooks import (  # noqa: E402, F401
    confusion_degree,
    first_clusters,
    history,
    oracle_degree,
    progress,
    pseudo_labels,
    reproducibility,
    termination,
    update_set,
)
from diccae.evaluation import prediction_metric  # noqa: E402, F401
from diccae.models import (  # noqa: E402, F401
    av_preprocessor,
    encoders,
    feature_adapter,
    feature_preprocessor,
)
from diccae.models.losses import ConfusionLoss, InfoNCELoss, SupConLoss  # noqa: E402
from diccae.models.systems import diccae  # noqa: E402, F401

# registered here, so that the losses import without mmaction2
MODELS.register_module(module=ConfusionLoss)
MODELS.register_module(module=InfoNCELoss)
MODELS.register_module(module=SupConLoss)
