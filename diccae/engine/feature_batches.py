"""Features of clips batch by batch: from an encoder, or from vectors that were made elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from diccae.datasets.features.vectors import Vectors
from diccae.errors import UserError
from diccae.shared_memory import AHEAD, FOLDER

# clips that are encoded together
BATCH = 32


def from_vectors(
    vectors: Vectors, places: np.ndarray
) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    """A function that reads the vectors (n, S, P, D) of some rows, batch by batch.

    Args:
        vectors: made elsewhere.
        places: (N,) position of the vector of each row.
    """

    def batches(rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), BATCH):
            yield vectors.read(places[rows[start : start + BATCH]])

    return batches


class _Rows(Dataset):
    """Decoded clips of some rows."""

    def __init__(self, array: Any, rows: np.ndarray) -> None:
        self.array, self.rows = array, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.array[int(self.rows[index])]))


def from_clips(encoder: Any, array: Any, jobs: int) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    """A function that computes the features (n, S, P, D) of some rows, batch by batch.

    Args:
        encoder: see `feature_encoder`.
        array: decoded clips by row, an array or one that decodes on access.
        jobs: processes that decode.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @torch.no_grad()
    def batches(rows: np.ndarray) -> Iterator[np.ndarray]:
        encoder.to(device)
        # a stored cache has decoded them already
        decoded = isinstance(array, np.ndarray) or not len(rows)
        workers = 0 if decoded else loader_workers(jobs, np.asarray(array[int(rows[0])]).nbytes)
        for clips in _loaded(DataLoader(_Rows(array, rows), BATCH, num_workers=workers)):
            count = len(clips)
            # batches of one size, so that no feature depends on how the clips are divided
            full = torch.cat([clips, clips[:1].expand(BATCH - count, *clips.shape[1:])])
            yield encoder(full.to(device)).cpu().numpy()[:count]

    return batches


def loader_workers(jobs: int, clip_bytes: int) -> int:
    """Number of processes that decode clips: `jobs`, or as many as shared memory has room for.

    Args:
        jobs: wanted processes.
        clip_bytes: bytes of a decoded clip.
    """
    free = shutil.disk_usage(FOLDER).free if FOLDER.is_dir() else 0
    room = free // (AHEAD * BATCH * clip_bytes)
    if room < jobs:
        print(f"{FOLDER} has room for {room} of {jobs} processes that decode clips", flush=True)
    return min(jobs, room)


def _loaded(loader: DataLoader) -> Iterator[torch.Tensor]:
    """The batches of a loader; an error of a worker process loses its traceback."""
    try:
        yield from loader
    except UserError as error:
        last = str(error).strip().splitlines()[-1]
        raise UserError(last.removeprefix(f"{UserError.__module__}.UserError: ")) from None
