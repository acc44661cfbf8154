"""Decoding of many formats against a full decode, spans in all containers, torchcodec and PyAV."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from diccae.datasets import pyav_media
from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.datasets.media_facts import describe
from diccae.errors import UserError

RECORDINGS = Path(os.environ.get("DICCAE_RECORDINGS", "recordings"))


def has_torchcodec() -> bool:
    # it can be installed and not load: it needs FFmpeg's shared libraries
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


TORCHCODEC = has_torchcodec()


def can_encode(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def picture(index: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """A frame of large patches that no other index has, bright at the top and dark at the left."""
    patches = np.random.default_rng([seed, index]).integers(60, 200, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST)
    image[: height // 6], image[:, : width // 8] = 255, 0
    return image


def sine(seconds: float, rate: int, channels: int = 1, hertz: float = 440.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat(0.4 * np.sin(2 * np.pi * hertz * time)[None], channels, 0).astype(np.float32)


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def write(
    path: Path,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 25,
    pts: list[int] | None = None,
    size: tuple[int, int] = (48, 64),
    options: dict[str, str] | None = None,
    turn: tuple[int, bool, bool] | None = None,
    sounds: tuple[np.ndarray, ...] | None = None,
    sound_codec: str = "aac",
    rate: int = 16000,
    late: float = 0.0,
    videos: int = 1,
    draw: Callable[[int], np.ndarray] | None = None,
) -> Path:
    """Encode frames that show their number, with sound.

    The frames are at `pts` (in units of 1 / fps seconds, default 0 to 49), the `sounds` of
    (channels, samples) begin at `late` seconds.
    """
    pts = list(range(50)) if pts is None else pts
    sounds = (sine(2.0, rate),) if sounds is None else sounds
    height, width = size
    with av.open(str(path), "w") as container:
        streams = []
        for number in range(videos):
            stream = container.add_stream(codec, rate=fps, options={"g": "12"} | (options or {}))
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
            stream.codec_context.thread_count = 1
            if turn:
                stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
            frames = []
            for index, stamp in enumerate(pts):
                image = draw(index) if draw else picture(index, height, width, number)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = stamp, Fraction(1, fps)
                frames.append(frame)
            streams.append((stream, frames))
        for sound in sounds:
            stream = container.add_stream(sound_codec, rate=rate, layout=LAYOUTS[len(sound)])
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound), format="fltp", layout=LAYOUTS[len(sound)]
            )
            frame.sample_rate, frame.pts, frame.time_base = (
                rate,
                round(late * rate),
                Fraction(1, rate),
            )
            convert = av.AudioResampler(
                format=stream.codec_context.format, layout=LAYOUTS[len(sound)], rate=rate
            )
            streams.append((stream, [*convert.resample(frame)]))
        packets = [
            packet
            for stream, frames in streams
            for frame in [*frames, None]
            for packet in stream.encode(frame)
        ]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def everything(path: Path, stream: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """All frames as RGB, and their times from the beginning of the file."""
    with av.open(str(path)) as container:
        zero = max(0, container.start_time) / av.time_base
        frames = [
            (float(frame.time) - zero, frame.to_ndarray(format="rgb24", threads=1))
            for frame in container.decode(video=stream)
        ]
    return [image for _, image in frames], np.array([time for time, _ in frames])


def shown(images: list[np.ndarray], times: np.ndarray, moment: float) -> np.ndarray:
    return images[max(0, np.flatnonzero(times <= moment + 1e-7).max(initial=0))]


def agrees(path: Path, start: float, end: float, parts: int = 5, **settings: object) -> None:
    """What decode_clip gives for a span is what a full decode shows at the centres of its parts."""
    images, times = everything(path)
    height, width = images[0].shape[:2]
    clip = decode_clip(
        path, start=start, end=end, num_frames=parts, size=(height, width), **settings
    )
    for number, frame in enumerate(clip.frames):
        moment = start + (number + 0.5) * (end - start) / parts
        assert np.array_equal(frame, shown(images, times, moment)), (
            f"{path.name}, frame {number}, {moment} s"
        )


def loudest(audio: np.ndarray, rate: int = 16000) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(audio)))) * rate / len(audio)


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


# kinds of sound


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


# streams


def test_of_several_streams_the_first_is_taken(tmp_path: Path) -> None:
    sounds = (sine(2.0, 16000, hertz=440.0), sine(2.0, 16000, channels=2, hertz=1000.0))
    path = write(tmp_path / "clip.mkv", videos=2, sounds=sounds)
    agrees(path, 0.0, 2.0)
    assert loudest(decode_clip(path, end=2.0).audio[4000:28000]) == pytest.approx(440, abs=1)
    facts = describe(path)
    assert (facts.video_streams, facts.audio_streams, facts.channels) == (2, 2, 1)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1, width=64, height=48, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=16000, layout="mono")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, 48, 64), format="rgb24")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(sine(2.0, 16000), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*sound.encode(frame), *sound.encode(None)])
    refused(path, "no_video", "no video stream")
    assert describe(path).video_streams == 0


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    facts = describe(write(tmp_path / "clip.mp4", sounds=(sine(2.0, 44100, 2),), rate=44100))
    assert facts.duration == pytest.approx(2.0, abs=0.1)
    assert (facts.video_codec, facts.width, facts.height, facts.fps) == ("h264", 64, 48, 25.0)
    assert (facts.audio_codec, facts.sample_rate, facts.channels) == ("aac", 44100, 2)


# lengths


@pytest.mark.parametrize("end", [None, 2.0])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_a_single_frame_is_a_still_picture(tmp_path: Path, name: str, end: float | None) -> None:
    path = write(tmp_path / name, codec="mpeg4", pts=[0])
    images, _ = everything(path)
    clip = decode_clip(path, end=end, num_frames=4, size=(48, 64))
    assert all(np.array_equal(frame, images[0]) for frame in clip.frames)
    assert clip.duration > 0
    assert len(clip.audio) >= 31000


def test_a_long_file_is_decoded_twice_rather_than_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "clip.mp4")
    held = decode_clip(path, start=0.5)
    monkeypatch.setattr(pyav_media, "KEPT", 20_000)
    again = decode_clip(path, start=0.5)
    assert held.duration == again.duration == pytest.approx(1.5)
    assert np.array_equal(held.frames, again.frames)


def test_ends_of_picture_and_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", sounds=(sine(1.6, 16000),))
    clip = decode_clip(path, start=0.5, end=2.2)
    assert clip.video_end == pytest.approx(2.0, abs=0.01)
    assert clip.audio_end == pytest.approx(1.6, abs=0.1)
    assert decode_clip(path, start=0.5, end=1.5).video_end == 1.5


def test_times_count_from_the_beginning_of_a_transport_stream(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.ts", pts=list(range(250, 300)), late=10.0)
    with av.open(str(path)) as container:
        assert container.start_time > 9_000_000
    agrees(path, 0.2, 1.8)
    assert np.abs(decode_clip(path, end=0.5).audio[2000:8000]).max() > 0.3


# files that cannot be used


def refused(path: Path, reason: str, words: str, **settings: object) -> None:
    with pytest.raises(UserError) as caught:
        decode_clip(path, **settings)
    assert isinstance(caught.value, MediaError)
    assert caught.value.reason == reason
    assert words in caught.value.problem
    assert (
        str(caught.value)
        == f"{path}: {caught.value.problem}; replace the file or remove its row from the manifest"
    )


def test_missing_empty_and_not_media(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.mp4", "missing", "no such file")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "empty", "the file has no bytes")
    for number, content in enumerate(
        [b"<html>Video unavailable</html>\n" * 50, bytes(4096), b"%PDF-1.4\n%\n", b"PK\3\4"]
    ):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(content)
        refused(
            path, "unreadable", "it cannot be decoded (Invalid data found when processing input)"
        )
        with pytest.raises(MediaError, match="cannot be decoded"):
            describe(path)


def test_no_sound_and_no_picture(tmp_path: Path) -> None:
    refused(write(tmp_path / "mute.mp4", sounds=()), "no_audio", "there is no audio stream")
    refused(write(tmp_path / "blind.mp4", videos=0), "no_video", "there is no video stream")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
def test_truncated(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, codec="mpeg4", pts=list(range(150)), sounds=(sine(6.0, 16000),))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 10])
    with pytest.raises(MediaError) as caught:
        decode_clip(path, end=6.0)
    assert caught.value.reason in ("truncated", "unreadable")
    assert str(caught.value).startswith(f"{path}: it")


def test_too_quiet_for_16_bits_is_silent(tmp_path: Path) -> None:
    for loudness, silent in [(1e-6, True), (1e-3, False)]:
        path = write(
            tmp_path / "clip.mkv", sounds=(sine(2.0, 16000) * loudness,), sound_codec="pcm_f32le"
        )
        if silent:
            refused(path, "silent", "its sound is digital silence", end=2.0)
        else:
            assert decode_clip(path, end=2.0).audio.max() > 0


def test_a_play_list_opens_no_other_file(tmp_path: Path) -> None:
    write(tmp_path / "inside.ts")
    path = tmp_path / "list.mp4"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://localhost:9/inside.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(MediaError):
        decode_clip(path)


def test_names_that_look_like_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-id.mp4", "http:x.mp4", "a b'\"%03d.mp4"):
        write(tmp_path / name, pts=list(range(25)))
        assert decode_clip(Path(name), end=1.0).frames.shape == (16, 36, 36, 3)


# real recordings


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


# torchcodec


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
