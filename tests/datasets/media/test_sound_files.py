"""Files of sound alone, and clips of which sound or picture alone is asked for."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from diccae.datasets import pyav_media
from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from tests.datasets.media.samples import sine, write


def chirp(rate: int, seconds: float = 3.0, channels: int = 1) -> np.ndarray:
    """A sweep up to 2 kHz, so that no part of it equals another."""
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat(0.4 * np.sin(2 * np.pi * 330 * time**2)[None], channels, 0).astype(np.float32)


def sound_file(path: Path, codec: str, rate: int, channels: int = 1, seconds: float = 3.0) -> Path:
    sounds = (chirp(rate, seconds, channels),)
    return write(path, videos=0, sounds=sounds, sound_codec=codec, rate=rate)


def hear(path: Path, rate: int = 16000, **span: float) -> np.ndarray:
    return decode_clip(path, sample_rate=rate, modality="A", **span).audio


def refusal(path: Path, **settings: object) -> tuple[str, str]:
    with pytest.raises(MediaError) as caught:
        decode_clip(path, **settings)
    return caught.value.reason, caught.value.problem


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels", "error"),
    [
        ("clip.wav", "pcm_s16le", 8000, 1, 2e-5),
        ("clip.wav", "pcm_s24le", 192000, 2, 1e-6),
        ("clip.wav", "pcm_f32le", 44100, 1, 0.0),
        ("clip.wav", "pcm_u8", 22050, 1, 8e-3),
        ("clip.wav", "pcm_alaw", 8000, 2, 1e-2),
        ("clip.flac", "flac", 96000, 2, 2e-5),
        ("clip.m4a", "alac", 44100, 1, 2e-5),
    ],
)
def test_samples_of_a_span_are_those_that_were_written(
    tmp_path: Path, name: str, codec: str, rate: int, channels: int, error: float
) -> None:
    path = sound_file(tmp_path / name, codec, rate, channels)
    for start, end in [(0.0, None), (0.1, 0.6), (1.0, 2.5)]:
        found = hear(path, rate, start=start, end=end)
        wanted = chirp(rate)[0, round(start * rate) : None if end is None else round(end * rate)]
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= error


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("clip.mp3", "libmp3lame", 44100),
        ("clip.mp3", "libmp3lame", 16000),
        # the bits of a frame lie in frames up to a third of a second before it
        ("clip.mp3", "libmp3lame", 8000),
        ("clip.ogg", "libopus", 48000),
        ("clip.opus", "libopus", 16000),
        ("clip.m4a", "aac", 44100),
        # its times after seeking are estimates
        ("clip.wav", "adpcm_ms", 16000),
    ],
)
def test_a_span_of_a_file_without_an_index_is_the_slice_of_the_whole(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    path = sound_file(tmp_path / name, codec, rate)
    # Opus is decoded at 48 kHz, and a span that begins between two samples is rounded
    whole = hear(path, rate)
    # encoder delay does not count: the sweep begins at 0
    quiet = chirp(rate)[0, : len(whole)]
    assert np.corrcoef(whole[: len(quiet)], quiet)[0, 1] > 0.98
    for start in (0.05, 0.5, 1.234, 1.75):
        part = hear(path, rate, start=start, end=start + 1)
        first = round(start * rate)
        assert len(part) == rate
        assert np.abs(part - whole[first : first + rate])[40:-40].max() < 2e-3


def test_sound_alone_is_that_of_the_clip_and_no_picture_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "clip.mp4", late=0.25)
    both = decode_clip(path, start=0.5, end=1.5)
    with monkeypatch.context() as patched:
        patched.setattr(pyav_media, "decode_video", None)
        alone = decode_clip(path, start=0.5, end=1.5, modality="A")
    assert alone.frames is None
    assert np.isnan(alone.video_end)
    assert np.array_equal(both.audio, alone.audio)
    # the picture ends long before the span, which is not asked for
    short = write(tmp_path / "short.mkv", pts=list(range(5)), sounds=(sine(4.0, 16000),))
    assert refusal(short, end=4.0)[0] == "truncated"
    assert len(hear(short, end=4.0)) == 64000


def test_pictures_alone_are_those_of_the_clip_and_silence_does_not_matter(tmp_path: Path) -> None:
    loud = write(tmp_path / "loud.mp4", codec="mpeg4")
    mute = write(tmp_path / "mute.mp4", codec="mpeg4", sounds=())
    silence = np.zeros((1, 32000), np.float32)
    silent = write(tmp_path / "silent.mp4", codec="mpeg4", sounds=(silence,))
    both = decode_clip(loud, end=2.0)
    for path in (loud, mute, silent):
        alone = decode_clip(path, end=2.0, modality="V")
        assert alone.audio is None
        assert np.isnan(alone.audio_end)
        assert np.array_equal(alone.frames, both.frames)
        assert (alone.video_end, alone.duration) == (both.video_end, both.duration)


def with_cover(source: Path, path: Path) -> Path:
    """A copy with an attached picture."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        sound = new.add_stream_from_template(old.streams.audio[0])
        cover = new.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        image.pts, image.time_base = 0, Fraction(1, 25)
        for packet in [*cover.encode(image), *cover.encode(None)]:
            new.mux(packet)
        for packet in old.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                new.mux(packet)
    return path


@pytest.mark.parametrize(("suffix", "codec"), [("mp3", "libmp3lame"), ("flac", "flac")])
def test_a_cover_is_no_video(tmp_path: Path, suffix: str, codec: str) -> None:
    plain = sound_file(tmp_path / f"plain.{suffix}", codec, 16000)
    path = with_cover(plain, tmp_path / f"cover.{suffix}")
    assert np.array_equal(hear(path), hear(plain))
    for modality in ("V", "AV"):
        reason, problem = refusal(path, modality=modality)
        assert (reason, problem) == ("no_video", "there is no video stream")


def stated(path: Path, size: int, keep: int | None = None) -> Path:
    """A WAV file that states this size of its samples, and keeps the first bytes of them."""
    content = path.read_bytes()
    data = content.index(b"data") + 8
    samples = content[data:][:keep]
    path.write_bytes(content[: data - 4] + struct.pack("<I", size) + samples)
    return path


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_file_that_was_written_to_a_pipe_is_read_whole(tmp_path: Path, size: int) -> None:
    path = sound_file(tmp_path / "clip.wav", "pcm_s16le", 16000)
    whole = hear(path)
    stated(path, size)
    assert np.array_equal(hear(path), whole)
    assert np.array_equal(hear(path, start=1.0, end=2.0), whole[16000:32000])


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame")])
def test_a_file_that_was_cut_off_is_not_taken_for_a_short_one(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    path = sound_file(tmp_path / f"clip.{suffix}", codec, 16000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    clip = decode_clip(path, modality="A")
    assert clip.audio_end < 2.5
    assert clip.duration == pytest.approx(3.0, abs=0.01)
    path.write_bytes(content[: len(content) * 4 // 10])
    reason, problem = refusal(path, modality="A")
    assert reason == "truncated"
    assert problem.endswith("the file by its header at 3.00 s")


def test_sound_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "clip.wav", "pcm_s16le", 16000)
    assert refusal(stated(path, 0, keep=0), modality="A")[0] == "no_audio"
    path.write_bytes(path.read_bytes()[:30])
    assert refusal(path, modality="A")[0] == "unreadable"
    path.write_bytes(b"")
    assert refusal(path, modality="A")[0] == "empty"
    for name, codec in [("clip.flac", "flac"), ("clip.mp3", "libmp3lame"), ("clip.ogg", "libopus")]:
        path = sound_file(tmp_path / name, codec, 48000)
        path.write_bytes(path.read_bytes()[:100])
        assert refusal(path, modality="A")[0] == "unreadable"
    silent = write(
        tmp_path / "silent.wav",
        videos=0,
        sounds=(np.zeros((1, 16000), np.float32),),
        sound_codec="pcm_s16le",
    )
    assert refusal(silent, modality="A")[0] == "silent"
    assert refusal(write(tmp_path / "mute.mp4", sounds=()), modality="A")[0] == "no_audio"


def test_an_mp3_file_may_end_in_what_is_no_sound(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "clip.mp3", "libmp3lame", 44100)
    content, whole = path.read_bytes(), hear(path)
    for end in (b"LYRICSBEGIN" + b"la" * 200 + b"LYRICS200TAG" + bytes(125), bytes(4000)):
        path.write_bytes(content + end)
        # FFmpeg may take the padding of the last frame for sound
        assert 0 <= len(hear(path)) - len(whole) < 1000
        assert np.array_equal(hear(path)[:-1000], whole[: len(hear(path)) - 1000])
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(3000) + content[middle:])
    assert refusal(path, modality="A")[0] == "unreadable"


def test_sound_after_a_lost_part_keeps_its_time(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "clip.flac", "flac", 16000)
    content, whole = bytearray(path.read_bytes()), hear(path)
    content[len(content) // 2 : len(content) // 2 + 3] = bytes(3)
    path.write_bytes(content)
    damaged = hear(path)
    assert len(damaged) == len(whole)
    lost = np.flatnonzero(damaged != whole)
    assert 0 < lost[-1] - lost[0] < 5000
    assert np.all(damaged[lost] == 0)
    assert np.array_equal(hear(path, start=2.5, end=3.0), damaged[40000:])
