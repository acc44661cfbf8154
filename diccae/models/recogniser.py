"""What all systems share: encoders, views, scores, and weights taken from other runs."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F


class Recogniser(BaseModel):
    """Base of the systems' networks. A subclass gives `fuse`, `logits` and `loss`.

    Args:
        modalities: ('audio',), ('video',) or both.
        num_classes: classes of the labels that the network is trained with.
        audio_encoder, video_encoder: registered modules with `out_features`; None where the
            modality is absent.
        normalize_features: scale embeddings to unit length.
        compile_encoders: hand the encoders to torch.compile; names in checkpoints stay.
        data_preprocessor: registered preprocessor.
        init_cfg: `dict(type='EncoderWeights', checkpoint=..., ...)` to start from another run.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        audio_encoder: dict[str, Any] | None = None,
        video_encoder: dict[str, Any] | None = None,
        normalize_features: bool = True,
        compile_encoders: bool = False,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.modalities, self.num_classes = tuple(modalities), num_classes
        self.normalize_features = normalize_features
        configs = {"audio": audio_encoder, "video": video_encoder}
        encoders: dict[str, Any] = {name: MODELS.build(configs[name]) for name in self.modalities}
        self.encoders = nn.ModuleDict(encoders)
        # sizes of the features, by modality
        self.widths: dict[str, int] = {n: encoder.out_features for n, encoder in encoders.items()}
        if compile_encoders:
            for encoder in encoders.values():
                encoder.compile()

    def encode(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features by modality: audio (B, 1, T, n_mels), video (B, V, T c, H, W) -> (B, D) each, D
        of the encoder; the features of video views are averaged."""
        features = {}
        for name, value in self.encode_views(inputs).items():
            features[name] = value[:, 0] if value.shape[1] == 1 else value.mean(1)
        return features

    def encode_views(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """As `encode`, each view by itself: (B, V, D) by modality, V = 1 for audio."""
        features = {}
        for name in self.modalities:
            value = inputs[name] if name == "video" else inputs[name][:, None]
            batch, views = value.shape[:2]
            encoded = self.encoders[name](_channels_last(value.flatten(0, 1)))
            features[name] = encoded.view(batch, views, -1)
        return features

    def fuse(self, features: dict[str, Tensor]) -> Tensor:
        """(B, D) by modality -> the fused feature (B, E)."""
        raise NotImplementedError

    def logits(self, fused: Tensor) -> Tensor:
        """(B, E) -> (B, num_classes)."""
        raise NotImplementedError

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[ActionDataSample]
    ) -> dict[str, Tensor]:
        """Scalar losses by name; those whose name holds `loss` are summed."""
        raise NotImplementedError

    def history(self) -> dict[str, float]:
        """Numbers of the network's state that a row of history.csv keeps at the end of an epoch."""
        return {}

    def embed(self, inputs: dict[str, Tensor]) -> Tensor:
        """The feature that circles and clusters are computed on: (B, E), of unit length if
        `normalize_features`."""
        return self.as_embedding(self.fuse(self.encode(inputs)))

    def as_embedding(self, fused: Tensor) -> Tensor:
        """(B, E) fused features, scaled to unit length if `normalize_features`."""
        return F.normalize(fused, dim=1) if self.normalize_features else fused

    def joint_features(self, inputs: dict[str, Tensor]) -> Tensor:
        """Unit-length audio and video features side by side, (B, D_a + D_v): what the first
        clustering sees (Sec. 2.3)."""
        features = self.encode(inputs)
        return torch.cat([F.normalize(features[name], dim=1) for name in self.modalities], dim=1)

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[ActionDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """`loss` -> scalar losses; `predict` -> data samples with scores; `tensor` -> logits (B,
        C)."""
        if mode == "loss":
            return self.loss(inputs, data_samples or [])
        if mode == "predict":
            return self.predict(inputs, data_samples or [])
        return self.logits(self.fuse(self.encode(inputs)))

    def predict(
        self, inputs: dict[str, Tensor], data_samples: list[ActionDataSample]
    ) -> list[ActionDataSample]:
        """Scores averaged over the video views (`pred_score`), those of the first view
        (`single_score`), and the embedding of the average."""
        features = self.encode_views(inputs)
        views = max(value.shape[1] for value in features.values())
        scores, embeddings = [], []
        for view in range(views):
            fused = self.fuse(
                {name: value[:, min(view, value.shape[1] - 1)] for name, value in features.items()}
            )
            scores.append(self.logits(fused).softmax(1))
            embeddings.append(fused)
        mean_scores = torch.stack(scores).mean(0)
        embedding = self.as_embedding(torch.stack(embeddings).mean(0))
        for index, sample in enumerate(data_samples):
            sample.set_pred_score(mean_scores[index])
            sample.set_pred_label(int(mean_scores[index].argmax()))
            sample.set_field(scores[0][index], "single_score")
            sample.set_field(embedding[index], "embedding")
        return data_samples

    def initial_prefixes(self) -> tuple[str, ...]:
        """Names of the weights, by their beginning, that `init_cfg` takes from another run."""
        return tuple(f"encoders.{name}." for name in self.modalities)

    def init_weights(self) -> None:
        """Start from the weights of another run, if `init_cfg` names its checkpoint.

        Raises:
            RuntimeError: the checkpoint lacks a weight.
        """
        if not self.init_cfg:
            return
        state = torch.load(self.init_cfg["checkpoint"], map_location="cpu", weights_only=True)
        wanted = self.initial_prefixes()
        chosen = {key: value for key, value in state.items() if key.startswith(wanted)}
        missing = [k for k in self.state_dict() if k.startswith(wanted) and k not in chosen]
        if missing:
            raise RuntimeError(
                f"{self.init_cfg['checkpoint']} lacks {len(missing)} weights of this model, "
                f"{missing[0]} first; pre-train again with the same encoders"
            )
        self.load_state_dict(chosen, strict=False)


def _channels_last(value: Tensor) -> Tensor:
    """Kernels for small convolutions are up to twice as fast with this memory format."""
    return value.contiguous(memory_format=torch.channels_last)
