"""Time and peak memory of the work of an epoch or a run on 2.3 million clips, without the encoders.

Target: under 12 GB. The manifest, the initial clusters and the features are synthetic. No decoded
clips are needed: the cache has one value for each clip. The peak is that of resident memory, which
includes pages of memory maps. The last column excludes these pages, because the kernel can reclaim
them, and is read after the step.
"""

from __future__ import annotations

import argparse
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
import torch
from scale_inputs import make_inputs
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from diccae import registry  # noqa: F401
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.readers.manifest import read_manifest
from diccae.datasets.samplers import PKSampler
from diccae.engine.feature_extractor import extract, preprocessed
from diccae.engine.hooks.pseudo_labels import PseudoLabelHook
from diccae.engine.hooks.update_set import UpdateSet
from diccae.engine.records import write_atomically
from diccae.functional.kmeans import kmeans, nearest_centroid
from diccae.functional.matching import match_clusters

HELD_OUT = 0.01
BATCH, SAMPLES_PER_CLASS = 32, 4


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print a line for the code that runs inside.

    The columns are wall seconds, CPU seconds, the peak of resident memory in GB, and the GB in use
    afterwards without pages of memory maps.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        name += " (peak since the start)"
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{name:64s} {wall:8.1f} {cpu:8.1f} {memory('VmHWM'):8.2f} "
        f"{memory('RssAnon') + memory('RssShmem'):8.2f}",
        flush=True,
    )


def memory(key: str) -> float:
    """GB in one line of /proc/self/status; without that file, the peak since the start."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(f"{key}:"))


class StoredFeatures(Dataset):
    """Reads rows of the feature file, in place of clips."""

    def __init__(self, path: Path, rows: Tensor) -> None:
        self.features, self.rows = np.load(path, mmap_mode="r"), rows.numpy()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> Tensor:
        return torch.from_numpy(self.features[self.rows[indices]])


class StoredModel(nn.Module):
    """Returns the features unchanged, in place of the encoders."""

    def data_preprocessor(self, batch: Tensor, training: bool) -> dict[str, dict[str, Tensor]]:
        """Features (B, width) as the argument of `embed`."""
        return {"inputs": {"features": batch}}

    def embed(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B, width) -> (B, width)."""
        return inputs["features"]


def loader(root: Path, dataset: AVClipDataset) -> DataLoader:
    """Batches of 1024 features of the dataset's clips, in order."""
    return DataLoader(
        StoredFeatures(root / "features.npy", dataset.rows),
        batch_size=1024,
        collate_fn=lambda rows: rows,
    )


def features_of(root: Path, dataset: AVClipDataset) -> np.ndarray:
    """(N, width) features of a data set as training collects them."""
    model, batches = StoredModel(), loader(root, dataset)
    return extract(model, preprocessed(model, batches), len(dataset), model.embed).numpy()


def main() -> None:
    """Make the inputs in a temporary folder and measure each step on them."""
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
        # in a separate process, so that its memory is not counted
        shape = (options.rows, options.width, options.clusters)
        maker = multiprocessing.get_context("spawn").Process(
            target=make_inputs, args=(Path(folder), *shape)
        )
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the inputs could not be made")
        print(
            f"{options.rows} clips x {options.width}, K = {options.clusters}, "
            f"{options.threads} thread(s)"
        )
        print(f"{'step':64s} {'wall s':>8s} {'CPU s':>8s} {'peak GB':>8s} {'after':>8s}")
        run(Path(folder), options)


def run(root: Path, options: argparse.Namespace) -> None:
    """Measure each step on the inputs in a folder."""
    with step("before the first step"):
        pass
    with step("manifest: read_manifest"):
        read_manifest(root / "manifest.parquet")
    common = {"cache_dir": str(root / "cache"), "splits": ["unlabelled"], "pipeline": []}
    held_out = int(HELD_OUT * options.rows)
    with step("datasets: index of the cache, training and held-out clips"):
        train = AVClipDataset(**common, holdout=held_out)
        update = AVClipDataset(**common, holdout=held_out, held_out=True)
    from mmengine.dataset import DefaultSampler

    with step("sampler: one shuffled epoch"):
        order = sum(1 for _ in DefaultSampler(train, shuffle=True, seed=0))
    assert order == len(train)

    clusters = {"k": options.clusters, "restarts": options.restarts}
    first = str(root / "first.npz")
    hook = PseudoLabelHook(refine_every=1, seed=0, initial=first, **clusters)
    hook.update_set = UpdateSet(SimpleNamespace(dataset=update))
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=train))
    with step("labels: initial clusters loaded into shared memory"):
        hook.before_train(runner)
    balanced = PKSampler(DefaultSampler(train, shuffle=True, seed=0), BATCH, SAMPLES_PER_CLASS)
    batches = min(1000, len(balanced))
    with step(f"sampler: start and {batches} of {len(balanced)} P x K batches"):
        for _ in islice(balanced, batches):
            pass

    with step("features: collected by the extractor"):
        features = features_of(root, train)
    fresh_features = features_of(root, update)
    with step(f"re-clustering: K-means, {options.restarts} restart(s) of 20 iterations"):
        clustering = kmeans(features, options.clusters, restarts=options.restarts, seed=0)
    old = hook.assignments["train"].numpy()
    with step("clusters: Hungarian matching of ids"):
        mapping, _ = match_clusters(old, clustering.assignments, options.clusters)
    with step(f"labels: held-out clips to centroids, {len(train)} labels shared"):
        fresh = nearest_centroid(fresh_features, clustering.centroids)
        hook.assignments["train_1"] = torch.from_numpy(
            mapping[clustering.assignments].astype(np.int32)
        )
        hook.assignments["update_1"] = torch.from_numpy(mapping[fresh].astype(np.int32))
        train.set_labels(hook.assignments["train_1"].long())
        update.set_labels(hook.assignments["update_1"].long())
    with step("labels: assignments.npz written"):
        for name, arrays in hook.result_files(runner).items():
            write_atomically(root / name, arrays)
    kept = float((train.labels.numpy() == old).mean())
    print(
        f"{100 * kept:.1f} % of the clips kept their label; "
        f"inertia per clip {clustering.inertia / len(train):.2f}"
    )


if __name__ == "__main__":
    main()
