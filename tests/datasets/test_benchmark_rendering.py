"""The clips of the embedded benchmark, and a rendering that can be interrupted."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from diccae.datasets.benchmark import writer
from diccae.datasets.benchmark.check import rendered_differences
from diccae.datasets.benchmark.designs import PAIRS, RING
from diccae.datasets.benchmark.figure import FPS, SIZE, render_frames
from diccae.datasets.benchmark.scene import SECONDS, draw_scene
from diccae.datasets.benchmark.sound import RATE, render_audio
from diccae.datasets.benchmark.spec import BenchmarkSpec, clip_id
from diccae.datasets.benchmark.writer import render_benchmark, write_clip
from diccae.errors import UserError

SPEC = BenchmarkSpec({"unlabelled": 5, "train": 12, "test": 3}, seed=11)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


@pytest.mark.parametrize("index", [0, 6])
def test_pictures_and_sound_are_a_function_of_the_index(index: int) -> None:
    scene = draw_scene(PAIRS, 1, "train", index)
    frames, audio = render_frames(scene), render_audio(scene)
    assert frames.shape == (round(SECONDS * FPS), SIZE, SIZE, 3)
    assert frames.dtype == np.uint8
    assert audio.shape == (round(SECONDS * RATE),)
    assert audio.dtype == np.float32
    assert 0 < np.abs(audio).max() <= 1
    assert np.array_equal(frames, render_frames(draw_scene(PAIRS, 1, "train", index)))
    assert np.array_equal(audio, render_audio(draw_scene(PAIRS, 1, "train", index)))
    for other in (
        draw_scene(PAIRS, 1, "train", index + 12),
        draw_scene(PAIRS, 1, "test", index),
        draw_scene(PAIRS, 2, "train", index),
    ):
        assert not np.array_equal(frames, render_frames(other))
        assert not np.array_equal(audio, render_audio(other))


def test_a_clip_rendered_again_is_the_same_and_another_index_is_another(tmp_path: Path) -> None:
    digests = [
        write_clip(draw_scene(PAIRS, 1, "train", index), tmp_path / f"{name}.mp4")
        for name, index in (("a", 0), ("b", 0), ("c", 12))
    ]
    assert digests == [digest(tmp_path / f"{name}.mp4") for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    sound = [packets(tmp_path / f"{name}.mp4", "audio") for name in "abc"]
    assert sound[0] == sound[1] != sound[2]


RENDER = """
import sys
from pathlib import Path
from diccae.datasets.benchmark.designs import PAIRS
from diccae.datasets.benchmark.scene import draw_scene
from diccae.datasets.benchmark.writer import write_clip
path = Path(sys.argv[1]) / "clip.mp4"
print(*(write_clip(draw_scene(PAIRS, 1, "train", index), path) for index in range(12)))
"""


def test_another_process_renders_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RENDER, str(tmp_path)]
    assert (
        len({subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)})
        == 1
    )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_benchmark(SPEC, tmp_path_factory.mktemp("benchmark"), jobs=1, progress=False)


def test_manifest(rendered: Path) -> None:
    manifest = pd.read_parquet(rendered)
    assert manifest["split"].value_counts().to_dict() == SPEC.counts
    assert manifest["id"].is_unique
    assert manifest["path"].is_unique
    assert manifest["group"].is_unique
    assert set(manifest["fold"]) == {-1}
    assert manifest["fold"].dtype == np.int32
    assert (manifest.loc[manifest["split"] == "unlabelled", "label"] == -1).all()
    assert sorted(manifest.loc[manifest["split"] == "train", "label"]) == list(range(12))
    for row in manifest.itertuples():
        assert digest(rendered.parent / row.path) == row.sha256
    hidden = pd.read_parquet(rendered.parent / "truth.parquet")
    assert list(hidden["id"]) == list(manifest["id"])
    assert (hidden["label"] >= 0).all()
    assert not {"motion_u", "sound_u", "blind", "deaf"} & set(manifest.columns)
    assert manifest["sha256"].is_unique
    assert not list(rendered.parent.rglob("*.tmp"))


def test_an_interrupted_rendering_is_continued(rendered: Path) -> None:
    clips = rendered.parent / "clips"
    before = {path: (digest(path), path.stat().st_mtime_ns) for path in clips.rglob("*.mp4")}
    sound = {path: packets(path, "audio") for path in before}
    gone = [clips / "train" / f"{clip_id('train', index)}.mp4" for index in (1, 7)]
    cut = clips / "test" / f"{clip_id('test', 2)}.mp4"
    for path in gone:
        path.unlink()
    cut.write_bytes(cut.read_bytes()[:1000])
    rendered.unlink()
    render_benchmark(SPEC, rendered.parent, jobs=1, progress=False)
    after = {path: (digest(path), path.stat().st_mtime_ns) for path in clips.rglob("*.mp4")}
    assert {path for path in after if after[path][1] != before[path][1]} == {*gone, cut}
    assert all(after[path] == before[path] for path in before if path not in {*gone, cut})
    # the bytes of the pictures: test_another_process_renders_the_same_bytes
    assert {path: packets(path, "audio") for path in after} == sound
    manifest = pd.read_parquet(rendered)
    assert [digest(rendered.parent / path) for path in manifest["path"]] == list(manifest["sha256"])


def test_rendering_with_nothing_to_do_writes_no_clip(
    rendered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        writer, "write_clip", lambda *_: pytest.fail("a finished clip was rendered again")
    )
    render_benchmark(SPEC, rendered.parent, jobs=1, progress=False)


# errors


def test_unknown_split_and_negative_counts() -> None:
    with pytest.raises(
        UserError,
        match=r"benchmark.counts: wanted numbers >= 0 for unlabelled, train.*got \{'trian': 3\}",
    ):
        BenchmarkSpec({"trian": 3})
    with pytest.raises(UserError, match="benchmark.counts"):
        BenchmarkSpec({"train": -1})


def test_another_benchmark_in_the_folder_is_left_alone(rendered: Path) -> None:
    with pytest.raises(UserError, match="clips of another benchmark"):
        render_benchmark(
            BenchmarkSpec(SPEC.counts, seed=12), rendered.parent, jobs=1, progress=False
        )


def test_a_folder_of_the_other_design_is_refused(tmp_path: Path) -> None:
    spec = BenchmarkSpec({"test": 1}, seed=11, design=RING)
    render_benchmark(spec, tmp_path, jobs=1, progress=False)
    with pytest.raises(UserError, match=r"spec.json: design ring, seed 11.*wanted design pairs"):
        render_benchmark(SPEC, tmp_path, jobs=1, progress=False)
    # written before there were two designs
    marker = tmp_path / "clips" / "spec.json"
    stated = json.loads(marker.read_text())
    del stated["design"]
    marker.write_text(json.dumps(stated))
    with pytest.raises(UserError, match=r"spec.json: design ring, seed 11"):
        render_benchmark(SPEC, tmp_path, jobs=1, progress=False)
    render_benchmark(spec, tmp_path, jobs=1, progress=False)
    assert not list(rendered_differences(tmp_path))


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EROFS, "the folder is read-only"),
        (errno.EACCES, "no permission to write there"),
        (errno.ENOSPC, "the disk is full"),
    ],
)
def test_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=reason) as caught:
        render_benchmark(SPEC, tmp_path / "data", jobs=1, progress=False)
    assert str(tmp_path / "data") in str(caught.value)


def test_full_disk_while_encoding_leaves_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, path: Path) -> None:
        path.write_bytes(b"begun")
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(writer, "_encode", refuse)
    with pytest.raises(UserError, match="the disk is full"):
        render_benchmark(SPEC, tmp_path, jobs=1, progress=False)
    assert not list(tmp_path.rglob("*.tmp"))
