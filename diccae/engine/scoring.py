"""Scores of validation and test clips at the end of a run, and degrees of confusion of the test
features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from diccae.engine.explain import explained
from diccae.engine.withheld import WithheldHook
from diccae.evaluation import withheld
from diccae.evaluation.prediction_metric import PredictionMetric, accuracies
from diccae.functional.circles import CircleSpec, class_circles
from diccae.functional.degree import confusion_degree, degree_statistics
from diccae.run_graph import Run


def scored_files(runner: Runner, run: Run, used_ids: np.ndarray) -> dict[str, Any]:
    """Score a trained run.

    Args:
        runner: its runner, after training.
        run: the run.
        used_ids: (M,) ids of the clips of the run's update set; test clips among them are marked.

    Returns:
        Contents of metrics.json and predictions.parquet, the test arrays of confusion.npz and, for
        both modalities, withheld.parquet, by file name; empty in all processes but the main one.

    Raises:
        UserError: an embedding or a score is not finite.
    """
    files: dict[str, Any] = {}
    if run.modality == "AV":
        hook = WithheldHook(run.seed)
        runner.register_hook(hook)
        runner.test()
        files[withheld.FILE] = hook.table
    else:
        runner.test()
    if not is_main_process():
        # only the main process has the results of the metric
        return {}
    metric = next(m for m in runner.test_evaluator.metrics if isinstance(m, PredictionMetric))
    index = runner.test_dataloader.dataset.cache.index
    # of the fold, if there is one, and the rows of each view are in this order
    splits = metric.predictions["split"].to_numpy()[: len(metric.rows)]
    labels = index["label"].to_numpy()[metric.rows].astype(np.int64)
    predictions = _predictions(metric, index, used_ids)
    test = splits == "test"
    arrays, degrees = _degrees(metric.embeddings[test], labels[test], run)
    if (arrays["test_counts"] < 2).any():
        runner.logger.warning(unknown_degrees(arrays["test_counts"]))
    reached = accuracies(predictions)
    metrics = {
        "plan": run.plan.name,
        "variant": run.variant,
        "seed": run.seed,
        "fold": run.fold,
        "modality": run.modality,
        "accuracy": {
            split: {
                "n": int((splits == split).sum()),
                "top1_single": reached[f"{split}_top1_single"],
                "top1_multi": reached[f"{split}_top1_multi"],
                "top5_multi": reached[f"{split}_top5_multi"],
            }
            for split in ("test", "validation")
        },
        "degrees": {"test": degrees},
    }
    arrays["confusion_matrix"] = _confusion_matrix(predictions, len(arrays["test_degree"]))
    files |= {"metrics.json": metrics, "predictions.parquet": predictions, "confusion.npz": arrays}
    return files


def _predictions(
    metric: PredictionMetric, index: pd.DataFrame, used_ids: np.ndarray
) -> pd.DataFrame:
    rows = metric.predictions["row"]
    predictions = metric.predictions.assign(
        **{name: index[name].to_numpy()[rows] for name in ("id", "group")}
    )
    used = predictions["id"].isin(set(used_ids))
    predictions["in_update"] = used & (predictions["split"] == "test")
    return predictions.drop(columns="row").sort_values(["split", "view", "id"], ignore_index=True)


def _degrees(
    embeddings: np.ndarray, labels: np.ndarray, run: Run
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays of confusion.npz and statistics of the degrees (Eq. 2) of (N, E) test embeddings."""
    settings = run.settings
    with explained("degrees of confusion of the test clips"):
        circles = class_circles(
            torch.from_numpy(embeddings),
            torch.from_numpy(labels),
            settings.base["data"]["num_classes"],
            CircleSpec(**settings.system.circles(settings.choices)),
        )
    degree, clamped = confusion_degree(circles)
    arrays = {
        "test_degree": degree.numpy(),
        "test_centers": circles.centers.numpy(),
        "test_radii": circles.radii.numpy(),
        "test_counts": circles.counts.numpy(),
    }
    return arrays, {**degree_statistics(degree), "clamped": clamped}


def unknown_degrees(counts: np.ndarray) -> str:
    """What is said of classes without a circle, given the (C,) numbers of test clips."""
    classes = np.flatnonzero(counts < 2)
    return (
        f"fewer than 2 test clips of {len(classes)} of {len(counts)} classes, so that degrees of "
        f"confusion are unknown, and count as 0: class {', '.join(map(str, classes))}"
    )


def _confusion_matrix(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """(C, C) number of test clips by true class (rows) and predicted class (columns), with scores
    averaged over all views."""
    chosen = predictions[(predictions["split"] == "test") & (predictions["view"] == "multi")]
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (chosen["label"].to_numpy(), chosen["top1"].to_numpy()), 1)
    return matrix
