"""Rendered clips, copies of them in another split, and their cache."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from diccae.datasets.benchmark.designs import PAIRS
from diccae.datasets.benchmark.figure import FPS, SIZE, render_frames
from diccae.datasets.benchmark.scene import Scene, draw_scene
from diccae.datasets.benchmark.sound import RATE, render_audio
from diccae.datasets.clip_cache import build_cache
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from tests.conftest import made_once

CACHE = dict(frame_size=36, num_frames=16, n_mels=64, fbank_frames=64, max_bad_share=0.0)
# clips of the test split, and what was done to the copy of each in the unlabelled pool
COPIES = ("encoded again", "louder", "shifted", "cropped", "cut", "in another source")
OTHERS = 6


def scenes(count: int, seed: int = 4) -> list[Scene]:
    """Scenes in which something is seen and heard."""
    drawn = (draw_scene(PAIRS, seed, "test", index) for index in range(10 * count))
    return [scene for scene in drawn if not scene.blind and not scene.deaf][:count]


def write(path: Path, frames: np.ndarray, sound: np.ndarray, crf: str = "26") -> None:
    """Encode frames (T, SIZE, SIZE, 3) and sound (S,)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": crf, "threads": "1"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 48000
        for image in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        wave = np.clip(sound, -1, 1).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def copy_of(kind: str, frames: np.ndarray, sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A changed copy of a clip; where it is shifted by half a second, it goes on backwards."""
    late, lost = FPS // 2, 6
    if kind == "shifted":
        frames = np.concatenate([frames, frames[::-1]])[late : late + len(frames)]
        sound = np.concatenate([sound, sound[::-1]])[RATE // 2 : RATE // 2 + len(sound)]
    elif kind == "cut":
        frames, sound = frames[late:], sound[RATE // 2 :]
    elif kind == "louder":
        sound = sound * 2
    elif kind == "cropped":
        frames = np.stack([cv2.resize(f[lost:, : SIZE - lost], (SIZE, SIZE)) for f in frames])
    return frames, sound


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of test clips, their copies in the unlabelled pool, and other clips there."""
    return made_once(tmp_path_factory, "planted", _plant)


def _plant(root: Path) -> None:
    drawn = [(render_frames(s), render_audio(s)) for s in scenes(len(COPIES) + OTHERS)]
    rows = []
    for number, kind in enumerate(COPIES):
        write(root / f"clips/test{number}.mp4", *drawn[number])
        rows.append((f"test{number}", "test", "embedded-b", number % 2))
        write(root / f"clips/copy{number}.mp4", *copy_of(kind, *drawn[number]), "32")
        source = "embedded-c" if kind == "in another source" else "embedded-b"
        rows.append((f"copy{number}", "unlabelled", source, -1))
    for number in range(OTHERS):
        write(root / f"clips/other{number}.mp4", *drawn[len(COPIES) + number])
        rows.append((f"other{number}", "unlabelled", "embedded-b", -1))
    write_data(root, pd.DataFrame(rows, columns=["id", "split", "source", "label"]))


def write_data(root: Path, table: pd.DataFrame) -> None:
    """Write the manifest of clips in `clips`, and their cache."""
    table = table.assign(path="clips/" + table["id"] + ".mp4", start=0.0, end=np.nan)
    names = table["label"].map({-1: "", 0: "fall", 1: "jump"})
    table = table.assign(label_name=names, group=table["id"], fold=-1)
    table.to_parquet(root / "manifest.parquet")
    build_cache(root / "manifest.parquet", root / "cache", jobs=1, progress=False, **CACHE)


def plan_on(folder: Path, data: Path, modality: str = "AV", **overrides: object) -> Plan:
    """A plan on some data, written to `folder`."""
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    kept = {key: content[key] for key in ("scale", "dataset")}
    section = {"variants": ["from_scratch"], "modalities": [modality]}
    content = kept | {"name": "mine", "data_root": str(data), "seeds": [0], "table2": section}
    content |= {"reference": "from_scratch", "overrides": overrides}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_plan(path)
