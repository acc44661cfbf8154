"""The metric that keeps the scores of each clip, from which every table is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric

from diccae.errors import UserError

TOP = 5


@METRICS.register_module()
class PredictionMetric(BaseMetric):
    """Top-1 and top-5 accuracy in percent for each split, with one view and with all views.

    Attributes:
        predictions: one row per clip and view (`single`, `multi`): row, label, split, view, top1
            to top5 (class indices, best first), score1 to score5. Set by `compute_metrics`.
        embeddings: (N, D), the embedding of each clip. Set by `compute_metrics`.
        rows: (N,), row of each clip in the cache. Set by `compute_metrics`.
    """

    default_prefix = "predictions"

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep scores (C,) and embedding (D,) of each sample of a batch.

        Raises:
            UserError: a score is not finite, or the label is not one of the C classes.
        """
        for sample in data_samples:
            result = {
                "row": sample["row"],
                "split": sample["split"],
                "label": int(sample["gt_label"]),
                "multi": sample["pred_score"].cpu().numpy(),
                "single": sample["single_score"].cpu().numpy(),
                "embedding": sample["embedding"].cpu().numpy(),
            }
            _check(result)
            self.results.append(result)

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Compute the accuracies of all kept samples; see `accuracies` for the keys."""
        frames = []
        for view in ("single", "multi"):
            scores = np.stack([result[view] for result in results])
            top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
            frame = pd.DataFrame(
                {key: [result[key] for result in results] for key in ("row", "label", "split")}
            )
            frame["view"] = view
            for rank in range(top.shape[1]):
                frame[f"top{rank + 1}"] = top[:, rank].astype(np.int32)
                frame[f"score{rank + 1}"] = np.take_along_axis(scores, top, 1)[:, rank].astype(
                    np.float32
                )
            frames.append(frame)
        self.predictions = pd.concat(frames, ignore_index=True)
        self.embeddings = np.stack([result["embedding"] for result in results])
        self.rows = np.array([result["row"] for result in results])
        return accuracies(self.predictions)


def _check(result: dict[str, Any]) -> None:
    """Sorting puts NaN last and calls the first class the best: such a clip must not be scored."""
    place = f"row {result['row']} of the cache (split {result['split']})"
    for view in ("multi", "single"):
        if not np.isfinite(result[view]).all():
            raise UserError(
                f"the model gives {place} scores that are not finite, so nothing was scored: "
                "training diverged; lower schedule.finetune.lr in the plan and train this run again"
            )
    if not 0 <= result["label"] < len(result["multi"]):
        raise UserError(
            f"{place} has the label {result['label']}, and the model the classes 0 to "
            f"{len(result['multi']) - 1}; set data.num_classes to the number of classes of the "
            "manifest, or correct the labels of the manifest"
        )


def accuracies(predictions: pd.DataFrame) -> dict[str, float]:
    """Accuracies in percent, by the keys `<split>_top1_<view>` and `<split>_top5_<view>`.

    Args:
        predictions: the table of `PredictionMetric`.
    """
    result = {}
    for (split, view), group in predictions.groupby(["split", "view"], sort=True):
        tops = group[[column for column in group if str(column).startswith("top")]].to_numpy()
        hits = tops == group["label"].to_numpy()[:, None]
        result[f"{split}_top1_{view}"] = 100.0 * float(hits[:, 0].mean())
        result[f"{split}_top5_{view}"] = 100.0 * float(hits.any(axis=1).mean())
    return result
