"""torchcodec gives the same frames, sound and errors as PyAV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diccae.datasets.media import decode_clip
from diccae.errors import UserError
from tests.datasets.media.samples import cut, refused, sine, write


def has_torchcodec() -> bool:
    # it can be installed and not load: it needs FFmpeg's shared libraries
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


TORCHCODEC = has_torchcodec()


@pytest.mark.skipif(TORCHCODEC, reason="torchcodec is there")
def test_without_torchcodec_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"cache.decoder: torchcodec cannot be imported .*pip install .*cache.decoder to pyav",
    ):
        decode_clip(write(tmp_path / "clip.mp4"), backend="torchcodec")


@pytest.mark.skipif(not TORCHCODEC, reason="torchcodec is not installed, or does not load")
@pytest.mark.parametrize(
    "settings",
    [
        {"name": "plain.mp4"},
        {"name": "uneven.mp4", "fps": 100, "pts": [0, 1, 2, 40, 41, 90, 150, 199]},
        {"name": "ten_bit.mkv", "codec": "ffv1", "pixels": "yuv444p10le"},
        {"name": "turned.mp4", "turn": (90, True, False)},
        {"name": "odd.mkv", "codec": "ffv1", "size": (35, 53)},
        {"name": "stream.ts"},
        {"name": "two.mkv", "videos": 2},
        {"name": "single.mp4", "pts": [0]},
        {"name": "surround.mp4", "sounds": (sine(2.0, 48000, 6),), "rate": 48000},
        {"name": "resampled.mp4", "sounds": (sine(2.0, 44100, 2),), "rate": 44100},
    ],
    ids=lambda settings: settings["name"],
)
def test_torchcodec_gives_the_same(tmp_path: Path, settings: dict) -> None:
    path = write(
        tmp_path / settings["name"],
        **{key: value for key, value in settings.items() if key != "name"},
    )
    for start, end in [(0.0, 2.0), (0.5, 1.5), (1.3, 1.9), (0.0, None)]:
        if settings["name"] == "single.mp4" and start > 0:
            continue
        ours, theirs = (
            decode_clip(path, start=start, end=end, num_frames=6, size=(30, 40), backend=backend)
            for backend in ("pyav", "torchcodec")
        )
        assert np.array_equal(ours.frames, theirs.frames), f"{start} to {end}"
        assert theirs.duration == pytest.approx(ours.duration, abs=1e-6)
        length = min(len(ours.audio), len(theirs.audio))
        assert abs(len(ours.audio) - len(theirs.audio)) < 100
        # a resampler begins at a packet: one sample of the sine is 0.069
        assert (
            np.abs(ours.audio[100 : length - 100] - theirs.audio[100 : length - 100]).max() < 0.07
        )


@pytest.mark.skipif(not TORCHCODEC, reason="torchcodec is not installed, or does not load")
def test_torchcodec_raises_the_same_errors(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    refused(tmp_path / "text.mp4", "unreadable", "it cannot be decoded", backend="torchcodec")
    refused(
        write(tmp_path / "mute.mp4", sounds=()),
        "no_audio",
        "there is no audio stream",
        backend="torchcodec",
    )
    path = write(tmp_path / "clip.mp4")
    refused(
        path,
        "no_video",
        "no frame between 7.0 s and 9.0 s",
        start=7.0,
        end=9.0,
        backend="torchcodec",
    )
    refused(path, "truncated", "its video ends at 1.96 s", end=10.0, backend="torchcodec")


@pytest.mark.skipif(not TORCHCODEC, reason="torchcodec is not installed, or does not load")
def test_files_that_torchcodec_reads_at_other_times_are_left_to_pyav(tmp_path: Path) -> None:
    long = {"pts": list(range(150)), "sounds": (sine(6.0, 44100, 2),), "rate": 44100}
    whole = write(tmp_path / "whole.mp4", options={"bf": "2", "g": "50"}, **long)
    program = write(tmp_path / "clip.mpg", codec="mpeg2video", sound_codec="mp2", **long)
    cuts = [cut(whole, tmp_path / f"cut{at}.mp4", at) for at in (0.5, 3.37)]
    assert decode_clip(whole, backend="torchcodec").decoder == "torchcodec"
    for path in (*cuts, program):
        for start, end in [(0.0, 2.0), (0.3, 1.7), (1.1, 2.4)]:
            ours, theirs = (
                decode_clip(path, start=start, end=end, num_frames=8, backend=backend)
                for backend in ("pyav", "torchcodec")
            )
            assert theirs.decoder == "pyav"
            assert np.array_equal(ours.frames, theirs.frames)
            assert np.array_equal(ours.audio, theirs.audio)
