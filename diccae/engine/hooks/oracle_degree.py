"""A control of dynamic weighting: degrees of confusion that the generator of the embedded benchmark
knows, in place of those that are measured on the update set."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from diccae.datasets.benchmark.designs import design_of
from diccae.datasets.benchmark.spec import class_of
from diccae.datasets.benchmark.truth import bayes
from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
from diccae.errors import UserError
from diccae.functional.circles import Circles
from diccae.functional.controls import known_degree, label_mix


@HOOKS.register_module()
class OracleDegreeHook(ConfusionDegreeHook):
    """As `ConfusionDegreeHook`, but the degree of a pair comes from the confusion T of the Bayes
    classifier: sum_ij p_k(i) p_l(j) T_ij, see `known_degree`, with p_k the classes of the update
    clips with label k.

    In fine-tuning labels are classes, and the degree is T_kl. In pre-training they are clusters,
    whose clips have no label in the manifest; their classes follow from the design.

    T and the classes are computed from the design, which is part of the config, and not read from
    `truth.json` and `truth.parquet`, which hold the same.

    Args:
        design: name of the design of the benchmark.
        modality: whose confusion: `A`, `V` or `AV`.
        **options: of `ConfusionDegreeHook`.
    """

    def __init__(self, design: str, modality: str, **options: Any) -> None:
        super().__init__(**options)
        self.design, self.modality = design_of(design), modality
        self.confusion = torch.zeros(0, 0, dtype=torch.float64)

    def before_train(self, runner: Runner) -> None:
        """Compute T.

        Raises:
            UserError: the classes of the data are not those of the design.
        """
        found = list(runner.train_dataloader.dataset.metainfo["classes"])
        wanted = [activity.name for activity in self.design.activities]
        if found != wanted:
            raise UserError(
                f"method.weighting oracle: wanted the classes of the benchmark's design "
                f"{self.design.name}, {', '.join(wanted)}, got {', '.join(found)}; render the "
                "benchmark of this plan into a data_root of its own"
            )
        super().before_train(runner)
        self.confusion = torch.from_numpy(bayes(self.design).confusion[self.modality])

    def _degree(self, circles: Circles, labels: Tensor) -> tuple[Tensor, int]:
        assert self.update_set is not None
        classes = torch.tensor([class_of(self.design, clip) for clip in self.update_set.ids])
        mix = label_mix(labels, classes, len(circles.valid), len(self.confusion))
        return known_degree(self.confusion, mix), 0
