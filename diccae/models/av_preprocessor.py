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
        video_input: `rgb`, or `motion`: grey frames minus their mean over the clip, which takes a still background away.
        two_views: while training, add `second_audio` (other masks) and `second_video` (another crop and mirror image) for contrast within a modality.
        non_blocking: copy to the GPU without waiting (for batches in pinned memory).
    """

    def __init__(
        self,
        cache_meta: str,
        spec_augment: dict[str, int],
        video_input: str = "rgb",
        two_views: bool = False,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        meta = json.loads(Path(cache_meta).read_text())
        self.fbank_mean, self.fbank_std = float(meta["fbank_mean"]), float(meta["fbank_std"])
        self.freq_mask = FrequencyMasking(spec_augment["freq_mask"], iid_masks=True)
        self.time_mask = TimeMasking(spec_augment["time_mask"], iid_masks=True)
        if video_input not in ("rgb", "motion"):
            raise ValueError(f"video_input: wanted rgb or motion, got {video_input!r}")
        self.motion = video_input == "motion"
        self.two_views = two_views
        # a moving limb changes a grey value by about a tenth
        self.normalize = (
            v2.Normalize(mean=[0.0], std=[0.1])
            if self.motion
            else v2.Normalize(mean=[0.5], std=[0.25])
        )

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Audio (T, n_mels) a clip -> (B, 1, T, n_mels); video (V, T, 3, H, W) a clip -> (B, V, T c, H, W), V views, c = 3 (rgb) or 1 (motion)."""
        inputs = {}
        if "audio" in data["inputs"]:
            audio = torch.stack([self._move(clip) for clip in data["inputs"]["audio"]]).float()
            audio = ((audio - self.fbank_mean) / self.fbank_std)[:, None]
            if training and self.two_views:
                inputs["second_audio"] = self._mask(audio)
            inputs["audio"] = self._mask(audio) if training else audio
        if "video" in data["inputs"]:
            video = torch.stack([self._move(clip) for clip in data["inputs"]["video"]])
            if self.motion:
                video = v2.functional.rgb_to_grayscale(video)
            video = v2.functional.to_dtype(video, torch.float32, scale=True)
            if self.motion:
                video = video - video.mean(dim=2, keepdim=True)
            inputs["video"] = (
                self.normalize(video.flatten(2, 3).flatten(0, 1)[:, :, None])
                .squeeze(2)
                .unflatten(0, video.shape[:2])
            )
            if training and self.two_views:
                height, width = video.shape[-2:]
                crop = v2.Compose(
                    [
                        v2.RandomResizedCrop((height, width), scale=(0.6, 1.0), antialias=True),
                        v2.RandomHorizontalFlip(),
                    ]
                )
                inputs["second_video"] = crop(inputs["video"])
        return {"inputs": inputs, "data_samples": data.get("data_samples")}

    def _mask(self, audio: Tensor) -> Tensor:
        # the transforms want (..., freq, time)
        return self.time_mask(self.freq_mask(audio.transpose(-1, -2))).transpose(-1, -2)

    def _move(self, clip: Tensor) -> Tensor:
        return clip.to(self.device, non_blocking=True)
