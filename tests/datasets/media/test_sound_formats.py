"""Sound of every codec, rate and layout, and of spans."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from diccae.datasets.media import decode_clip
from diccae.datasets.sound_mix import mix, mono
from tests.datasets.media.samples import loudest, sine, write

BACKENDS = [
    "pyav",
    pytest.param(
        "torchcodec",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("torchcodec") is None, reason="torchcodec is not installed"
        ),
    ),
]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi", "clip.flv"])
def test_sound_of_a_span_is_the_slice_of_the_whole(tmp_path: Path, name: str) -> None:
    codec = "libmp3lame" if name.endswith("avi") else "aac"
    sweep = (0.4 * np.sin(2 * np.pi * 300 * np.linspace(0, 3, 96000) ** 2 / 3)).astype(np.float32)[
        None
    ]
    path = write(
        tmp_path / name, pts=list(range(75)), sounds=(sweep,), sound_codec=codec, rate=32000
    )
    whole = decode_clip(path, end=2.9, sample_rate=32000).audio
    for start, end in [(0.5, 1.5), (1.234, 1.9), (2.0, 2.9)]:
        part = decode_clip(path, start=start, end=end, sample_rate=32000).audio
        assert len(part) == round((end - start) * 32000)
        # FLV and AVI round the times of packets to a millisecond or a packet
        offsets = range(-40, 41) if name.endswith(("avi", "flv", "mkv", "ts")) else [0]
        first = round(start * 32000)
        errors = [
            np.abs(part[100:-100] - whole[first + 100 + o : first + len(part) - 100 + o]).max()
            for o in offsets
        ]
        assert min(errors) < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("codec", "rate"),
    [("aac", 8000), ("aac", 11025), ("aac", 44100), ("aac", 48000), ("pcm_s16le", 22050)],
)
def test_every_rate_and_layout_becomes_16_khz_mono(
    tmp_path: Path, codec: str, rate: int, channels: int
) -> None:
    sound = sine(2.0, rate, channels)
    sound[1:] = 0
    path = write(tmp_path / "clip.mkv", sounds=(sound,), sound_codec=codec, rate=rate)
    audio = decode_clip(path, end=2.0).audio[4000:28000]
    assert audio.dtype == np.float32
    assert loudest(audio) == pytest.approx(440, abs=1)
    # not the maximum: the AAC encoder has a spike now and then
    assert np.quantile(np.abs(audio), 0.98) == pytest.approx(0.4 / channels, rel=0.05)


def test_ac3_surround(tmp_path: Path) -> None:
    path = write(
        tmp_path / "clip.mkv", sounds=(sine(2.0, 48000, 6),), sound_codec="ac3", rate=48000
    )
    assert loudest(decode_clip(path, end=2.0).audio[4000:28000]) == pytest.approx(440, abs=1)


def test_sound_that_begins_late_is_preceded_by_zeros(tmp_path: Path) -> None:
    audio = decode_clip(write(tmp_path / "clip.mkv", late=0.5), end=1.0).audio
    assert np.all(audio[:6000] == 0)
    assert np.abs(audio[9500:16000]).max() == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_stereo_in_opposite_phase_is_not_silence(tmp_path: Path, codec: str, backend: str) -> None:
    sound = sine(2.0, 44100, 2)
    sound[1] *= -0.5
    path = write(tmp_path / "half.mkv", sounds=(sound,), sound_codec=codec, rate=44100)
    mean = decode_clip(path, end=2.0, backend=backend).audio[4000:28000]
    # a fifth of the channels' energy is left: the mean stays
    assert np.quantile(np.abs(mean), 0.98) == pytest.approx(0.1, rel=0.05)
    sound[1] *= 1.9
    path = write(tmp_path / "opposite.mkv", sounds=(sound,), sound_codec=codec, rate=44100)
    audio = decode_clip(path, end=2.0, backend=backend).audio[4000:28000]
    assert loudest(audio) == pytest.approx(440, abs=1)
    assert np.quantile(np.abs(audio), 0.98) == pytest.approx(0.4, rel=0.05)


def test_what_is_mixed_down() -> None:
    left = np.sin(np.arange(1000)).astype(np.float32)
    one, other = left[:, None], np.stack([left, 0.5 * left], axis=1)
    assert np.array_equal(mono(one), left)
    assert np.array_equal(mono(other), other.mean(axis=1))
    assert np.array_equal(mono(np.stack([0.9 * left, -left], axis=1)), -left)
    assert np.array_equal(mono(np.zeros((5, 2), np.float32)), np.zeros(5))
    # only the span counts: the channels agree before it
    sound = np.stack([left, -left], axis=1)
    sound[:500, 1] *= -1
    assert np.array_equal(mix([sound], 0.5, 0.25, 1000), left[500:750])


def test_sounds_of_several_formats_are_cut_and_preceded_by_zeros() -> None:
    sounds = [np.ones((4, 2), np.float32), np.full((4, 1), 2, np.float32)]
    assert mix(sounds, 0.2, None, 10).tolist() == [1, 1, 2, 2, 2, 2]
    assert mix(sounds, 0.2, 0.3, 10).tolist() == [1, 1, 2]
    assert mix(sounds, 0.5, 0.2, 10).tolist() == [2, 2]
    assert mix(sounds, -0.2, 0.3, 10).tolist() == [0, 0, 1]
    assert mix(sounds, -0.2, 0.1, 10).tolist() == [0]
    assert mix([], -0.2, 0.1, 10).tolist() == []
