"""The AVCL network: two encoders, AMFM, CGRA and SelfCL (our interpretation)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.models.losses.co_correlation_loss import CoCorrelationLoss
from diccae.models.recogniser import Recogniser
from diccae.models.systems.avcl_contrast import TwoViewContrast
from diccae.models.systems.avcl_fusion import AttentionFusion, ConcatenationFusion

FUSIONS = {"attention": AttentionFusion, "concatenation": ConcatenationFusion}


@MODELS.register_module()
class AVCL(Recogniser):
    """Encoders whose features AMFM fuses, CGRA aligns before pooling, and SelfCL contrasts.

    Written from the paper's abstract alone: all forms are our interpretation. With CGRA the
    encoders are called through `locations`, which `compile_encoders` leaves uncompiled.

    Args:
        modalities: with a single one, AMFM is a projection and there is no CGRA.
        num_classes: C, number of classes in fine-tuning.
        embedding_dim: E, size of the fused feature.
        amfm: `attention`, `concatenation` (without AMFM), or None for a stage in which nothing
            reads the fused feature.
        cgra: `level` and `loss_weight` of `CoCorrelationLoss`; None to train without.
        selfcl: options of `TwoViewContrast`; None to train without.
        cls_head: whether a linear classifier reads the fused feature.
        **recogniser: see `Recogniser`.

    Raises:
        UserError: CGRA with an encoder that has no locations.
    """

    separate_encoders = True

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        embedding_dim: int,
        amfm: str | None = "attention",
        cgra: dict[str, Any] | None = None,
        selfcl: dict[str, Any] | None = None,
        cls_head: bool = True,
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        self.fusion = FUSIONS[amfm](self.widths, embedding_dim) if amfm else None
        self.cgra = None
        if cgra is not None:
            for encoder in self.encoders.values():
                if not hasattr(encoder, "locations"):
                    raise UserError(
                        f"avcl: {type(encoder).__name__} has no features before pooling, which "
                        "CGRA aligns; set method.cgra_weight: 0, or choose another encoder"
                    )
            self.cgra = CoCorrelationLoss(self.widths["audio"], self.widths["video"], **cgra)
        self.selfcl = None if selfcl is None else TwoViewContrast(embedding_dim, **selfcl)
        self.classifier = nn.Linear(embedding_dim, num_classes) if cls_head else None

    def fuse(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The fused feature (B, E) of the features (B, D) by modality.

        Raises:
            RuntimeError: the model has no fusion.
        """
        if self.fusion is None:
            raise RuntimeError("this model has no fusion (amfm=None); use encode()")
        return self.fusion(features)

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
        """The losses that the run has: SelfCL between two views of a clip, CGRA (the mean over the
        views), and the cross entropy of the first view."""
        views = [inputs]
        if self.selfcl is not None:
            views.append({name: inputs[f"second_{name}"] for name in self.modalities})
        features, alignments = [], []
        for view in views:
            if self.cgra is None:
                features.append(self.encode(view))
            else:
                maps = self.locations(view)
                alignments.append(self.cgra(maps["audio"], maps["video"]))
                features.append({name: values.mean(1) for name, values in maps.items()})
        losses = {}
        if alignments:
            losses["loss_cgra"] = torch.stack(alignments).mean()
        if self.fusion is None:
            return losses
        fused = [self.fuse(each) for each in features]
        if self.selfcl is not None:
            losses["loss_selfcl"] = self.selfcl(*fused)
        if self.classifier is not None:
            losses["loss_cls"] = self.cross_entropy(self.logits(fused[0]), data_samples)
        return losses

    def locations(
        self, inputs: dict[str, Float[Tensor, "b ..."]]
    ) -> dict[str, Float[Tensor, "b _ _"]]:
        """Features before pooling by modality, (B, N, D) at the N locations of all views; their
        mean over N is that of `encode`."""
        maps = {}
        for name in self.modalities:
            value = inputs[name] if name == "video" else inputs[name][:, None]
            encoder: Any = self.encoders[name]
            found = encoder.locations(value.flatten(0, 1))
            maps[name] = found.unflatten(0, value.shape[:2]).flatten(1, 2)
        return maps

    def initial_prefixes(self) -> tuple[str, ...]:
        """Prefixes of the encoders, and of the `parts` that `init_cfg` names."""
        assert self.init_cfg is not None
        return super().initial_prefixes() + tuple(self.init_cfg["parts"])
