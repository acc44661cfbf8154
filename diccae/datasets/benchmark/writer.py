"""Rendering the benchmark: MP4 files, a manifest, and the truth that only evaluation may read."""

from __future__ import annotations

import json
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from tqdm import tqdm

from diccae.datasets.benchmark.designs import DESIGNS
from diccae.datasets.benchmark.figure import FPS, SIZE, render_frames
from diccae.datasets.benchmark.scene import SPLITS, Scene, draw_scene
from diccae.datasets.benchmark.sound import RATE, render_audio
from diccae.datasets.benchmark.spec import BenchmarkSpec, as_described, clip_id, tables
from diccae.datasets.benchmark.truth import truth
from diccae.datasets.worker_pool import in_processes
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.stored_file import json_or_nothing
from diccae.whole_file import whole_file, write_error

CHUNK = 48


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


def _render_chunk(task: tuple[str, int, str, list[int], str]) -> dict[str, str]:
    design, seed, split, indices, folder = task
    return {
        clip_id(split, index): write_clip(
            draw_scene(DESIGNS[design], seed, split, index),
            Path(folder) / f"{clip_id(split, index)}.mp4",
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
    described = spec.described()
    marker = root / "clips" / "spec.json"
    stated = json_or_nothing(marker, "every clip is rendered again")
    if stated is not None and as_described(stated) != described:
        raise UserError(
            f"{root} holds clips of another benchmark ({marker}: {_words(as_described(stated))}; "
            f"wanted {_words(described)}); remove {root} or set another data_root in the plan"
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
            (spec.design.name, spec.seed, split, todo[start : start + CHUNK], str(folder))
            for start in range(0, len(todo), CHUNK)
        ]
    # after the digests, which count for the clips of this benchmark alone
    if stated is None:
        for split in SPLITS:
            _write_json((root / "clips" / split).with_suffix(".json"), {})
        _write_json(marker, described)
    total = sum(spec.counts.values())
    with (
        closing(in_processes(_render_chunk, tasks, jobs)) as results,
        tqdm(
            total=total,
            initial=total - sum(len(task[3]) for task in tasks),
            desc="rendering",
            unit="clip",
            disable=not progress,
            mininterval=1,
        ) as bar,
    ):
        for task, digests in zip(tasks, results, strict=True):
            split, folder = task[2], Path(task[4])
            known[split].update(
                {
                    name: {"sha256": digest, "bytes": (folder / f"{name}.mp4").stat().st_size}
                    for name, digest in digests.items()
                }
            )
            _write_json(folder.with_suffix(".json"), known[split])
            bar.update(len(digests))
    _write_json(root / "truth.json", truth(spec.design))
    return _write_manifest(spec, root, known)


def _words(described: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in described.items())


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
