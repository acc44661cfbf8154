"""The DICCAE network: two-layer audio-video framework and its losses (Fig. 1, Sec. 2.2)."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.functional.weights import static_weights
from diccae.models.recogniser import Recogniser


@MODELS.register_module()
class DICCAE(Recogniser):
    """Layer one: an encoder a modality and InfoNCE between them. Layer two: an MLP over the
    features, the confusion loss and the classifier.

    Args:
        modalities: with one, the MLP sees that modality's feature alone and there is no InfoNCE.
        num_classes: classes in fine-tuning, clusters in pre-training; the confusion weights are
            (num_classes, num_classes).
        embedding_dim: size of the fused feature and of the InfoNCE projections.
        confusion_loss, info_nce: registered losses, or None for none.
        cls_head: whether a linear classifier reads the fused feature.
        static_weight: one weight for all pairs instead of the dynamic ones (w/o M_ij, Fig. 3); None
            for dynamic ones.
        **recogniser: see `Recogniser`.
    """

    confusion_weights: Tensor

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        embedding_dim: int,
        confusion_loss: dict[str, Any] | None = None,
        info_nce: dict[str, Any] | None = None,
        cls_head: bool = True,
        static_weight: float | None = None,
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        widths = self.widths
        self.fusion = nn.Sequential(
            nn.Linear(sum(widths.values()), 2 * embedding_dim),
            nn.BatchNorm1d(2 * embedding_dim),
            nn.ReLU(inplace=True),
            nn.Linear(2 * embedding_dim, embedding_dim),
        )
        self.info_nce = MODELS.build(info_nce) if info_nce else None
        self.confusion_loss = MODELS.build(confusion_loss) if confusion_loss else None
        self.pairs_by_modality = (
            self.confusion_loss is not None
            and self.confusion_loss.pairs != "fused"
            and len(self.modalities) == 2
        )
        projected = self.info_nce is not None or self.pairs_by_modality
        self.projections = (
            nn.ModuleDict({name: nn.Linear(width, embedding_dim) for name, width in widths.items()})
            if projected
            else None
        )
        self.classifier = nn.Linear(embedding_dim, num_classes) if cls_head else None
        # Weights before any degree is known are 1.0; a buffer, so that a checkpoint carries them.
        start = 1.0 if static_weight is None else static_weight
        self.register_buffer("confusion_weights", static_weights(num_classes, start))

    def fuse(self, features: dict[str, Tensor]) -> Tensor:
        """(B, D) by modality -> the fused feature (B, embedding_dim)."""
        return self.fusion(torch.cat([features[name] for name in self.modalities], dim=1))

    def logits(self, fused: Tensor) -> Tensor:
        """(B, embedding_dim) -> (B, num_classes).

        Raises:
            RuntimeError: the model has no classifier.
        """
        if self.classifier is None:
            raise RuntimeError("this model has no classifier (cls_head=False); use embed()")
        return self.classifier(fused)

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[ActionDataSample]
    ) -> dict[str, Tensor]:
        """Sec. 2.2: cross entropy + InfoNCE + dynamically weighted confusion loss (Eq. 4), those
        that this run has."""
        device = next(iter(inputs.values())).device
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(device)
        features = self.encode(inputs)
        projected = self._project(features)
        losses = {}
        if self.info_nce is not None:
            losses["loss_infonce"] = self._contrast(projected, inputs)
        if self.classifier is not None or self.confusion_loss is not None:
            fused = self.fuse(features)
            if self.classifier is not None:
                losses["loss_cls"] = F.cross_entropy(self.logits(fused), labels)
            if self.confusion_loss is not None:
                first, other = (
                    (projected["audio"], projected["video"])
                    if self.pairs_by_modality
                    else (fused, None)
                )
                losses["loss_confusion"] = self.confusion_loss(
                    first, labels, weights=self.confusion_weights, other=other
                )
        return losses

    def history(self) -> dict[str, float]:
        """Mean and variance of the weights of different classes."""
        weights = self.confusion_weights
        off = weights[~torch.eye(len(weights), dtype=torch.bool, device=weights.device)]
        return {
            "weight_mean": float(off.mean()),
            "weight_variance": float(off.var(unbiased=False)),
        }

    def initial_prefixes(self) -> tuple[str, ...]:
        """Encoders, and the fusion where `init_cfg` says so."""
        assert self.init_cfg is not None
        return super().initial_prefixes() + (("fusion.",) if self.init_cfg["fusion"] else ())

    def _project(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.projections is None:
            return {}
        return {name: self.projections[name](features[name]) for name in self.modalities}

    def _contrast(self, projected: dict[str, Tensor], inputs: dict[str, Tensor]) -> Tensor:
        """InfoNCE between the modalities, between two views of each, or the mean of the three."""
        assert self.info_nce is not None
        terms = []
        if self.info_nce.contrast != "intra_modal":
            terms.append(self.info_nce(projected["audio"], projected["video"]))
        if self.info_nce.contrast in ("intra_modal", "both"):
            views = {name: inputs[f"second_{name}"] for name in self.modalities}
            second = self._project(self.encode(views))
            terms += [self.info_nce(projected[name], second[name]) for name in self.modalities]
        return sum(terms[1:], terms[0]) / len(terms)
