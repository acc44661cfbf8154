"""Transforms between the clip cache and the network, registered for mmaction2 pipelines.

Each takes and returns the results dict of one clip. Random numbers come from a generator seeded
with `results['seed']`, so the augmentation of a sample depends on (seed of the run, epoch, row)
and neither on the worker that loads it nor on whether training was interrupted.

Frames stay NumPy views of the cache until `PackAVInputs` copies the pixels that are left, once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmaction.structures import ActionDataSample
from mmcv.transforms import BaseTransform

from diccae.errors import UserError


@TRANSFORMS.register_module()
class LoadCachedClip(BaseTransform):
    """Read one row of the cache, for the modalities of the run.

    Adds `frames`, uint8 (T, H, W, 3), and `fbank`, float16 (frames, n_mels), where the run has
    them. With a stored cache these are read-only views; frames that are not stored decoded are
    `ClipFrames`, of which the next transform takes some.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the arrays of `results['row']` of `results['cache']`.

        Raises:
            UserError: the sound of a clip of a live cache cannot be decoded.
        """
        cache, row = results["cache"], results["row"]
        if "video" in results["modalities"]:
            results["frames"] = cache.frames[row]
        if "audio" in results["modalities"]:
            results["fbank"] = cache.fbank[row]
        return results


@TRANSFORMS.register_module()
class RandomFrames(BaseTransform):
    """Take `num_frames` evenly spaced frames from a random start.

    Args:
        num_frames: frames of a view.
    """

    def __init__(self, num_frames: int) -> None:
        self.num_frames = num_frames

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """`frames` (T, H, W, 3) -> (1, num_frames, H, W, 3); the first axis counts views.

        Raises:
            UserError: frames of a live cache cannot be decoded.
        """
        if "frames" in results:
            stride = max(1, len(results["frames"]) // self.num_frames)
            start = int(_generator(results).integers(stride))
            taken = slice(start, start + stride * self.num_frames, stride)
            results["frames"] = results["frames"][taken][None]
        return results


@TRANSFORMS.register_module()
class FrameViews(BaseTransform):
    """Take `views` interleaved choices of `num_frames` frames, or as many as the clip has.

    Args:
        num_frames: frames of a view.
        views: the most views of a clip.
    """

    def __init__(self, num_frames: int, views: int) -> None:
        self.num_frames, self.views = num_frames, views

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """`frames` (T, H, W, 3) -> (V, num_frames, H, W, 3), V at most `views`.

        Raises:
            UserError: frames of a live cache cannot be decoded.
        """
        if "frames" in results:
            frames = results["frames"]
            stride = max(1, len(frames) // self.num_frames)
            numbers = np.arange(len(frames))
            taken = [
                numbers[start::stride][: self.num_frames]
                for start in range(min(self.views, stride))
            ]
            results["frames"] = frames[np.stack(taken)]
        return results


@TRANSFORMS.register_module()
class RandomCropFlip(BaseTransform):
    """Crop a random square and mirror it with probability 1/2, alike in all frames of the clip.

    Args:
        size: height and width of the square in pixels.
        flip: whether to mirror at all.
    """

    def __init__(self, size: int, flip: bool = True) -> None:
        self.size, self.flip = size, flip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """`frames` (V, T, H, W, 3) -> (V, T, size, size, 3).

        Raises:
            UserError: the frames are smaller than the square.
        """
        if "frames" in results:
            frames, rng = results["frames"], _generator(results)
            _check_size(frames, self.size)
            top, left = (int(rng.integers(side - self.size + 1)) for side in frames.shape[2:4])
            frames = frames[:, :, top : top + self.size, left : left + self.size]
            results["frames"] = (
                frames[:, :, :, ::-1] if self.flip and rng.random() < 0.5 else frames
            )
        return results


@TRANSFORMS.register_module()
class CentreCrop(BaseTransform):
    """Crop the central square of every frame.

    Args:
        size: height and width of the square in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """`frames` (V, T, H, W, 3) -> (V, T, size, size, 3).

        Raises:
            UserError: the frames are smaller than the square.
        """
        if "frames" in results:
            frames = results["frames"]
            _check_size(frames, self.size)
            top, left = (round((side - self.size) / 2) for side in frames.shape[2:4])
            results["frames"] = frames[:, :, top : top + self.size, left : left + self.size]
        return results


@TRANSFORMS.register_module()
class PackAVInputs(BaseTransform):
    """Pack a clip into tensors and an ActionDataSample, as mmaction2's recognisers take them."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """-> `inputs` and `data_samples`.

        `inputs` holds `audio`, float16 (frames, n_mels), and `video`, uint8 (V, T, 3, H, W);
        `data_samples` has `gt_label` and the metadata `row` and `split`.
        """
        inputs = {}
        if "fbank" in results:
            inputs["audio"] = torch.from_numpy(np.array(results["fbank"]))
        if "frames" in results:
            channels_first = results["frames"].transpose(0, 1, 4, 2, 3)
            inputs["video"] = torch.from_numpy(np.array(channels_first, order="C"))
        sample = ActionDataSample(
            metainfo={"row": results["row"], "split": results["split"]}
        ).set_gt_label(results["label"])
        return {"inputs": inputs, "data_samples": sample}


def _generator(results: dict[str, Any]) -> np.random.Generator:
    """The random generator of a sample, made when the first transform needs it."""
    if "rng" not in results:
        results["rng"] = np.random.default_rng(results["seed"])
    return results["rng"]


def _check_size(frames: np.ndarray, size: int) -> None:
    height, width = frames.shape[2:4]
    if min(height, width) < size:
        raise UserError(
            f"data.frame_size: wanted frames of at least {size} x {size} pixels, got "
            f"{height} x {width}; lower it in the plan or raise cache.frame_size"
        )
