"""Clips, their cache and the sizes of the inputs, as the configs state them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from diccae.errors import UserError
from diccae.feature_settings import Features, check_features
from diccae.schedule import Strict
from diccae.seed_sets import MAX_SEED
from diccae.source_lists import Folds
from diccae.validation import checked, did_you_mean

# of files that hold sound and no picture
SOUND_SUFFIXES = ("wav", "flac", "ogg", "opus", "mp3", "m4a")
Split = Literal["unlabelled", "train", "update", "validation", "test"]


class SpecAugment(Strict):
    """Widest masks of SpecAugment, in mel bands and in time frames."""

    freq_mask: int = Field(ge=0)
    time_mask: int = Field(ge=0)


class Data(Strict):
    """Which clips a run takes, and how.

    Attributes:
        num_classes: number of classes of the labelled clips.
        pretrain_splits: splits whose clips, without their labels, are the pool of pre-training.
        num_frames, frame_size: frames of a view, and their height and width in pixels.
        train_per_class: labelled clips of a class, drawn by seed; None for all.
        update_per_class: clips of a class in the update set of fine-tuning; None for all.
        update_unlabelled: clips of the update set of pre-training, withheld from the pool.
        samples_per_class: K of P x K batches.
        spec_augment: widest masks.
        flip: whether training mirrors clips at random.
        folds: the folds that the labelled clips are tested in; None where the splits of the
            manifest hold. A plan sets it in its overrides.
        drop_duplicates: a list of near-duplicates, of which no run takes those that it drops; None
            for all clips. A plan sets it in its overrides.
    """

    num_classes: int = Field(ge=2)
    pretrain_splits: list[str] = Field(min_length=1)
    num_frames: int = Field(ge=1)
    frame_size: int = Field(ge=1)
    train_per_class: int | None = Field(ge=1)
    # the circle of a single clip has no radius
    update_per_class: int | None = Field(ge=2)
    update_unlabelled: int = Field(ge=0)
    samples_per_class: int = Field(ge=1)
    spec_augment: SpecAugment
    flip: bool
    folds: Folds | None = None
    drop_duplicates: str | None = None

    @field_validator("pretrain_splits")
    @classmethod
    def _not_scored(cls, splits: list[str]) -> list[str]:
        held_out = [split for split in splits if split in ("update", "validation", "test")]
        if held_out:
            raise ValueError(
                f"wanted splits to train on, such as unlabelled and train; the clips of "
                f"{held_out[0]} are held out of training"
            )
        return splits


class Cache(Strict):
    """How clips are decoded; see `build_cache`."""

    mode: Literal["stored", "live"] = "stored"
    format: Literal["raw", "jpeg"] = "raw"
    decoder: Literal["pyav", "torchcodec"]
    frame_size: int = Field(ge=1)
    num_frames: int = Field(ge=1)
    n_mels: int = Field(ge=1)
    fbank_frames: int = Field(ge=2)
    max_bad_share: float = Field(ge=0, le=1)


class Benchmark(Strict):
    """The clips to render; `design` is a name in `diccae.datasets.benchmark.designs`."""

    design: Literal["pairs", "ring"]
    seed: int = Field(ge=0, le=MAX_SEED)
    counts: dict[Split, Annotated[int, Field(ge=0)]]


class _Sections(Strict):
    data: Data
    cache: Cache
    benchmark: Benchmark | None = None
    features: Features | None = None
    embedding_dim: int = Field(ge=1)
    video_input: Literal["rgb", "motion"]
    audio_encoder: dict[str, Any]
    video_encoder: dict[str, Any]
    imports: list[str]


def checked_sections(config: dict[str, Any], where: str) -> dict[str, Any]:
    """The sections of a merged config beside `method` and `schedule`, as their types say.

    Raises:
        UserError: a value has the wrong type or is out of range, or sizes do not fit together;
            names the keys.
    """
    unknown = sorted(set(config) - {*_Sections.model_fields, "method", "schedule"})
    if unknown:
        raise UserError(
            f"{where}: configs/base or configs/systems assigns {unknown[0]!r}, which nothing reads"
            + did_you_mean(unknown[0], [*_Sections.model_fields, "schedule"])
        )
    content = {name: config[name] for name in _Sections.model_fields if name in config}
    sections = checked(_Sections, content, where)
    result = sections.model_dump(exclude_unset=True)
    _check_sizes(result, where)
    _check_format(result["cache"], where)
    return result


def _check_format(cache: dict[str, Any], where: str) -> None:
    """JPEG is for stored frames; the default is left out, as where the key is not set."""
    if cache.get("format") == "jpeg" and cache.get("mode") == "live":
        raise UserError(
            f"{where}: cache.format is jpeg, but cache.mode live stores no frames; set cache.mode: "
            "stored, or leave cache.format out"
        )
    if cache.get("format") == "raw":
        del cache["format"]


def _check_sizes(config: dict[str, Any], where: str) -> None:
    """Sizes of the network's inputs against those of the cache, and encoders against both."""
    for name, limit in (
        ("data.num_frames", "cache.num_frames"),
        ("data.frame_size", "cache.frame_size"),
        ("data.spec_augment.freq_mask", "cache.n_mels"),
        ("data.spec_augment.time_mask", "cache.fbank_frames"),
    ):
        value, bound = _number(config, name), _number(config, limit)
        if value > bound:
            raise UserError(
                f"{where}: {name} is {value} and {limit} only {bound}; lower the one or raise the "
                "other"
            )
    data, cache = config["data"], config["cache"]
    check_features(config, where)
    channels = data["num_frames"] * (1 if config["video_input"] == "motion" else 3)
    for name, wanted in (
        ("audio_encoder", {"n_mels": cache["n_mels"], "fbank_frames": cache["fbank_frames"]}),
        ("video_encoder", {"num_frames": data["num_frames"], "frame_size": data["frame_size"]}),
    ):
        encoder = config[name]
        if encoder.get("type") == "ConvEncoder":
            wanted = {"in_channels": 1 if name == "audio_encoder" else channels}
        for key, value in wanted.items():
            if key in encoder and encoder[key] != value:
                raise UserError(
                    f"{where}: {name}.{key} is {encoder[key]}, but the input has {value} (data, "
                    f"cache and video_input decide that); set {name}.{key}: {value} in the "
                    "overrides"
                )


def _number(config: dict[str, Any], key: str) -> int:
    """The value of a dotted key."""
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value
