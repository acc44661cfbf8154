"""The base of all networks: encoders, video views, scores, and weights from other runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch._functorch import config as functorch_config
from torch.nn import functional as F

from diccae.errors import UserError
from diccae.functional.precision import wide
from diccae.models.taken_weights import take_weights


class Recogniser(BaseModel):
    """Base of the systems' networks; a subclass implements `fuse`, `logits` and `loss`.

    Args:
        modalities: ('audio',), ('video',) or both.
        num_classes: C, number of classes of the labels in training.
        audio_encoder, video_encoder: registered modules with `out_features`; None for an absent
            modality.
        normalize_features: scale embeddings to unit length.
        compile_encoders: compile the encoders with torch.compile; names in checkpoints do not
            change.
        data_preprocessor: registered preprocessor.
        init_cfg: `dict(type='EncoderWeights', checkpoint=..., ...)` to start from another run.

    Attributes:
        separate_encoders: whether the features of a modality (`encode_views`) depend on the input
            of this modality alone. A model that says so is scored with a modality withheld from
            features that were computed once; any other, by a forward pass for each replaced input.
        on_features: called with the features (B, V, D) by modality of each batch that is scored;
            None for nothing.
        on_losses: called with the losses by name of each batch that is trained on, before the
            backward pass; None for nothing.

    Raises:
        UserError: an unknown modality, or one without an encoder.
    """

    separate_encoders: ClassVar[bool] = False

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
        self.on_features: Callable[[dict[str, Tensor]], None] | None = None
        self.on_losses: Callable[[dict[str, Tensor]], None] | None = None
        configs = {"audio": audio_encoder, "video": video_encoder}
        for name in self.modalities:
            if name not in configs:
                raise UserError(
                    "modalities of a model: wanted ('audio',), ('video',) or both, got "
                    f"{modalities!r}"
                )
            if configs[name] is None:
                raise UserError(
                    f"{name}_encoder: the model has the modality {name} and no encoder for it; "
                    "give it one, or leave the modality out"
                )
        encoders: dict[str, Any] = {name: MODELS.build(configs[name]) for name in self.modalities}
        self.encoders = nn.ModuleDict(encoders)
        # sizes of the features, by modality
        self.widths: dict[str, int] = {n: encoder.out_features for n, encoder in encoders.items()}
        if compile_encoders:
            # a compiled graph refuses a second backward pass otherwise
            functorch_config.donated_buffer = False
            for encoder in encoders.values():
                encoder.compile()

    def encode(self, inputs: dict[str, Float[Tensor, "b ..."]]) -> dict[str, Float[Tensor, "b _"]]:
        """Features by modality, averaged over video views.

        Args:
            inputs: audio (B, 1, T, n_mels) and video (B, V, T c, H, W), with V views and c channels
                in each of T frames.

        Returns:
            (B, D) for each modality, with D of its encoder.
        """
        features = {}
        for name, value in self.encode_views(inputs).items():
            features[name] = value[:, 0] if value.shape[1] == 1 else value.mean(1)
        return features

    def encode_views(
        self, inputs: dict[str, Float[Tensor, "b ..."]]
    ) -> dict[str, Float[Tensor, "b _ _"]]:
        """Features by modality as in `encode`, but of each view: (B, V, D), with V = 1 for
        audio."""
        features = {}
        for name in self.modalities:
            value = inputs[name] if name == "video" else inputs[name][:, None]
            batch, views = value.shape[:2]
            encoded = self.encoders[name](value.flatten(0, 1))
            features[name] = encoded.view(batch, views, -1)
        return features

    def fuse(self, features: dict[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b e"]:
        """The fused feature (B, E) of the features (B, D) by modality."""
        raise NotImplementedError

    def logits(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of fused features (B, E)."""
        raise NotImplementedError

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """Scalar losses by name; those with `loss` in their name are summed."""
        raise NotImplementedError

    def classes(self, data_samples: list[ActionDataSample]) -> Int[Tensor, "b"]:
        """(B,) classes of a batch, for the cross entropy.

        Raises:
            UserError: a label is not in [0, C).
        """
        labels = torch.cat([sample.gt_label for sample in data_samples])
        for label in (int(labels.min()), int(labels.max())):
            if not 0 <= label < self.num_classes:
                raise UserError(
                    f"a clip of this batch has the label {label}, and the model the classes 0 to "
                    f"{self.num_classes - 1}; set data.num_classes to the number of classes of the "
                    "manifest, or correct the labels of the manifest"
                )
        return labels

    def cross_entropy(
        self, logits: Float[Tensor, "b c"], data_samples: list[ActionDataSample]
    ) -> Float[Tensor, ""]:
        """The mean cross entropy of logits (B, C) with the labels of a batch, at least in float32.

        Raises:
            UserError: see `classes`.
        """
        return F.cross_entropy(wide(logits), self.classes(data_samples).to(logits.device))

    def history(self) -> dict[str, float]:
        """Statistics of the network for the row of an epoch in history.csv."""
        return {}

    def pair_weights(self) -> Float[Tensor, "c c"] | None:
        """The weights (C, C) of pairs of classes in the losses; None if no loss uses any."""
        return None

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of the losses, and all of them for the log; calls `on_losses` first."""
        if self.on_losses is not None:
            self.on_losses(losses)
        return super().parse_losses(losses)

    def embed(self, inputs: dict[str, Float[Tensor, "b ..."]]) -> Float[Tensor, "b e"]:
        """The embedding (B, E) that circles and clusters are computed from, of unit length if
        `normalize_features`."""
        return self.as_embedding(self.fuse(self.encode(inputs)))

    def as_embedding(self, fused: Float[Tensor, "b e"]) -> Float[Tensor, "b e"]:
        """Fused features (B, E), scaled to unit length if `normalize_features`."""
        return F.normalize(fused, dim=1) if self.normalize_features else fused

    def joint_features(self, inputs: dict[str, Float[Tensor, "b ..."]]) -> Float[Tensor, "b d"]:
        """Concatenated unit-length audio and video features, (B, D_a + D_v), for the first
        clustering (Sec. 2.3)."""
        features = self.encode(inputs)
        return torch.cat([F.normalize(features[name], dim=1) for name in self.modalities], dim=1)

    def forward(
        self,
        inputs: dict[str, Float[Tensor, "b ..."]],
        data_samples: list[ActionDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Scalar losses in mode `loss`, data samples with scores in mode `predict`, logits (B, C)
        in mode `tensor`.

        Raises:
            UserError: the inputs lack a modality, or an unknown mode.
        """
        if mode not in ("loss", "predict", "tensor"):
            raise UserError(f"mode of a model: wanted loss, predict or tensor, got {mode!r}")
        lacking = [name for name in self.modalities if name not in inputs]
        if lacking:
            raise UserError(
                f"the inputs lack {lacking[0]}; add it to `modalities` of the config's data set"
            )
        if mode == "loss":
            return self.loss(inputs, data_samples or [])
        if mode == "predict":
            return self.predict(inputs, data_samples or [])
        return self.logits(self.fuse(self.encode(inputs)))

    def predict(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> list[ActionDataSample]:
        """Set scores in the data samples.

        Each gets `pred_score` (C,), the scores averaged over the video views, `pred_label`, their
        maximum, `single_score` (C,), the scores of the first view, and `embedding` (E,), that of
        the fused features averaged over the views.
        """
        features = self.encode_views(inputs)
        if self.on_features is not None:
            self.on_features(features)
        scores, fused = self._score_views(features)
        mean_scores = torch.stack(scores).mean(0)
        embedding = self.as_embedding(torch.stack(fused).mean(0))
        for index, sample in enumerate(data_samples):
            sample.set_pred_score(mean_scores[index])
            sample.set_pred_label(int(mean_scores[index].argmax()))
            sample.set_field(scores[0][index], "single_score")
            sample.set_field(embedding[index], "embedding")
        return data_samples

    def mean_scores(self, features: dict[str, Float[Tensor, "b _ _"]]) -> Float[Tensor, "b c"]:
        """Scores (B, C) averaged over the video views, as in `predict`, of features of each view
        (`encode_views`)."""
        return torch.stack(self._score_views(features)[0]).mean(0)

    def _score_views(
        self, features: dict[str, Float[Tensor, "b _ _"]]
    ) -> tuple[list[Float[Tensor, "b c"]], list[Float[Tensor, "b e"]]]:
        """Scores and fused features of each view; audio has one view, which all of them share."""
        views = max(value.shape[1] for value in features.values())
        scores, fused = [], []
        for view in range(views):
            fused.append(
                self.fuse(
                    {n: value[:, min(view, value.shape[1] - 1)] for n, value in features.items()}
                )
            )
            scores.append(self.logits(fused[-1]).softmax(1))
        return scores, fused

    def unused_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the losses of this run do not depend on."""
        return ()

    def initial_prefixes(self) -> tuple[str, ...]:
        """Prefixes of the names of the weights that `init_cfg` takes from another run."""
        return tuple(f"encoders.{name}." for name in self.modalities)

    def init_weights(self) -> None:
        """Start from the weights of another run, if `init_cfg` names its checkpoint.

        Raises:
            UserError: the checkpoint is missing or damaged.
            RuntimeError: it lacks a weight.
        """
        if self.init_cfg:
            take_weights(self, Path(self.init_cfg["checkpoint"]), self.initial_prefixes())
