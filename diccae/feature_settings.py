"""Stored features that runs read instead of frames and log-mels: where they come from."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, model_validator

from diccae.errors import UserError
from diccae.schedule import Strict


class FeatureSource(Strict):
    """Where the stored features of one modality come from: an encoder, or vectors made elsewhere.

    Attributes:
        encoder: `cav_mae` (log-mels or frames) or `timm` (frames): a released encoder.
        weights: its checkpoint, a local file.
        model: timm name of the ViT.
        steps: equal parts of the clip's time; a vector each is the mean over it.
        patches: keep the vectors of all patches of a step instead of their mean.
        mean, std: of the log-mels in the encoder's own training; the defaults are those of
            CAV-MAE.
        file: vectors made elsewhere: a .npz file, or a folder with one .npy file a clip.
        array, ids: arrays of the .npz with the vectors and with the names of their clips.
        match: names are ids of the manifest, or `stem`: file names without folder and suffix.
    """

    encoder: Literal["cav_mae", "timm"] | None = None
    weights: str | None = None
    model: str = "vit_base_patch16_224"
    steps: int = Field(default=1, ge=1)
    patches: bool = False
    mean: float = -5.081
    std: float = Field(default=4.4849, gt=0)
    file: str | None = None
    array: str = "features"
    ids: str = "id"
    match: Literal["id", "stem"] = "id"

    @model_validator(mode="after")
    def _one_origin(self) -> FeatureSource:
        if (self.encoder is None) == (self.file is None):
            raise ValueError("wanted either encoder (with weights) or file")
        if self.encoder is not None and self.weights is None:
            raise ValueError(
                "weights: wanted the path of the encoder's checkpoint, got none; download it first"
            )
        return self


class Features(Strict):
    """Features that are computed once and stored, and that runs read instead of frames and
    log-mels; see docs/features.md.

    Attributes:
        name: of the set, a folder of `<data_root>/features`.
        audio, video: where they come from; None for a modality that no run has.
        dropout: in training, share of the values of a clip that are set to 0.
        noise: in training, standard deviation of Gaussian noise, in standard deviations of a value.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    audio: FeatureSource | None = None
    video: FeatureSource | None = None
    dropout: float = Field(default=0.0, ge=0, lt=1)
    noise: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _some_modality(self) -> Features:
        if not self.sources:
            raise ValueError("wanted audio, video or both")
        if self.audio is not None and self.audio.encoder == "timm":
            raise ValueError("audio.encoder: timm encodes frames; wanted cav_mae, or file")
        return self

    @property
    def sources(self) -> dict[str, FeatureSource]:
        """The modalities that have features, with their sources."""
        both = {"audio": self.audio, "video": self.video}
        return {name: source for name, source in both.items() if source is not None}

    @property
    def encoded(self) -> bool:
        """Whether clips are decoded to compute features."""
        return any(source.encoder is not None for source in self.sources.values())


def features_of(base: dict[str, Any]) -> Features | None:
    """The section `features` of a merged config with its defaults; None without stored features."""
    return Features(**base["features"]) if base.get("features") else None


def check_features(config: dict[str, Any], where: str) -> None:
    """Stored features and encoders against each other, and time steps against frames."""
    features = features_of(config)
    sources = features.sources if features else {}
    for name in ("audio", "video"):
        kind = config[f"{name}_encoder"].get("type")
        if name in sources and kind != "FeatureAdapter":
            raise UserError(
                f"{where}: {name}_encoder is {kind}, but features.{name} gives stored vectors; set "
                f"{name}_encoder: {{type: FeatureAdapter, in_features: ..., out_features: ...}}"
            )
        if features is None and kind == "FeatureAdapter":
            raise UserError(
                f"{where}: {name}_encoder is FeatureAdapter, which reads stored features, and "
                "there is no section features; add it, see docs/features.md"
            )
    video = sources.get("video")
    if video is None or video.encoder is None:
        return
    frames, steps = config["cache"]["num_frames"], video.steps
    if frames % steps:
        raise UserError(
            f"{where}: features.video.steps {steps} does not divide cache.num_frames {frames}; "
            "choose a divisor"
        )
    if config["data"]["num_frames"] > steps:
        raise UserError(
            f"{where}: data.num_frames is {config['data']['num_frames']} and features.video.steps "
            f"only {steps}; lower the one or raise the other"
        )


def require_features(base: dict[str, Any], modalities: tuple[str, ...]) -> None:
    """Check that a run on stored features finds those of its modalities.

    Raises:
        UserError: those of one are not named.
    """
    features = features_of(base)
    lacking = [name for name in modalities if features and name not in features.sources]
    if lacking:
        raise UserError(
            f"the run reads {' and '.join(modalities)}, and the section features names no "
            f"{lacking[0]}; add features.{lacking[0]}, or leave its modality out of the plan"
        )


def stored_features_preprocessor(features: Features, meta: str, two_views: bool) -> dict[str, Any]:
    """Config of the data preprocessor of runs on stored features.

    Raises:
        UserError: two views of a clip would be the same.
    """
    if two_views and not features.dropout and not features.noise:
        raise UserError(
            "a contrast between two views of a clip needs features that differ: set "
            "features.dropout or features.noise above 0"
        )
    return dict(
        type="FeaturePreprocessor",
        cache_meta=meta,
        dropout=features.dropout,
        noise=features.noise,
        two_views=two_views,
    )


def stored_shape(name: str, source: FeatureSource, base: dict[str, Any]) -> tuple[int, int, int]:
    """(S, P, D) of a clip's stored features, as far as the settings say."""
    encoder = base[f"{name}_encoder"]
    frames = base["data"]["num_frames"] if name == "video" else 1
    steps = source.steps if source.encoder is not None else frames
    tokens = encoder.get("tokens", 1) if encoder.get("kind") == "transformer" else 1
    read = base["data"]["num_frames"] if name == "video" else steps
    return steps, max(1, tokens // read), encoder["in_features"]


def features_bytes(base: dict[str, Any]) -> int:
    """Bytes of the stored features of a clip, as far as the settings say; 0 without any."""
    features = features_of(base)
    if features is None:
        return 0
    return sum(
        2 * math.prod(stored_shape(name, source, base)) for name, source in features.sources.items()
    )
