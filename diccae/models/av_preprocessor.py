"""From lists of uint8 frames and float16 log-mels to normalised network input, with batch-wise augmentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torchaudio.transforms import FrequencyMasking, TimeMasking
from torchvision.transforms import v2


@MODELS.register_module()
class AVPreprocessor(BaseDataPreprocessor):
    """Stacks a batch, normalises it, and applies SpecAugment while training.

    Args:
        cache_meta: `meta.json` of the clip cache, which holds the mean and standard deviation of its log-mels (train and unlabelled clips only).
        spec_augment: `freq_mask` and `time_mask`, the widest masks in mel bins and frames; masks are drawn for each clip.
    """

    def __init__(self, cache_meta: str, spec_augment: dict[str, int]) -> None:
        super().__init__()
        meta = json.loads(Path(cache_meta).read_text())
        self.fbank_mean, self.fbank_std = float(meta["fbank_mean"]), float(meta["fbank_std"])
        self.freq_mask = FrequencyMasking(spec_augment["freq_mask"], iid_masks=True)
        self.time_mask = TimeMasking(spec_augment["time_mask"], iid_masks=True)
        self.normalize = v2.Normalize(mean=[0.5], std=[0.25])

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Audio (T, n_mels) a clip -> (B, 1, T, n_mels); video (V, T, 3, H, W) a clip -> (B, V, 3 T, H, W), V views."""
        inputs = {}
        if "audio" in data["inputs"]:
            audio = torch.stack([self._move(clip) for clip in data["inputs"]["audio"]]).float()
            audio = ((audio - self.fbank_mean) / self.fbank_std)[:, None]
            if training:
                # the transforms want (..., freq, time)
                audio = self.time_mask(self.freq_mask(audio.transpose(-1, -2))).transpose(-1, -2)
            inputs["audio"] = audio
        if "video" in data["inputs"]:
            video = torch.stack([self._move(clip) for clip in data["inputs"]["video"]])
            batch, views, frames, channels, height, width = video.shape
            video = self.normalize(v2.functional.to_dtype(video, torch.float32, scale=True).reshape(-1, 1, height, width))
            inputs["video"] = video.reshape(batch, views, frames * channels, height, width)
        return {"inputs": inputs, "data_samples": data.get("data_samples")}

    def _move(self, clip: Tensor) -> Tensor:
        return clip.to(self.device, non_blocking=True)
