"""Hours, disk and wall time of a plan, from what its runs compute and what a clip costs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diccae.compose import Run
from diccae.planning.calibration import Calibration
from diccae.planning.work import Work
from diccae.plans import Plan
from diccae.settings import settings_of

FLOAT = 4
# a checkpoint holds weights and Adam's two moments; two are kept a run
CHECKPOINTS, CHECKPOINT_COPIES = 2, 3
# a scored clip and view in predictions.parquet, a clip in assignments.npz: measured on the embedded benchmark, rounded up
PREDICTION_BYTES, ASSIGNMENT_BYTES = 40, 80
# what Snakemake starts first
ORDER = {"warmup": 0, "pretrain": 1, "finetune": 2}


@dataclass(frozen=True)
class Disk:
    """Bytes: the clip cache (`cache_stored` is what it would take if clips were stored), weights and tables of all runs, and what runs at work need at once."""

    cache: int
    cache_stored: int
    weights: int
    tables: int
    working: int

    @property
    def total(self) -> int:
        return self.cache + self.weights + self.tables + self.working


def run_seconds(plan: Plan, run: Run, work: Work, calibration: Calibration) -> float:
    """Seconds of one run on one device; where workers load clips, the slower of the two."""
    settings = settings_of(plan, run.stage, run.variant)
    loading = calibration.loading
    waits = 0.0 if loading is None else loading.seconds / max(1, settings.schedule.num_workers)
    kind = ("finetune", run.modality) if run.stage == "finetune" else ("pretrain", "AV")
    speed = calibration.speeds[kind]
    seconds = work.trained * max(speed.train.seconds, waits) + work.embedded * max(
        speed.embed.seconds, waits
    )
    if speed.predict is not None:
        seconds += work.scored * max(speed.predict.seconds, waits)
    # the first clustering sees the features of both modalities side by side
    width = settings.base["embedding_dim"] * (2 if run.stage == "warmup" else 1)
    return seconds + work.clustered * settings.method.kmeans_restarts * width * calibration.kmeans


def wall_seconds(
    runs: Sequence[Run],
    seconds: dict[Run, float],
    parents: Callable[[Run], list[Run]],
    devices: int,
) -> float:
    """When the last run ends if each takes one of `devices` devices as soon as what it starts from is there, earlier stages first.

    Args:
        runs: each once, parents before their children.
    """
    ended: dict[Run, float] = {}
    children: dict[Run, list[Run]] = {run: [] for run in runs}
    open_parents = {run: len(parents(run)) for run in runs}
    for run in runs:
        for parent in parents(run):
            children[parent].append(run)
    place = {run: (ORDER[run.stage], number) for number, run in enumerate(runs)}
    ready = [(place[run], run) for run in runs if open_parents[run] == 0]
    heapq.heapify(ready)
    working: list[tuple[float, tuple[int, int], Run]] = []
    now = 0.0
    while ready or working:
        while ready and len(working) < devices:
            _, run = heapq.heappop(ready)
            heapq.heappush(working, (now + seconds[run], place[run], run))
        now, _, run = heapq.heappop(working)
        ended[run] = now
        for child in children[run]:
            open_parents[child] -= 1
            if open_parents[child] == 0:
                heapq.heappush(ready, (place[child], child))
    return max(ended.values(), default=0.0)


def disk(
    plan: Plan,
    clips: int,
    work: dict[Run, Work],
    parameters: dict[tuple[str, str], int],
    devices: int,
) -> Disk:
    """What the plan writes; `parameters` are those of the models by (stage, modality), warm-up counted as pre-training."""
    settings = settings_of(plan, "finetune", "full")
    cache = settings.base["cache"]
    stored = clips * (
        3 * cache["num_frames"] * cache["frame_size"] ** 2
        + 2 * cache["n_mels"] * cache["fbank_frames"]
    )
    sizes = {
        run: FLOAT * parameters["finetune" if run.stage == "finetune" else "pretrain", run.modality]
        for run in work
    }
    at_once = sorted(sizes.values(), reverse=True)[:devices]
    return Disk(
        cache=0 if cache.get("mode", "stored") == "live" else stored,
        cache_stored=stored,
        weights=sum(sizes.values()),
        # one view and all views of a scored clip
        tables=sum(
            2 * PREDICTION_BYTES * amount.scored
            + (0 if run.stage == "finetune" else ASSIGNMENT_BYTES * amount.epoch)
            for run, amount in work.items()
        ),
        # a run at work keeps checkpoints, and a second copy of its weights until its job ends
        working=sum((CHECKPOINTS * CHECKPOINT_COPIES + 1) * size for size in at_once),
    )
