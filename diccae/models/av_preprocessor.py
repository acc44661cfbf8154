"""Normalisation and augmentation of batches of frames and log-mels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torchaudio.transforms import FrequencyMasking, TimeMasking
from torchvision.transforms import v2

from diccae.stored_file import read_json


@MODELS.register_module()
class AVPreprocessor(BaseDataPreprocessor):
    """Stack and normalise a batch, and apply SpecAugment in training.

    Args:
        cache_meta: `meta.json` of the clip cache, which has the mean and standard deviation of the
            log-mels of train and unlabelled clips (null in a cache without sound).
        spec_augment: `freq_mask` and `time_mask`, the widest masks in mel bands and time frames;
            masks are drawn for each clip.
        video_input: `rgb`, or `motion` for grey frames minus their mean over the clip, which
            removes a still background.
        two_views: in training, add `second_audio` (other masks) and `second_video` (another crop
            and perhaps the mirror image, the same for all clips of a batch) for the contrast within
            a modality.
        non_blocking: copy to the GPU asynchronously (for batches in pinned memory).

    Raises:
        ValueError: `video_input` is unknown.
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
        meta = read_json(Path(cache_meta), "run `diccae data render` and `diccae data cache` first")
        self.fbank_mean, self.fbank_std = meta["fbank_mean"], meta["fbank_std"]
        self.freq_mask = FrequencyMasking(spec_augment["freq_mask"], iid_masks=True)
        self.time_mask = TimeMasking(spec_augment["time_mask"], iid_masks=True)
        if video_input not in ("rgb", "motion"):
            raise ValueError(f"video_input: wanted rgb or motion, got {video_input!r}")
        self.motion = video_input == "motion"
        self.two_views = two_views
        # a moving limb changes grey values by about 0.1
        self.normalize = (
            v2.Normalize(mean=[0.0], std=[0.1])
            if self.motion
            else v2.Normalize(mean=[0.5], std=[0.25])
        )

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Move a batch to the device, stack and normalise it.

        Args:
            data: `inputs` with lists `audio`, each float16 (F, n_mels), and `video`, each uint8
                (V, T, 3, H, W) with V views; and `data_samples`.
            training: whether to augment.

        Returns:
            `inputs` with `audio`, float32 (B, 1, F, n_mels), and `video`, float32
            (B, V, T c, H, W) with c = 3 (rgb) or 1 (motion); and the same `data_samples`.
        """
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

    def _mask(self, audio: Float[Tensor, "b 1 frames mels"]) -> Float[Tensor, "b 1 frames mels"]:
        # torchaudio's masks take (..., frequency, time)
        return self.time_mask(self.freq_mask(audio.transpose(-1, -2))).transpose(-1, -2)

    def _move(self, clip: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        return clip.to(self.device, non_blocking=True)
