"""Transforms between the clip cache and the network, registered for mmaction2 pipelines.

Each takes and returns the results dict of one clip. Randomness comes from `results['seed']`, so a sample's augmentation depends on (run seed, epoch, clip) and
neither on the worker that loads it nor on whether training was interrupted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmaction.structures import ActionDataSample
from mmcv.transforms import BaseTransform
from torchvision.transforms.v2 import functional as v2f


@TRANSFORMS.register_module()
class LoadCachedClip(BaseTransform):
    """Reads one row of the cache: `frames` uint8 (T, 3, H, W) and `fbank` float16 (frames, n_mels), those of the run's modalities."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        cache, row = results["cache"], results["row"]
        if "video" in results["modalities"]:
            results["frames"] = torch.from_numpy(np.array(cache.frames[row])).permute(0, 3, 1, 2)
        if "audio" in results["modalities"]:
            results["fbank"] = torch.from_numpy(np.array(cache.fbank[row]))
        results["rng"] = np.random.default_rng(results["seed"])
        return results


@TRANSFORMS.register_module()
class RandomFrames(BaseTransform):
    """Takes `num_frames` evenly spaced cached frames from a random start; adds a leading view axis: (1, num_frames, 3, H, W)."""

    def __init__(self, num_frames: int) -> None:
        self.num_frames = num_frames

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if "frames" in results:
            stride = max(1, len(results["frames"]) // self.num_frames)
            start = int(results["rng"].integers(stride))
            results["frames"] = results["frames"][start::stride][None, : self.num_frames]
        return results


@TRANSFORMS.register_module()
class FrameViews(BaseTransform):
    """Takes `views` interleaved choices of `num_frames` frames: (views, num_frames, 3, H, W); more views than the cache holds are not made up."""

    def __init__(self, num_frames: int, views: int) -> None:
        self.num_frames, self.views = num_frames, views

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if "frames" in results:
            stride = max(1, len(results["frames"]) // self.num_frames)
            starts = range(min(self.views, stride))
            results["frames"] = torch.stack(
                [results["frames"][start::stride][: self.num_frames] for start in starts]
            )
        return results


@TRANSFORMS.register_module()
class RandomCropFlip(BaseTransform):
    """One random square crop, and one coin for a mirror image, for all frames of the clip."""

    def __init__(self, size: int, flip: bool = True) -> None:
        self.size, self.flip = size, flip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if "frames" in results:
            frames, rng = results["frames"], results["rng"]
            top, left = (int(rng.integers(side - self.size + 1)) for side in frames.shape[-2:])
            frames = v2f.crop(frames, top, left, self.size, self.size)
            results["frames"] = (
                v2f.horizontal_flip(frames) if self.flip and rng.random() < 0.5 else frames
            )
        return results


@TRANSFORMS.register_module()
class CentreCrop(BaseTransform):
    """The central square of every frame."""

    def __init__(self, size: int) -> None:
        self.size = size

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if "frames" in results:
            results["frames"] = v2f.center_crop(results["frames"], [self.size, self.size])
        return results


@TRANSFORMS.register_module()
class PackAVInputs(BaseTransform):
    """-> `inputs` (audio float16 (frames, n_mels), video uint8 (views, T, 3, H, W)) and an ActionDataSample with `gt_label`, `row` and `split`."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        inputs = {}
        if "fbank" in results:
            inputs["audio"] = results["fbank"]
        if "frames" in results:
            inputs["video"] = results["frames"].contiguous()
        sample = ActionDataSample(
            metainfo={"row": results["row"], "split": results["split"]}
        ).set_gt_label(results["label"])
        return {"inputs": inputs, "data_samples": sample}
