"""How alike the pictures of two clips are, whatever their brightness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from diccae.datasets.duplicates.alignment import best_correlation

Array = NDArray[np.float32]
Crop = tuple[float, float, float]

# largest size of a frame that is looked at, of one that is compared, and of a descriptor's
LOOK, SIZE, COARSE = 36, 12, 6
# shares of height and width that a copy may have lost, and where the rest may lie
CROPS = tuple(
    (share, down, right)
    for share in (0.06, 0.1)
    for down, right in ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
)
WHOLE = (0.0, 0.0, 0.0)
SEARCHED = CROPS[:5]
# Standard deviation in levels of 255: a rendered clip in darkness has at most 7, others 10 or more.
LEAST_CONTRAST = 8.0


def looked_at(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3), no larger than LOOK x LOOK."""
    if frames.shape[1] <= LOOK:
        return frames
    return np.stack([cv2.resize(f, (LOOK, LOOK), interpolation=cv2.INTER_AREA) for f in frames])


def still(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The median frame (H, W, 3): it stays the same where less than half of a clip is other."""
    return np.median(frames, axis=0).astype(np.uint8)


def has_contrast(image: NDArray[np.uint8]) -> bool:
    """Whether a frame shows anything: it is neither dark nor of one colour."""
    return bool(image.std(axis=(0, 1)).mean() > LEAST_CONTRAST)


def cropped(image: NDArray, crop: Crop, size: int) -> NDArray:
    """A frame (H, W, 3) without a share of its height and width, resized to size x size."""
    share, down, right = crop
    lost = round(image.shape[0] * share)
    y, x = round(lost * down), round(lost * right)
    part = image[y : image.shape[0] - lost + y, x : image.shape[1] - lost + x]
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)


def crops(image: NDArray[np.uint8]) -> Array:
    """Descriptors of a frame, float32 (2 + len(SEARCHED), 3 * COARSE ** 2), of unit length: first
    that of the whole frame, by which it is found, then those that are searched for."""
    return np.stack([_unit(cropped(image, c, COARSE)) for c in (WHOLE, WHOLE, *SEARCHED)])


def _unit(image: NDArray) -> Array:
    centred = image.astype(np.float32).ravel() - image.mean(dtype=np.float32)
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)


def picture_similarity(
    one: NDArray[np.uint8], other: NDArray[np.uint8], stills: tuple[NDArray, NDArray]
) -> float:
    """Correlation of two clips, in [-1, 1], under the crop that suits their median frames best and
    the best alignment in time.

    Args:
        one, other: frames (T, H, W, 3) of `looked_at`.
        stills: their median frames.
    """
    clips = []
    for frames, crop in zip((one, other), _best_crops(*stills), strict=True):
        small = np.stack([cropped(frame, crop, SIZE) for frame in frames]).astype(np.float32)
        clips.append((small - small.mean()).reshape(1, len(frames), -1))
    return float(best_correlation(clips[0], clips[1], False)[0])


def _best_crops(one: NDArray, other: NDArray) -> tuple[Crop, Crop]:
    """The crops of two frames that make them most alike; at most one of them is not whole."""
    first, second = (
        np.stack([_unit(cropped(image, crop, SIZE)) for crop in (WHOLE, *CROPS)])
        for image in (one, other)
    )
    ways = first @ second[0], second @ first[0]
    best = int(ways[0].argmax()), int(ways[1].argmax())
    if ways[0][best[0]] >= ways[1][best[1]]:
        return (WHOLE, *CROPS)[best[0]], WHOLE
    return WHOLE, (WHOLE, *CROPS)[best[1]]
