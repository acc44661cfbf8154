"""Files of many formats that cannot be used, and names that look like something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.datasets.media_facts import describe
from tests.datasets.media.samples import refused, sine, write


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
