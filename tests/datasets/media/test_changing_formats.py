"""Streams whose rate, channels, pixel format and resolution change half-way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diccae.datasets.containers import fit
from diccae.datasets.media import decode_clip
from tests.datasets.media.samples import everything, loudest, shown, sine, write


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three transport streams of two seconds each in one file, with gaps of a tenth of a second."""
    folder = tmp_path_factory.mktemp("joined")
    formats = [
        ((48, 64), "yuv420p", 44100, 2, 440),
        ((96, 128), "yuv444p", 22050, 1, 1000),
        ((96, 128), "yuv420p", 48000, 6, 700),
    ]
    parts = [
        write(
            folder / f"{number}.ts",
            size=size,
            pixels=pixels,
            sounds=(sine(2.0, rate, channels, hertz),),
            rate=rate,
            muxer={"output_ts_offset": str(2.2 * number)},
        )
        for number, (size, pixels, rate, channels, hertz) in enumerate(formats)
    ]
    path = folder / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize(("start", "end"), [(0.0, 6.3), (1.0, 3.0), (3.1, 5.0)])
def test_frames_and_sound_are_those_of_their_time(joined: Path, start: float, end: float) -> None:
    clip = decode_clip(joined, start=start, end=end, num_frames=7, size=(48, 64))
    assert len(clip.audio) == round((end - start) * 16000)
    images, times = everything(joined)
    for number, frame in enumerate(clip.frames):
        moment = start + (number + 0.5) * (end - start) / 7
        image = shown(images, times, moment)
        assert np.array_equal(frame, fit(image, (48, 64)))
    for begin in np.arange(start + 0.25, end - 0.25, 0.25):
        # pieces in which the format changes
        if min(abs(begin + 0.1 - change) for change in (2.1, 4.3)) < 0.2:
            continue
        piece = clip.audio[round((begin - start) * 16000) :][:3200]
        hertz = 440 if begin < 2 else 1000 if begin < 4.2 else 700
        assert loudest(piece) == pytest.approx(hertz, abs=5)
        assert np.abs(piece).max() == pytest.approx(0.4, abs=0.08)
