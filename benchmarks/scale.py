"""What happens once an epoch or once a run at 2.3 million clips, without the encoders: seconds and peak memory of each step. Aim: under 12 GB.

The manifest, the first clusters and the features are made up. Decoded clips are not needed here: the cache holds one value a clip. Peaks are of resident
memory, pages of memory maps included; the last column leaves those out, which the kernel takes back when it needs them, and is read after the step.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from diccae import registry  # noqa: F401
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.readers.columns import join, text
from diccae.datasets.readers.manifest import COLUMNS, read_manifest, write_manifest
from diccae.datasets.samplers import PKSampler
from diccae.engine.feature_extractor import extract
from diccae.engine.hooks.pseudo_labels import PseudoLabelHook
from diccae.engine.records import write_atomically
from diccae.functional.kmeans import kmeans, nearest_centroid
from diccae.functional.matching import match_clusters

SOURCES = {"audioset": 0.88, "vggsound": 0.08, "epic_kitchens": 0.03, "ucf101": 0.01}
HELD_OUT = 0.01
BATCH, SAMPLES_PER_CLASS = 32, 4


def make_inputs(root: Path, rows: int, width: int, clusters: int) -> None:
    """manifest.parquet, an empty clip cache, first clusters and features (rows, width) float32 of overlapping groups."""
    number = np.arange(rows)
    video = text(pc.utf8_lpad(pa.array(number).cast(pa.string()), 11, "v"))
    start = (number * 7) % 600
    clip = join(video, "_", text(pc.utf8_lpad(pa.array(start).cast(pa.string()), 6, "0")))
    source = np.repeat(
        list(SOURCES), np.diff([0, *(rows * np.cumsum(list(SOURCES.values()))).round().astype(int)])
    )
    source = text(pa.array(source, pa.large_string()))
    empty = text(pa.array(np.full(rows, ""), pa.large_string()))
    unlabelled = text(pa.array(np.full(rows, "unlabelled"), pa.large_string()))
    columns = {
        "id": clip,
        "path": join(source, "/", clip, ".mp4"),
        "start": start.astype(float),
        "end": start + 10.0,
    }
    columns |= {
        "label_name": empty,
        "label": np.full(rows, -1, np.int32),
        "split": unlabelled,
        "source": source,
    }
    table = pd.DataFrame(columns | {"video": video})[COLUMNS]
    write_manifest(table, root / "manifest.parquet")

    cache = root / "cache"
    cache.mkdir()
    table.assign(
        status=text(pa.array(np.full(rows, "ok"), pa.large_string())), message=empty
    ).to_parquet(cache / "index.parquet", index=False)
    np.lib.format.open_memmap(
        cache / "frames.npy", mode="w+", dtype=np.uint8, shape=(rows, 1, 1, 1, 3)
    )
    np.lib.format.open_memmap(cache / "fbank.npy", mode="w+", dtype=np.float16, shape=(rows, 1, 1))
    (cache / "meta.json").write_text(
        json.dumps(
            {
                "manifest_sha256": hashlib.sha256(
                    (root / "manifest.parquet").read_bytes()
                ).hexdigest()
            }
        )
    )

    generator = np.random.default_rng(0)
    group = generator.integers(0, clusters, rows).astype(np.int32)
    ids = clip.to_numpy(dtype=str)
    write_atomically(root / "first.npz", {"ids": ids, "epochs": np.array([0]), "assign_0": group})
    centers = generator.standard_normal((clusters, width), np.float32)
    features = np.lib.format.open_memmap(
        root / "features.npy", mode="w+", dtype=np.float32, shape=(rows, width)
    )
    for begin in range(0, rows, 65536):
        part = group[begin : begin + 65536]
        features[begin : begin + len(part)] = centers[part] + generator.standard_normal(
            (len(part), width), np.float32
        )


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print wall and CPU seconds of what runs inside, its peak of resident memory and the memory of its own that is left after it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        name += " (peak since the start)"
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{name:64s} {wall:8.1f} {cpu:8.1f} {memory('VmHWM'):8.2f} {memory('RssAnon') + memory('RssShmem'):8.2f}",
        flush=True,
    )


def memory(key: str) -> float:
    """GB of one line of the kernel's account of this process; where there is none, the peak since the start."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(f"{key}:"))


class StoredFeatures(Dataset):
    """Rows of the feature file, batch by batch, in the place of clips."""

    def __init__(self, path: Path, rows: Tensor) -> None:
        self.features, self.rows = np.load(path, mmap_mode="r"), rows.numpy()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> Tensor:
        return torch.from_numpy(self.features[self.rows[indices]])


class StoredModel(nn.Module):
    """Hands features through, in the place of the encoders."""

    def data_preprocessor(self, batch: Tensor, training: bool) -> dict[str, Tensor]:
        return {"inputs": batch}

    def embed(self, inputs: Tensor) -> Tensor:
        return inputs


def loader(root: Path, dataset: AVClipDataset) -> DataLoader:
    return DataLoader(
        StoredFeatures(root / "features.npy", dataset.rows),
        batch_size=1024,
        collate_fn=lambda rows: rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_300_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        # in a process of its own: what it needs is not counted
        shape = (options.rows, options.width, options.clusters)
        maker = multiprocessing.get_context("spawn").Process(
            target=make_inputs, args=(Path(folder), *shape)
        )
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the inputs could not be made")
        print(
            f"{options.rows} clips x {options.width}, K = {options.clusters}, {options.threads} thread(s)"
        )
        print(f"{'step':64s} {'wall s':>8s} {'CPU s':>8s} {'peak GB':>8s} {'own GB':>8s}")
        run(Path(folder), options)


def run(root: Path, options: argparse.Namespace) -> None:
    with step("before anything"):
        pass
    with step("manifest: read_manifest"):
        read_manifest(root / "manifest.parquet")
    common = {"cache_dir": str(root / "cache"), "splits": ["unlabelled"], "pipeline": []}
    held_out = int(HELD_OUT * options.rows)
    with step("data sets: index of the cache, training and held-out clips"):
        train = AVClipDataset(**common, holdout=held_out)
        update = AVClipDataset(**common, holdout=held_out, held_out=True)
    from mmengine.dataset import DefaultSampler

    with step("sampler: one epoch of uniform order"):
        order = sum(1 for _ in DefaultSampler(train, shuffle=True, seed=0))
    assert order == len(train)

    hook = PseudoLabelHook(
        options.clusters, options.restarts, refine_every=1, seed=0, initial=str(root / "first.npz")
    )
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=train),
        _diccae_loaders={"update_dataloader": SimpleNamespace(dataset=update)},
    )
    with step("labels: first clusters looked up and shared"):
        hook.before_train(runner)
    balanced = PKSampler(DefaultSampler(train, shuffle=True, seed=0), BATCH, SAMPLES_PER_CLASS)
    batches = min(1000, len(balanced))
    with step(f"sampler: start and {batches} of {len(balanced)} P x K batches"):
        for _ in islice(balanced, batches):
            pass

    with step("features: collected by the extractor from its batches"):
        features = extract(StoredModel(), loader(root, train), StoredModel().embed).numpy()
    fresh_features = extract(StoredModel(), loader(root, update), StoredModel().embed).numpy()
    with step(f"re-clustering: K-means, {options.restarts} restart(s) of 20 iterations"):
        clustering = kmeans(features, options.clusters, restarts=options.restarts, seed=0)
    old = hook.assignments["train"].numpy()
    with step("ids: Hungarian matching"):
        mapping, _ = match_clusters(old, clustering.assignments, options.clusters)
    with step(f"labels: held-out clips to their centroids, {len(train)} labels shared"):
        fresh = nearest_centroid(fresh_features, clustering.centroids)
        hook.assignments["train_1"] = torch.from_numpy(
            mapping[clustering.assignments].astype(np.int32)
        )
        hook.assignments["update_1"] = torch.from_numpy(mapping[fresh].astype(np.int32))
        train.set_labels(hook.assignments["train_1"].long())
        update.set_labels(hook.assignments["update_1"].long())
    with step("labels: written as assignments.npz"):
        write_atomically(root / "assignments.npz", hook.table(train.ids, update.ids))
    kept = float((train.labels.numpy() == old).mean())
    print(
        f"{100 * kept:.1f} % of the clips kept their label; inertia a clip {clustering.inertia / len(train):.2f}"
    )


if __name__ == "__main__":
    main()
