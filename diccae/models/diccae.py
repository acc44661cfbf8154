"""The DICCAE recogniser: encoders, two-layer audio-video framework, losses (Fig. 1, Sec. 2.2)."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.functional.weights import static_weights


@MODELS.register_module()
class DICCAE(BaseModel):
    """Layer one: an encoder a modality and InfoNCE between them. Layer two: an MLP over the features, the confusion loss and the classifier.

    Args:
        modalities: ('audio',), ('video',) or both; with one, the MLP sees that modality's feature alone and there is no InfoNCE.
        num_classes: classes in fine-tuning, clusters in pre-training; the confusion weights are (num_classes, num_classes).
        embedding_dim: size of the fused feature and of the InfoNCE projections.
        audio_encoder, video_encoder: registered modules with `out_features`; None where the modality is absent.
        confusion_loss, info_nce: registered losses, or None for none.
        cls_head: whether a linear classifier reads the fused feature.
        normalize_features: scale the fused feature to unit length before circles and clusters are computed (the similarity of Eq. 1 is a cosine).
        static_weight: one weight for all pairs instead of the dynamic ones (w/o M_ij, Fig. 3); None for dynamic ones.
        compile_encoders: hand the encoders to torch.compile; names in checkpoints stay.
    """

    confusion_weights: Tensor

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        embedding_dim: int,
        audio_encoder: dict[str, Any] | None = None,
        video_encoder: dict[str, Any] | None = None,
        confusion_loss: dict[str, Any] | None = None,
        info_nce: dict[str, Any] | None = None,
        cls_head: bool = True,
        normalize_features: bool = True,
        static_weight: float | None = None,
        compile_encoders: bool = False,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.modalities = tuple(modalities)
        self.normalize_features = normalize_features
        configs = {"audio": audio_encoder, "video": video_encoder}
        encoders: dict[str, Any] = {name: MODELS.build(configs[name]) for name in self.modalities}
        self.encoders = nn.ModuleDict(encoders)
        if compile_encoders:
            for encoder in encoders.values():
                encoder.compile()
        width = sum(encoder.out_features for encoder in encoders.values())
        self.fusion = nn.Sequential(
            nn.Linear(width, 2 * embedding_dim),
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
        self.projections = (
            nn.ModuleDict(
                {
                    name: nn.Linear(encoder.out_features, embedding_dim)
                    for name, encoder in encoders.items()
                }
            )
            if self.info_nce is not None or self.pairs_by_modality
            else None
        )
        self.classifier = nn.Linear(embedding_dim, num_classes) if cls_head else None
        # Weights before any matrix exists are 1.0 for every pair; a buffer, so that a checkpoint carries them.
        start = 1.0 if static_weight is None else static_weight
        self.register_buffer("confusion_weights", static_weights(num_classes, start))

    def encode(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features a modality: audio (B, 1, T, n_mels), video (B, V, T c, H, W) -> (B, D) each, D of the encoder; video views are averaged."""
        features = {}
        for name in self.modalities:
            value = inputs[name]
            if name == "video":
                batch, views = value.shape[:2]
                feature = self.encoders[name](_contiguous(value.flatten(0, 1)))
                features[name] = feature if views == 1 else feature.view(batch, views, -1).mean(1)
            else:
                features[name] = self.encoders[name](_contiguous(value))
        return features

    def fuse(self, features: dict[str, Tensor]) -> Tensor:
        """(B, D) a modality -> the fused feature (B, embedding_dim)."""
        return self.fusion(torch.cat([features[name] for name in self.modalities], dim=1))

    def embed(self, inputs: dict[str, Tensor]) -> Tensor:
        """The feature that circles and clusters are computed on: (B, embedding_dim), unit length if `normalize_features`."""
        return self.as_embedding(self.fuse(self.encode(inputs)))

    def as_embedding(self, fused: Tensor) -> Tensor:
        return F.normalize(fused, dim=1) if self.normalize_features else fused

    def joint_features(self, inputs: dict[str, Tensor]) -> Tensor:
        """Concatenated unit-length audio and video features (B, D_a + D_v): what the first clustering sees (Sec. 2.3)."""
        features = self.encode(inputs)
        return torch.cat([F.normalize(features[name], dim=1) for name in self.modalities], dim=1)

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[ActionDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """`loss` -> dict of scalar losses; `predict` -> data samples with scores; `tensor` -> logits (B, C)."""
        if mode == "loss":
            return self.loss(inputs, data_samples or [])
        if mode == "predict":
            return self.predict(inputs, data_samples or [])
        return self.logits(self.fuse(self.encode(inputs)))

    def logits(self, fused: Tensor) -> Tensor:
        if self.classifier is None:
            raise RuntimeError(
                "this model has no classifier (cls_head=False); use embed() for its features"
            )
        return self.classifier(fused)

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[ActionDataSample]
    ) -> dict[str, Tensor]:
        """Sec. 2.2: cross entropy + InfoNCE + dynamically weighted confusion loss, those that this run has."""
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(
            next(iter(inputs.values())).device
        )
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

    def _project(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return (
            {name: self.projections[name](features[name]) for name in self.modalities}
            if self.projections is not None
            else {}
        )

    def _contrast(self, projected: dict[str, Tensor], inputs: dict[str, Tensor]) -> Tensor:
        """InfoNCE between the modalities, between two views of each, or the mean of the three."""
        assert self.info_nce is not None
        terms = []
        if self.info_nce.contrast != "intra_modal":
            terms.append(self.info_nce(projected["audio"], projected["video"]))
        if self.info_nce.contrast in ("intra_modal", "both"):
            second = self._project(
                self.encode({name: inputs[f"second_{name}"] for name in self.modalities})
            )
            terms += [self.info_nce(projected[name], second[name]) for name in self.modalities]
        return sum(terms[1:], terms[0]) / len(terms)

    def predict(
        self, inputs: dict[str, Tensor], data_samples: list[ActionDataSample]
    ) -> list[ActionDataSample]:
        """Scores averaged over the video views (`pred_score`), those of the first view (`single_score`), and the embedding of the average."""
        features = self._features_of_views(inputs)
        views = max(value.shape[1] for value in features.values())
        scores, embeddings = [], []
        for view in range(views):
            fused = self.fuse(
                {name: value[:, min(view, value.shape[1] - 1)] for name, value in features.items()}
            )
            scores.append(self.logits(fused).softmax(1))
            embeddings.append(fused)
        mean_scores, embedding = (
            torch.stack(scores).mean(0),
            self.as_embedding(torch.stack(embeddings).mean(0)),
        )
        for index, sample in enumerate(data_samples):
            sample.set_pred_score(mean_scores[index])
            sample.set_pred_label(int(mean_scores[index].argmax()))
            sample.set_field(scores[0][index], "single_score")
            sample.set_field(embedding[index], "embedding")
        return data_samples

    def _features_of_views(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        features = {}
        for name in self.modalities:
            value = inputs[name] if name == "video" else inputs[name][:, None]
            batch, views = value.shape[:2]
            features[name] = self.encoders[name](_contiguous(value.flatten(0, 1))).view(
                batch, views, -1
            )
        return features

    def init_weights(self) -> None:
        """Start from another run's encoders (`init_cfg=dict(type='EncoderWeights', checkpoint=..., fusion=...)`), if the config names one."""
        if not self.init_cfg:
            return
        state = torch.load(self.init_cfg["checkpoint"], map_location="cpu", weights_only=True)
        wanted = tuple(f"encoders.{name}." for name in self.modalities) + (
            ("fusion.",) if self.init_cfg["fusion"] else ()
        )
        own = self.state_dict()
        chosen = {key: value for key, value in state.items() if key.startswith(wanted)}
        missing = [key for key in own if key.startswith(wanted) and key not in chosen]
        if missing:
            raise RuntimeError(
                f"{self.init_cfg['checkpoint']} lacks {len(missing)} weights of this model, {missing[0]} first; "
                "pre-train again with the same encoders"
            )
        self.load_state_dict(chosen, strict=False)


def _contiguous(value: Tensor) -> Tensor:
    """Channels-last memory: the CPU and GPU kernels for small convolutions are up to twice as fast with it."""
    return value.contiguous(memory_format=torch.channels_last)
