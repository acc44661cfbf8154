"""Checks one clip for the ledger: decodes it as training does and measures picture and sound."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.datasets.media_facts import MediaFacts, describe
from diccae.datasets.modalities import WORDS, kinds
from diccae.sections import Modality

# version of the probe; a ledger of another version is made anew
PROBE = "3"
# frames are compared at a height, in pixels, at which coding noise averages out;
# they differ where a pixel changes by more than NOISE of 255
PROBE_FRAMES = 8
PROBE_HEIGHT = 16
NOISE = 12
# seconds by which picture or sound may end before the span: cutting tools are exact to a packet
# or a group of pictures at best
TOLERANCE = 0.5
UNKNOWN = MediaFacts(float("nan"), 0, 0)


def probe_clip(
    path: Path | str, start: float = 0.0, end: float | None = None, modality: Modality = "AV"
) -> dict[str, object]:
    """Check one clip by decoding what of it is asked for.

    Args:
        path: the media file.
        start: beginning of the clip in seconds.
        end: end of the clip in seconds; None for the end of the file.
        modality: what the clip must have.

    Returns:
        The ledger's columns, without those that name the clip. `usable` says whether `decode_clip`
        accepts it: a still clip, or one of which less than half is missing, is usable.
    """
    facts, row = UNKNOWN, {"video_end": np.nan, "audio_end": np.nan, "peak": np.nan}
    try:
        facts = describe(path)
        height = PROBE_HEIGHT
        width = max(1, round(height * facts.width / facts.height)) if facts.height else height
        clip = decode_clip(
            path,
            start=start,
            end=end,
            num_frames=PROBE_FRAMES,
            size=(height, width),
            modality=modality,
        )
    except MediaError as error:
        status, reason = _classify(error, facts, modality)
        return (
            asdict(facts)
            | row
            | {"status": status, "usable": False, "reason": f"{status}: {reason}"}
        )
    except (MemoryError, OverflowError, cv2.error) as error:
        reason = f"unreadable: decoding it ends in {type(error).__name__}"
        return asdict(facts) | row | {"status": "unreadable", "usable": False, "reason": reason}
    row |= {"video_end": clip.video_end, "audio_end": clip.audio_end}
    if clip.audio is not None:
        row["peak"] = np.abs(clip.audio).max()
    status, reason = "ok", ""
    ends = {"sound": clip.audio_end, "picture": clip.video_end}
    # an open span of sound alone ends where the file says that it does
    stop = start + clip.duration if end is None and modality == "A" else end
    first = min((word for word in ends if not np.isnan(ends[word])), key=lambda word: ends[word])
    if stop is not None and ends[first] < stop - TOLERANCE:
        status, reason = (
            "short",
            f"short: its {first} ends before its span, but lasts for half of it",
        )
    elif clip.frames is not None and _is_still(clip.frames):
        status, reason = "still", "still: its picture does not change"
    return asdict(facts) | row | {"status": status, "usable": True, "reason": reason}


def _is_still(frames: np.ndarray) -> bool:
    """Whether frames, uint8 (T, H, W, 3), show the same picture but for coding noise."""
    values = frames.astype(np.int16)
    return bool(np.abs(values - values[:1]).max() <= NOISE)


def _classify(error: MediaError, facts: MediaFacts, modality: Modality) -> tuple[str, str]:
    """Status, and the reason without numbers, so that clips can be counted by it."""
    if error.reason == "truncated":
        what = " or its ".join(WORDS[kind] for kind in kinds(modality))
        return "short", f"its {what} ends before half of its span"
    if error.reason == "no_video" and facts.video_streams:
        return "short", "its picture ends before its span begins"
    if error.reason == "no_audio" and facts.audio_streams:
        return "short", "its sound ends before its span begins"
    status = {"empty": "unreadable", "empty_span": "unreadable"}.get(error.reason, error.reason)
    return (
        status,
        "the span in the manifest is empty" if error.reason == "empty_span" else error.problem,
    )
