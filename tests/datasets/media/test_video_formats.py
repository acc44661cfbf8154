"""Spans of every codec and container, turned, odd and uneven pictures, against a full decode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diccae.datasets.media import decode_clip
from tests.datasets.media.samples import agrees, can_encode, everything, write

# kinds of video
SPANS = [(0.0, 2.0), (0.5, 1.5), (0.96, 1.04), (1.3, 1.9)]


@pytest.mark.parametrize(("start", "end"), SPANS)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain.mp4", {}),
        (
            "ten_bit.mp4",
            {
                "codec": "libx265",
                "pixels": "yuv420p10le",
                "options": {"x265-params": "log-level=none:pools=none"},
            },
        ),
        (
            "hevc.mp4",
            {
                "codec": "libx265",
                "options": {"x265-params": "log-level=none:pools=none:open-gop=1"},
            },
        ),
        (
            "av1.mp4",
            {
                "codec": "libsvtav1",
                "options": {"preset": "12", "svtav1-params": "lp=1"},
                "size": (64, 64),
            },
        ),
        (
            "vp9.webm",
            {
                "codec": "libvpx-vp9",
                "options": {"deadline": "realtime", "cpu-used": "8"},
                "sound_codec": "libopus",
                "rate": 48000,
            },
        ),
        ("frames.mkv", {"codec": "ffv1", "pixels": "yuv444p"}),
        ("stream.ts", {"options": {"bf": "2"}}),
        ("open.mp4", {"options": {"bf": "3", "x264-params": "open-gop=1"}}),
        ("old.avi", {"codec": "mpeg4", "sound_codec": "libmp3lame"}),
        ("flash.flv", {}),
    ],
)
def test_spans_of_every_codec_and_container(
    tmp_path_factory: pytest.TempPathFactory, name: str, settings: dict, start: float, end: float
) -> None:
    if not can_encode(settings.get("codec", "libx264")):
        pytest.skip(f"PyAV comes without the encoder {settings['codec']}")
    folder = tmp_path_factory.getbasetemp() / "codecs"
    folder.mkdir(exist_ok=True)
    path = folder / name
    if not path.exists():
        write(path, **({"rate": 16000} | settings))
    agrees(path, start, end)


def test_variable_frame_rate(tmp_path: Path) -> None:
    pts = sorted({0, 1, 2, 40, 41, 90, 91, 92, 93, 150, 199})
    for name in ("clip.mp4", "clip.mkv"):
        path = write(tmp_path / name, fps=100, pts=pts)
        agrees(path, 0.0, 2.0, parts=16)
        agrees(path, 0.3, 0.95, parts=16)
        # between 0.93 and 1.50 s nothing changes
        frames = decode_clip(path, start=1.0, end=1.4, num_frames=4).frames
        assert all(np.array_equal(frame, frames[0]) for frame in frames)


def test_ten_bits_keep_their_colours(tmp_path: Path) -> None:
    eight = write(tmp_path / "eight.mkv", codec="ffv1", pixels="yuv444p")
    ten = write(tmp_path / "ten.mkv", codec="ffv1", pixels="yuv444p10le")
    frames = [decode_clip(path, end=2.0).frames.astype(int) for path in (eight, ten)]
    assert np.abs(frames[0] - frames[1]).max() <= 3


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_display_matrix_is_applied(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    path = write(tmp_path / "clip.mp4", turn=(degrees, mirrored, False))
    images, _ = everything(path)
    wanted = np.rot90(images[12], degrees // 90)
    wanted = wanted[:, ::-1] if mirrored else wanted
    frame = decode_clip(path, start=0.0, end=1.0, num_frames=1, size=wanted.shape[:2]).frames[0]
    assert np.array_equal(frame, wanted)


def test_a_picture_on_its_side_is_upright_again(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", turn=(90, False, False))
    frame = decode_clip(path, end=1.0, num_frames=1, size=(64, 48)).frames[0].astype(int)
    # the encoded picture is bright at its top: a quarter turn to the left brings that to the left
    assert frame[:, :4].mean() > 200
    assert frame[-4:, 12:].mean() < 50


@pytest.mark.parametrize("size", [(35, 53), (17, 16), (49, 64), (2, 2)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    agrees(write(tmp_path / "clip.mkv", codec="ffv1", size=size), 0.2, 1.7)
