"""The DICCAE network: two-layer audio-video framework and its losses (Fig. 1, Sec. 2.2)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.functional.weights import static_weights
from diccae.models.recogniser import Recogniser


@MODELS.register_module()
class DICCAE(Recogniser):
    """The two-layer framework of the paper.

    Layer one has an encoder for each modality, with InfoNCE between their features. Layer two has
    an MLP that fuses the features, the confusion loss and the classifier.

    Args:
        modalities: with a single one, the MLP reads only its feature, and InfoNCE can only contrast
            two views of it (`intra_modal`).
        num_classes: C, number of classes in fine-tuning, of clusters in pre-training.
        embedding_dim: E, size of the fused feature and of the InfoNCE projections.
        confusion_loss, info_nce: registered losses; None to train without.
        supcon: registered loss on fused features and labels in place of the confusion loss; None to
            train without.
        cls_head: whether a linear classifier reads the fused feature.
        static_weight: one weight for all pairs instead of dynamic weights (w/o M_ij, Fig. 3); None
            for dynamic weights.
        **recogniser: see `Recogniser`.

    Raises:
        UserError: InfoNCE between modalities of which there is only one; or see `Recogniser`.
    """

    separate_encoders = True
    confusion_weights: Float[Tensor, "c c"]

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        embedding_dim: int,
        confusion_loss: dict[str, Any] | None = None,
        info_nce: dict[str, Any] | None = None,
        cls_head: bool = True,
        static_weight: float | None = None,
        supcon: dict[str, Any] | None = None,
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
        contrast = self.info_nce.contrast if self.info_nce is not None else "intra_modal"
        if len(self.modalities) == 1 and contrast != "intra_modal":
            raise UserError(
                f"info_nce: contrast {contrast} needs both modalities; choose intra_modal, or "
                "leave info_nce out"
            )
        self.confusion_loss = MODELS.build(confusion_loss) if confusion_loss else None
        self.supcon = MODELS.build(supcon) if supcon else None
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
        # Weights are 1 before the first degrees; they are a buffer to be part of checkpoints.
        start = 1.0 if static_weight is None else static_weight
        self.register_buffer("confusion_weights", static_weights(num_classes, start))

    def fuse(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The fused feature (B, E) of the features (B, D) by modality."""
        return self.fusion(torch.cat([features[name] for name in self.modalities], dim=1))

    def logits(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of fused features (B, E).

        Raises:
            RuntimeError: the model has no classifier.
        """
        if self.classifier is None:
            raise RuntimeError("this model has no classifier (cls_head=False); use embed()")
        return self.classifier(fused)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """The losses of Sec. 2.2 that the run uses: cross entropy, InfoNCE and the weighted
        confusion loss (Eq. 4)."""
        device = next(iter(inputs.values())).device
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(device)
        features = self.encode(inputs)
        projected = self._project(features)
        losses = {}
        if self.info_nce is not None:
            losses["loss_infonce"] = self._contrast(projected, inputs)
        if self.classifier or self.confusion_loss or self.supcon:
            fused = self.fuse(features)
            if self.classifier is not None:
                losses["loss_cls"] = self.cross_entropy(self.logits(fused), data_samples)
            if self.supcon is not None:
                losses["loss_supcon"] = self.supcon(fused, labels)
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

    def pair_weights(self) -> Float[Tensor, "c c"] | None:
        """The confusion weights (C, C); None without the confusion loss."""
        return None if self.confusion_loss is None else self.confusion_weights

    def history(self) -> dict[str, float]:
        """Scale and bias of the learned similarity, if the network has one."""
        loss = self.confusion_loss
        if loss is None or loss.similarity != "sigmoid_cosine":
            return {}
        return {f"similarity_{n}": float(getattr(loss, n).detach()) for n in ("scale", "bias")}

    def unused_parameters(self) -> tuple[str, ...]:
        """Those of the fusion where no loss reads the fused feature, as in the warm-up."""
        pairs = self.confusion_loss and not self.pairs_by_modality
        if self.classifier or self.supcon or pairs:
            return ()
        return tuple(f"fusion.{name}" for name, _ in self.fusion.named_parameters())

    def initial_prefixes(self) -> tuple[str, ...]:
        """Prefixes of the encoders, and of the fusion if `init_cfg` has `fusion=True`."""
        assert self.init_cfg is not None
        return super().initial_prefixes() + (("fusion.",) if self.init_cfg["fusion"] else ())

    def _project(
        self, features: dict[str, Float[Tensor, "b _"]]
    ) -> dict[str, Float[Tensor, "b e"]]:
        if self.projections is None:
            return {}
        return {name: self.projections[name](features[name]) for name in self.modalities}

    def _contrast(
        self,
        projected: dict[str, Float[Tensor, "b e"]],
        inputs: dict[str, Float[Tensor, "b ..."]],
    ) -> Float[Tensor, ""]:
        """InfoNCE between the modalities, between two views of each, or the mean of all three."""
        assert self.info_nce is not None
        terms = []
        if self.info_nce.contrast != "intra_modal":
            terms.append(self.info_nce(projected["audio"], projected["video"]))
        if self.info_nce.contrast in ("intra_modal", "both"):
            views = {name: inputs[f"second_{name}"] for name in self.modalities}
            second = self._project(self.encode(views))
            terms += [self.info_nce(projected[name], second[name]) for name in self.modalities]
        return sum(terms[1:], terms[0]) / len(terms)
