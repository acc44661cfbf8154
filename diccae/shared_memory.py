"""The shared memory through which the workers of data loaders pass batches."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

FOLDER = Path("/dev/shm")
# batches that a worker loads ahead, torch's prefetch_factor
AHEAD = 2
GB = 1e9


def shortage(
    base: dict[str, Any], modality: str, folder: Path = FOLDER, processes: int = 1
) -> tuple[str, str] | None:
    """What is wrong with the shared memory for the loader workers of a plan, and the way out; None
    if there is enough.

    Where it is too small, training hangs or ends with an error of torch's.

    Args:
        base: the settings of the plan.
        modality: of its clips: A, V or AV.
        folder: where shared memory is mounted.
        processes: number of processes that train together, each with its workers.
    """
    workers = processes * base["schedule"]["num_workers"]
    wanted = processes * wanted_bytes(base, modality)
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if free >= wanted:
        return None
    size = f"{free / GB:.2g} GB free in" if folder.is_dir() else "there is no"
    return (
        f"{size} {folder}, {workers} loader workers need {wanted / GB:.2g} GB there",
        f"docker run --shm-size={int(wanted / GB) + 1}g, or schedule.num_workers: 0 in the plan's "
        "overrides",
    )


def wanted_bytes(base: dict[str, Any], modality: str) -> int:
    """Bytes that the batches of all loader workers take, with clips of modality A, V or AV; 0
    without workers."""
    data, cache, schedule = base["data"], base["cache"], base["schedule"]
    frames = 3 * data["num_frames"] * data["frame_size"] ** 2 if "V" in modality else 0
    fbank = 2 * cache["n_mels"] * cache["fbank_frames"] if "A" in modality else 0
    train = max(
        stage["batch_size"] * (frames + fbank)
        for stage in schedule.values()
        if isinstance(stage, dict)
    )
    test = schedule["eval_batch_size"] * (schedule["views"] * frames + fbank)
    return schedule["num_workers"] * AHEAD * max(train, test)
