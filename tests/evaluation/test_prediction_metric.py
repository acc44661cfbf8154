"""Scores and labels that must stop an evaluation before anything is computed from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diccae.errors import UserError
from diccae.evaluation.prediction_metric import PredictionMetric


def sample(scores: list[float], label: int = 1, single: list[float] | None = None) -> dict:
    return {
        "row": 17,
        "split": "test",
        "gt_label": torch.tensor([label]),
        "pred_score": torch.tensor(scores),
        "single_score": torch.tensor(single or scores),
        "embedding": torch.ones(2),
    }


def test_finite_scores_are_counted() -> None:
    metric = PredictionMetric()
    metric.process(None, [sample([0.2, 0.8]), sample([0.2, 0.8], label=0)])
    assert metric.compute_metrics(metric.results)["test_top1_multi"] == 50
    assert metric.predictions["top1"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_clip_whose_scores_are_not_finite_stops_the_run(bad: float) -> None:
    for broken in (sample([0.2, bad]), sample([0.2, 0.8], single=[bad, bad])):
        with pytest.raises(
            UserError,
            match=r"gives row 17 of the cache \(split test\) scores that are not finite, .*: "
            r"training diverged; lower schedule.finetune.lr",
        ):
            PredictionMetric().process(None, [sample([0.2, 0.8]), broken])


@pytest.mark.parametrize("label", [2, -1])
def test_a_label_that_the_model_has_no_class_for(label: int) -> None:
    with pytest.raises(UserError, match=f"label {label}, and the model the classes 0 to 1; set"):
        PredictionMetric().process(None, [sample([0.2, 0.8], label=label)])
