"""The last transform of clips whose stored features are read, in place of `PackAVInputs`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmaction.structures import ActionDataSample
from mmcv.transforms import BaseTransform


@TRANSFORMS.register_module()
class PackFeatures(BaseTransform):
    """Pack the features of a clip into tensors and an ActionDataSample.

    The steps of video features stand where frames stand otherwise, so `RandomFrames` and
    `FrameViews` choose among them.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """-> `inputs` and `data_samples`.

        `inputs` holds `audio`, float16 (S, P, D), and `video`, float16 (V, S, P, D), with S steps
        of P vectors and V views; `data_samples` has `gt_label` and the metadata `row` and `split`.
        """
        names = (("audio", "fbank"), ("video", "frames"))
        inputs = {
            name: torch.from_numpy(np.array(results[key])) for name, key in names if key in results
        }
        sample = ActionDataSample(
            metainfo={"row": results["row"], "split": results["split"]}
        ).set_gt_label(results["label"])
        return {"inputs": inputs, "data_samples": sample}
