"""Real recordings, which CONTRIBUTING.md names, against a full decode."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from diccae.datasets.media import decode_clip
from tests.datasets.media.samples import refused, shown

RECORDINGS = Path(os.environ.get("DICCAE_RECORDINGS", "recordings"))


@pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="DICCAE_RECORDINGS names no folder, see CONTRIBUTING.md"
)
@pytest.mark.parametrize("name", ["audioset_00W1lcxW-WU_40.000.mp4", "mpeg4_mp3.avi"])
def test_recordings(name: str) -> None:
    path = RECORDINGS / name
    with av.open(str(path)) as container:
        images = [
            frame.to_ndarray(format="rgb24", threads=1) for frame in container.decode(video=0)
        ]
        rate = float(container.streams.video[0].average_rate)
    # frames come in the order in which they are shown, unlike the time stamps of the AVI file
    first = 0.04 if name.endswith("avi") else 0.0
    times = first + np.arange(len(images)) / rate
    for start, end in [(0.0, 6.0), (2.03, 4.99), (5.0, 6.0)]:
        clip = decode_clip(path, start=start, end=end, num_frames=12, size=images[0].shape[:2])
        for number, frame in enumerate(clip.frames):
            moment = start + (number + 0.5) * (end - start) / 12
            assert np.array_equal(frame, shown(images, times, moment)), f"{start} s, frame {number}"
        assert clip.audio.shape == (round((end - start) * 16000),)


@pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="DICCAE_RECORDINGS names no folder, see CONTRIBUTING.md"
)
def test_a_recording_without_sound() -> None:
    refused(RECORDINGS / "silent.mp4", "no_audio", "there is no audio stream")
