"""K-means at the paper's scale on a GPU: seconds and memory of faiss as training calls it, inertia
compared with the CPU, and of the same iterations with the features held in GPU memory.

Without a GPU everything runs on the CPU, which shows only that the script works.
"""

from __future__ import annotations

import argparse
import os
import resource
import threading
import time
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from gpu_kmeans_resident import BLOCK, resident_kmeans
from measured import Measured

from diccae.functional.kmeans import Clustering, kmeans
from diccae.functional.scratch import empty_rows

ITERATIONS = 20
# of the noise in each group: the groups overlap, as in `kmeans.py`
SPREAD = 3.0


class GpuMemory:
    """Measures the peak of used GPU memory inside of a `with` block by asking the driver, because
    faiss allocates beside PyTorch.

    Attributes:
        peak: GB above what was used at the start; None without a GPU.
    """

    def __init__(self) -> None:
        self.peak: float | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> GpuMemory:
        if torch.cuda.is_available():
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        start = least = torch.cuda.mem_get_info()[0]
        while not self._done.wait(0.1):
            least = min(least, torch.cuda.mem_get_info()[0])
        self.peak = (start - least) / 1e9


def features_in_groups(rows: int, width: int, groups: int, device: torch.device) -> np.ndarray:
    """(rows, width) float32 in overlapping groups, in memory or in a file as in training.

    Raises:
        OSError: the temporary folder has no room for them.
    """
    features = empty_rows(rows, width)
    draws = torch.Generator(device).manual_seed(0)
    centres = torch.randn(groups, width, generator=draws, device=device)
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        group = torch.randint(groups, (size,), generator=draws, device=device)
        noise = torch.randn(size, width, generator=draws, device=device)
        features[start : start + size] = (centres[group] + SPREAD * noise).cpu().numpy()
    return features


def as_many_as_fit(rows: int, width: int, out: Measured, options: argparse.Namespace) -> np.ndarray:
    """Features of `rows` clips, or of half of them and so on where the disk has no room."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    while True:
        try:
            features = features_in_groups(rows, width, options.clusters, device)
            break
        except OSError as error:
            out.note(f"{error.strerror or error}: {rows // 2} rows instead of {rows}.")
            rows //= 2
            if rows < options.clusters:
                raise SystemExit(
                    f"gpu_kmeans: no room for {options.clusters} rows; set TMPDIR to a folder "
                    "with more"
                ) from None
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    size = features.nbytes / 1e9
    place = "in memory" if not isinstance(features, np.memmap) else "in a file (TMPDIR)"
    out.note(
        f"{rows} x {width}: {size:.1f} GB of features {place}; {available:.0f} GB of memory are "
        "free afterwards."
    )
    return features


def timed(
    features: np.ndarray, options: argparse.Namespace, restarts: int, gpu: bool, threads: int
) -> tuple[float, Clustering]:
    """Seconds of K-means as training calls it, and its result."""
    started = time.perf_counter()
    found = kmeans(
        features,
        options.clusters,
        restarts=restarts,
        iterations=ITERATIONS,
        use_gpu="always" if gpu else "never",
        threads=threads,
    )
    return time.perf_counter() - started, found


def measure(
    features: np.ndarray, options: argparse.Namespace, gpu: bool, threads: int, out: Measured
) -> float:
    """One restart, then all of them if they take at most `--seconds`, else as many as do; returns
    the inertia of the single restart."""
    rows, width = features.shape
    with GpuMemory() as memory:
        single, first = timed(features, options, 1, gpu, threads)
        fit = min(options.restarts, int(options.seconds / single))
        taken = timed(features, options, fit, gpu, threads)[0] if fit > 1 else single
    ran = max(fit, 1)
    whole = taken / ran * options.restarts
    how = "measured" if ran == options.restarts else f"extrapolated from {ran}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{rows} x {width}, {threads} thread(s): one restart {single:.1f} s, {options.restarts} "
        f"restarts {whole:.1f} s ({how})",
        flush=True,
    )
    out.row(
        f"faiss, K = {options.clusters}, {ITERATIONS} iterations a restart",
        rows=rows,
        width=width,
        device="GPU" if gpu else "CPU",
        threads=threads,
        **{
            "one restart s": single,
            f"{options.restarts} restarts s": whole,
            "how": how,
            "peak GPU GB": memory.peak,
            "peak GB of the process, maps included": peak,
        },
    )
    return first.inertia


def measure_resident(
    features: np.ndarray, options: argparse.Namespace, inertia: float, out: Measured
) -> None:
    """The same with the features in GPU memory, one restart."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows, width = features.shape
    if device.type == "cuda" and torch.cuda.mem_get_info()[0] < 1.2 * features.nbytes + 2e9:
        free = torch.cuda.mem_get_info()[0] / 1e9
        out.note(
            f"{rows} x {width} was not tried in GPU memory: {features.nbytes / 1e9:.1f} GB of "
            f"features, {free:.1f} GB free. faiss copies them in blocks in every iteration."
        )
        return
    found = resident_kmeans(features, options.clusters, ITERATIONS, device)
    out.row(
        "PyTorch with the features in GPU memory, one restart",
        rows=rows,
        width=width,
        **{
            "copy s": found.copy,
            "iterations s": found.seconds,
            "inertia / that of faiss": found.inertia / inertia,
            "peak GPU GB": found.memory,
        },
    )
    print(f"{rows} x {width}, features in GPU memory: one restart {found.seconds:.1f} s")


def main() -> None:
    """Compare with the CPU at a small size, then measure each width."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_300_000)
    parser.add_argument("--widths", type=int, nargs="+", default=(256, 1536))
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--cpu-rows", type=int, default=100_000, help="rows of the comparison")
    parser.add_argument("--seconds", type=float, default=60, help="for all restarts of a size")
    parser.add_argument("--threads", type=int, default=None, help="of faiss; default: all cores")
    parser.add_argument("--json", type=Path, default=None, help="append results to this file")
    options = parser.parse_args()
    gpu, out = torch.cuda.is_available(), Measured(options.json)
    threads = options.threads or len(os.sched_getaffinity(0))
    if not gpu:
        print("no GPU found: everything runs on the CPU, to show that the script works")
    device = torch.device("cuda" if gpu else "cpu")
    small = features_in_groups(options.cpu_rows, options.widths[0], options.clusters, device)
    # the first call loads the kernels of the GPU
    timed(small, options, 1, gpu, threads)
    (on_cpu, reference), (here, found) = (
        timed(small, options, 1, use, threads) for use in (False, gpu)
    )
    equal = float((reference.assignments == found.assignments).mean())
    out.note(
        f"{options.cpu_rows} x {options.widths[0]}, one restart from the same seed: CPU "
        f"{on_cpu:.2f} s with {threads} thread(s), {'GPU' if gpu else 'CPU again'} {here:.2f} s; "
        f"inertia {found.inertia / reference.inertia:.6f} of that of the CPU, {100 * equal:.2f} % "
        "of the rows in the same cluster."
    )
    for width in options.widths:
        features = as_many_as_fit(options.rows, width, out, options)
        if width == options.widths[0] and threads > 1:
            # a `diccae` command sets OMP_NUM_THREADS=1, and faiss updates centroids on the CPU
            alone = argparse.Namespace(**{**vars(options), "seconds": 0.0})
            measure(features, alone, gpu, 1, out)
        inertia = measure(features, options, gpu, threads, out)
        measure_resident(features, options, inertia, out)
        del features


if __name__ == "__main__":
    main()
