"""What the stored features of a plan cost, before they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from diccae.clips_folder import clips_folder
from diccae.feature_settings import FeatureSource, features_of
from diccae.models.vit import AudioViT
from diccae.planning.bench import stopwatch, timing
from diccae.plans import Plan
from diccae.settings import plan_settings

# clips that are encoded together, at most
BATCH = 8


@dataclass(frozen=True)
class FeatureCost:
    """Cost of the stored features of a plan.

    Attributes:
        clips: number of clips.
        done: whether they are complete already.
        flops: floating point operations of the encoders for one clip.
        seconds: of the encoders for one clip on this device; None if they were not timed.
    """

    clips: int
    done: bool
    flops: float
    seconds: float | None

    @property
    def hours(self) -> float | None:
        """Hours of the encoders on one device like this."""
        return None if self.seconds is None else self.clips * self.seconds / 3600


def feature_cost(plan: Plan, clips: int, gpu: bool, seconds: float | None) -> FeatureCost | None:
    """Cost of the features of a plan; None without stored features.

    Args:
        plan: a checked plan.
        clips: number of its clips.
        gpu: whether this machine has a GPU.
        seconds: time to spend on timing each encoder; None to time nothing.
    """
    base = plan_settings(plan)
    features = features_of(base)
    if features is None:
        return None
    flops, total = 0.0, 0.0
    for name, source in features.sources.items():
        if source.encoder is None:
            continue
        frames = 1 if name == "audio" else base["cache"]["num_frames"]
        flops += frames * _flops(name, source, base["cache"])
        if seconds is not None:
            total += frames * _seconds(name, source, base["cache"], gpu, seconds)
    done = (clips_folder(plan) / "meta.json").is_file()
    return FeatureCost(clips, done, flops, None if seconds is None else total)


def _encoder(
    name: str, source: FeatureSource, cache: dict[str, Any]
) -> tuple[nn.Module, list[int]]:
    """An untrained encoder and the shape of an input."""
    if name == "audio":
        shape = [cache["fbank_frames"], cache["n_mels"]]
        return AudioViT(source.model, *shape), [1, *shape]
    vit = timm.create_model(source.model, num_classes=0)
    return vit, [3, *vit.patch_embed.img_size]


def _flops(name: str, source: FeatureSource, cache: dict[str, Any]) -> float:
    """Operations for one spectrogram or frame; nothing is computed."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        encoder, shape = _encoder(name, source, cache)
        encoder.eval()(torch.empty(1, *shape))
    return float(counter.get_total_flops())


def _seconds(
    name: str, source: FeatureSource, cache: dict[str, Any], gpu: bool, seconds: float
) -> float:
    """Time for one spectrogram or frame."""
    device, now = torch.device("cuda" if gpu else "cpu"), stopwatch(gpu)
    encoder, shape = _encoder(name, source, cache)
    encoder.to(device).eval()

    @torch.no_grad()
    def clock(size: int) -> float:
        inputs = torch.rand(size, *shape, device=device)
        started = now()
        encoder(inputs)
        if gpu:
            torch.cuda.synchronize()
        return now() - started

    return timing(clock, BATCH, 1, seconds).seconds
