"""Rendering the benchmark: MP4 files, a manifest, and the truth that only evaluation may read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
from tqdm import tqdm

from diccae.datasets.benchmark.figure import FPS, SIZE, render_frames
from diccae.datasets.benchmark.scene import SECONDS, SOURCES, SPLITS, Scene, draw_scene
from diccae.datasets.benchmark.sound import RATE, render_audio
from diccae.datasets.benchmark.truth import truth
from diccae.datasets.worker_pool import worker_pool
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.stored_file import json_or_nothing
from diccae.whole_file import whole_file, write_error

CHUNK = 48


@dataclass(frozen=True)
class BenchmarkSpec:
    """What to render.

    Attributes:
        counts: number of clips of each split.
        seed: seed of the benchmark.

    Raises:
        UserError: a split is unknown or a count negative.
    """

    counts: dict[str, int]
    seed: int = 20261121

    def __post_init__(self) -> None:
        unknown = set(self.counts) - set(SPLITS)
        if unknown or any(count < 0 for count in self.counts.values()):
            raise UserError(
                f"benchmark.counts: wanted numbers >= 0 for {', '.join(SPLITS)}, got {self.counts}"
            )


def write_clip(scene: Scene, path: Path) -> str:
    """Render one scene to a file (H.264 + AAC in MP4) and return the SHA-256 of the file.

    Raises:
        UserError: the file cannot be written.
    """
    # not durable: a clip that a power cut made shorter is rendered again, see _finished
    with whole_file(path, durable=False) as temporary:
        _encode(scene, temporary)
        return file_digest(temporary)


def _encode(scene: Scene, path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        # x264's macroblock tree rounds differently in different processes with AVX-512; without it
        # the same scene always gives the same bytes
        options = {"preset": "veryfast", "crf": "26", "threads": "1", "x264-params": "mbtree=0"}
        video = container.add_stream("libx264", rate=FPS, options=options)
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 48000
        for image in render_frames(scene):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(render_audio(scene)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def clip_id(split: str, index: int) -> str:
    """The id of clip `index` of a split."""
    return f"{split}-{index:06d}"


def _render_chunk(task: tuple[int, str, list[int], str]) -> dict[str, str]:
    seed, split, indices, folder = task
    return {
        clip_id(split, index): write_clip(
            draw_scene(seed, split, index), Path(folder) / f"{clip_id(split, index)}.mp4"
        )
        for index in indices
    }


def render_benchmark(spec: BenchmarkSpec, root: Path, jobs: int, progress: bool = True) -> Path:
    """Render all clips that do not exist yet.

    Digests of finished clips are kept in `clips/<split>.json`, so that an interrupted rendering
    continues; a clip whose file is missing or has other bytes is rendered again.

    Args:
        spec: what to render.
        root: folder of the benchmark.
        jobs: number of processes.
        progress: whether to show a progress bar.

    Returns:
        The path of the manifest.

    Raises:
        UserError: the disk is full, the folder cannot be written, or it holds another benchmark.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        return _render_all(spec, root, jobs, progress)
    except OSError as error:
        raise write_error(root, error) from None


def _render_all(spec: BenchmarkSpec, root: Path, jobs: int, progress: bool) -> Path:
    described = {"seed": spec.seed, "size": SIZE, "fps": FPS, "rate": RATE}
    marker = root / "clips" / "spec.json"
    stated = json_or_nothing(marker, "every clip is rendered again")
    if stated not in (None, described):
        raise UserError(
            f"{root} holds clips of another benchmark ({marker}); "
            f"remove {root} or set another data_root in the plan"
        )
    marker.parent.mkdir(exist_ok=True)
    tasks, known = [], {}
    for split in SPLITS:
        folder = root / "clips" / split
        folder.mkdir(exist_ok=True)
        done = {} if stated is None else _read_digests(folder)
        known[split] = done
        todo = [
            index
            for index in range(spec.counts.get(split, 0))
            if not _finished(folder, done, clip_id(split, index))
        ]
        tasks += [
            (spec.seed, split, todo[start : start + CHUNK], str(folder))
            for start in range(0, len(todo), CHUNK)
        ]
    # after the digests, which count for the clips of this benchmark alone
    if stated is None:
        for split in SPLITS:
            _write_json((root / "clips" / split).with_suffix(".json"), {})
        _write_json(marker, described)
    total = sum(spec.counts.values())
    with tqdm(
        total=total,
        initial=total - sum(len(task[2]) for task in tasks),
        desc="rendering",
        unit="clip",
        disable=not progress,
        mininterval=1,
    ) as bar:
        pool = worker_pool(min(jobs, len(tasks))) if jobs > 1 and len(tasks) > 1 else None
        try:
            results = pool.imap(_render_chunk, tasks) if pool else map(_render_chunk, tasks)
            for task, digests in zip(tasks, results, strict=True):
                split, folder = task[1], Path(task[3])
                known[split].update(
                    {
                        name: {"sha256": digest, "bytes": (folder / f"{name}.mp4").stat().st_size}
                        for name, digest in digests.items()
                    }
                )
                _write_json(folder.with_suffix(".json"), known[split])
                bar.update(len(digests))
        finally:
            if pool:
                pool.terminate()
    _write_json(root / "truth.json", truth())
    return _write_manifest(spec, root, known)


def _finished(folder: Path, done: dict[str, dict[str, object]], name: str) -> bool:
    path = folder / f"{name}.mp4"
    return name in done and path.is_file() and file_digest(path) == done[name]["sha256"]


def _read_digests(folder: Path) -> dict[str, dict[str, object]]:
    return json_or_nothing(folder.with_suffix(".json"), "its clips are rendered again") or {}


def _write_json(path: Path, content: object) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n")


def _write_manifest(
    spec: BenchmarkSpec, root: Path, digests: dict[str, dict[str, dict[str, object]]]
) -> Path:
    listed, hidden = tables(spec, digests)
    for name, table in (("truth", hidden), ("manifest", listed)):
        with whole_file(root / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)
    return root / "manifest.parquet"


def tables(
    spec: BenchmarkSpec, digests: dict[str, dict[str, dict[str, object]]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The manifest of a benchmark, and the truth of each clip.

    Args:
        spec: what is rendered.
        digests: by split and clip, a dictionary with the `sha256` of its file.
    """
    rows, hidden = [], []
    for split in SPLITS:
        for index in range(spec.counts.get(split, 0)):
            scene, name = draw_scene(spec.seed, split, index), clip_id(split, index)
            labelled = split != "unlabelled"
            rows.append(
                {
                    "id": name,
                    "path": f"clips/{split}/{name}.mp4",
                    "label": scene.activity.label if labelled else -1,
                    "label_name": scene.activity.name if labelled else "",
                    "split": split,
                    "source": SOURCES[scene.source],
                    "start": 0.0,
                    "end": SECONDS,
                    # every clip is a recording of its own
                    "group": name,
                    "fold": -1,
                    "sha256": digests[split][name]["sha256"],
                }
            )
            hidden.append(
                {
                    "id": name,
                    "label": scene.activity.label,
                    "label_name": scene.activity.name,
                    "motion_u": scene.motion_u,
                    "sound_u": scene.sound_u,
                    "blind": scene.blind,
                    "deaf": scene.deaf,
                }
            )
    made = (pd.DataFrame(rows), pd.DataFrame(hidden))
    for table in made:
        table["label"] = table["label"].astype(np.int32)
    made[0]["fold"] = made[0]["fold"].astype(np.int32)
    return made
