"""A frame that is decoded alone is the one, or ends in the error, of decoding the whole span."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from diccae.datasets.frame_alone import frame_alone
from diccae.datasets.media import decode_frames
from diccae.errors import UserError
from tests.datasets.media.samples import can_encode, cut, everything, sine, write
from tests.datasets.media.test_recordings import RECORDINGS

SIZE = (24, 32)
# the last four end after the file, or after half of it is over
SPANS = [(0.0, 2.0), (0.96, 1.04), (1.3, 1.9), (0.0, None), (0.7, None)]
SPANS += [(1.9, 2.6), (0.0, 3.5), (0.0, 10.0), (5.0, 9.0)]
LONG: dict[str, Any] = {
    "pts": list(range(150)),
    "sounds": (sine(6.0, 48000, 2),),
    "rate": 48000,
}
FORMATS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "long.mp4": LONG | {"options": {"bf": "3", "g": "40"}},
    "pyramid.mkv": LONG | {"options": {"bf": "8", "x264-params": "b-pyramid=normal:ref=6"}},
    "open.mp4": {"options": {"bf": "3", "x264-params": "open-gop=1"}},
    "one_key_frame.mp4": {"options": {"g": "500"}},
    "intra_refresh.mp4": LONG
    | {"options": {"bf": "0", "x264-params": "intra-refresh=1:keyint=20"}},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "log-level=none:pools=none:open-gop=1"},
    },
    "av1.mp4": {
        "codec": "libsvtav1",
        "options": {"preset": "12", "svtav1-params": "lp=1"},
        "size": (64, 64),
    },
    # with frames that are never shown
    "vp8.webm": LONG
    | {
        "codec": "libvpx",
        "options": {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"},
        "sound_codec": "libopus",
    },
    "vp9.webm": LONG
    | {
        "codec": "libvpx-vp9",
        "options": {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"},
        "sound_codec": "libopus",
    },
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2"}},
    "old.avi": {"codec": "mpeg4", "sound_codec": "libmp3lame"},
    "b_frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}, "sound_codec": "libmp3lame"},
    "stream.ts": {"options": {"bf": "2"}},
    "program.mpg": LONG | {"codec": "mpeg2video", "sound_codec": "mp2", "options": {"bf": "2"}},
    "flash.flv": {},
    "turned.mp4": {"turn": (90, True, False)},
    "odd.mkv": {"codec": "ffv1", "size": (35, 53)},
    "uneven.mp4": {"fps": 100, "pts": [0, 1, 2, 40, 41, 90, 150, 199]},
    "late.mp4": {"pts": list(range(20, 70))},
    "still.mp4": {"pts": [0]},
    "two.mkv": {"videos": 2},
}


def outcome(path: Path, **settings: Any) -> Any:
    """The images of a span and its end where it is open, or the error."""
    try:
        video = decode_frames(path, size=SIZE, modality="V", **settings)
    except UserError as error:
        return str(error)
    return video.images, video.stop


def agrees(path: Path, start: float, end: float | None, parts: int = 5) -> None:
    """Each frame alone is what decoding all gives, and so is the end of a span."""
    span: dict[str, Any] = {"start": start, "end": end, "num_frames": parts}
    whole = outcome(path, **span)
    for number in range(parts):
        alone = outcome(path, only=number, **span)
        where = f"{path.name}, {start} to {end}, frame {number}"
        if isinstance(whole, str) or isinstance(alone, str):
            assert alone == whole, where
        else:
            assert np.array_equal(alone[0], whole[0][number : number + 1]), where
            assert alone[1] == whole[1], where


@pytest.mark.parametrize("name", FORMATS)
def test_every_codec_and_container(tmp_path: Path, name: str) -> None:
    settings = FORMATS[name]
    if not can_encode(settings.get("codec", "libx264")):
        pytest.skip(f"PyAV comes without the encoder {settings['codec']}")
    path = write(tmp_path / name, **settings)
    for start, end in SPANS:
        agrees(path, start, end)


@pytest.mark.parametrize("seconds", [0.5, 3.37])
def test_edit_lists(tmp_path: Path, seconds: float) -> None:
    whole = write(tmp_path / "whole.mp4", options={"bf": "2", "g": "50"}, **LONG)
    path = cut(whole, tmp_path / "cut.mp4", seconds)
    for start, end in SPANS:
        agrees(path, start, end)


@pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="DICCAE_RECORDINGS names no folder, see CONTRIBUTING.md"
)
@pytest.mark.parametrize("name", ["audioset_00W1lcxW-WU_40.000.mp4", "mpeg4_mp3.avi", "silent.mp4"])
def test_recordings(name: str) -> None:
    for start, end in [(0.0, 10.0), (0.0, None), (2.03, 4.99), (3.0, 30.0)]:
        agrees(RECORDINGS / name, start, end, parts=10)


def remade(source: Path, path: Path, change: Callable[[int, av.Packet], bool]) -> Path:
    """A copy of the pictures of a file; `change` alters packet by packet and says which to keep."""
    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(video=0)):
            if packet.size and change(number, packet):
                packet.stream = stream
                part.mux(packet)
    return path


def test_time_stamps_that_repeat_or_jump(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mkv", options={"bf": "0"}, sounds=())

    def repeat(number: int, packet: av.Packet) -> bool:
        if number in (10, 11):
            packet.pts = packet.dts = packet.pts - 40 * (number - 9)
        return True

    def jump(number: int, packet: av.Packet) -> bool:
        packet.pts = packet.dts = packet.pts + 500 * (number > 20)
        return True

    repeating = remade(source, tmp_path / "repeating.mkv", repeat)
    # three frames with one time stamp
    assert len(set(everything(repeating)[1])) == 48
    for path in (repeating, remade(source, tmp_path / "jumping.mkv", jump)):
        for start, end in SPANS:
            agrees(path, start, end, parts=9)


def test_without_time_stamps_or_the_first_key_frame(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mkv", options={"bf": "2"}, sounds=())
    raw = remade(source, tmp_path / "raw.h264", lambda number, packet: True)
    headless = remade(source, tmp_path / "headless.mkv", lambda number, packet: number > 3)
    for path in (raw, headless):
        for start, end in SPANS:
            agrees(path, start, end)


def test_formats_that_change(tmp_path: Path) -> None:
    parts = [
        write(
            tmp_path / f"{number}.ts",
            size=size,
            sounds=(),
            muxer={"output_ts_offset": str(2.2 * number)},
        )
        for number, size in enumerate([(48, 64), (96, 128)])
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for start, end in [(0.0, 4.0), (1.0, 3.0), (0.0, None)]:
        agrees(path, start, end, parts=7)


def test_unusable_files_end_in_the_same_errors(tmp_path: Path) -> None:
    film = write(tmp_path / "film.mp4", **LONG)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_bytes(b"This is no film.\n" * 100)
    write(tmp_path / "blind.mp4", videos=0)
    without_index = shutil.copy(film, tmp_path / "half.mp4")
    Path(without_index).write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    for name in ("nowhere", "empty", "text", "blind", "half"):
        assert isinstance(outcome(tmp_path / f"{name}.mp4"), str)
        agrees(tmp_path / f"{name}.mp4", 0.0, 2.0)
    agrees(film, 2.0, 2.0)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_file_whose_end_is_missing(tmp_path: Path, name: str) -> None:
    muxer = {"movflags": "faststart"} if name == "clip.mp4" else {}
    path = write(tmp_path / name, muxer=muxer, **LONG)
    span: dict[str, Any] = {"end": 6.0, "num_frames": 5}
    intact = path.read_bytes()
    complete = decode_frames(path, size=SIZE, modality="V", **span).images
    path.write_bytes(intact[: len(intact) * 8 // 10])
    whole = outcome(path, **span)
    for number, image in enumerate(complete):
        alone = outcome(path, only=number, **span)
        # the last packet is cut: an error in some files, if it is decoded
        if number < 3 or (isinstance(whole, str) and alone != whole):
            assert np.array_equal(alone[0][0], image)
        elif not isinstance(whole, str):
            assert np.array_equal(alone[0][0], whole[0][number])
    for share in (2, 4):
        path.write_bytes(intact[: len(intact) * share // 10])
        assert isinstance(outcome(path, **span), str)
        agrees(path, 0.0, 6.0)


def damaged(path: Path, begin: int, end: int) -> None:
    """Zeros in place of the packets of frames `begin` to `end` of a file."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in places[begin:end]:
        content[place : place + size] = bytes(size)
    path.write_bytes(content)


def test_damage_is_noticed_where_it_is_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", options={"bf": "0", "g": "10"})
    images, _ = everything(path)
    damaged(path, 10, 20)
    span: dict[str, Any] = {"end": 2.0, "num_frames": 5}
    whole = outcome(path, **span)
    assert "it cannot be decoded" in whole
    found = [outcome(path, only=number, **span) for number in range(5)]
    # frame 15 is in the damaged part; all others are those of the file as it was
    assert found[1] == whole
    size = images[0].shape[:2]
    for number, frame in zip((0, 2, 3, 4), (5, 25, 35, 45), strict=True):
        video = decode_frames(path, size=size, modality="V", only=number, **span)
        assert np.array_equal(video.images[0], images[frame])


def test_ordinary_files_are_entered_at_a_key_frame(tmp_path: Path) -> None:
    for name in ("clip.mp4", "clip.mkv"):
        path = write(tmp_path / name, **LONG)
        for number in range(5):
            assert frame_alone(path, 0.0, 5.0, number, 5, SIZE, "AV") is not None
    assert frame_alone(path, 1.0, None, 4, 5, SIZE, "AV") is not None
