"""Timings of one run: training steps, features, scores, loading and K-means, per clip."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.utils import import_modules_from_strings

from diccae.clips_folder import clips_folder
from diccae.datasets.clips import modality_of, read_meta
from diccae.functional.kmeans import kmeans
from diccae.models.recogniser import Recogniser
from diccae.planning.speeds import Speed, Timing
from diccae.planning.synthetic_clips import synthetic_dataset
from diccae.run_graph import Run

REPEATS = 30
# batch normalisation and the losses over pairs need at least two clips
MIN_TRAINING_BATCH = 2
# points per cluster in the timed K-means, on CPU and GPU
POINTS = (40, 400)


class Bench:
    """The model of one run with its optimiser, and batches of synthetic clips.

    Args:
        run: the run to time.
        cache: a synthetic cache, see `write_synthetic_cache`.
        device: where the model runs.
        load: whether the time to load a batch counts as part of a step.
    """

    def __init__(self, run: Run, cache: Path, device: torch.device, load: bool) -> None:
        config = _composed(run)
        self.device, self.load = device, load
        self.now = stopwatch(device.type == "cuda")
        model = _bare_model(config)
        model["data_preprocessor"]["cache_meta"] = str(cache / "meta.json")
        self.model = _untrained(model, device)
        wrapper = config.optim_wrapper.to_dict()
        if device.type == "cpu":
            # mixed precision needs a GPU
            wrapper = dict(type="OptimWrapper", optimizer=wrapper["optimizer"])
        self.optimizer = build_optim_wrapper(self.model, wrapper)
        self.training = synthetic_dataset(config.train_dataloader.dataset, cache)
        # a stage that neither clusters, nor has an update set, nor is scored reads no clips so
        names = ("extract_dataloader", "update_dataloader", "test_dataloader", "train_dataloader")
        frozen = next(config[name] for name in names if config.get(name))
        self.one_view = synthetic_dataset(frozen.dataset, cache)
        test = config.get("test_dataloader")
        self.all_views = None if test is None else synthetic_dataset(test.dataset, cache)
        self.sizes = (config.train_dataloader.batch_size, frozen.batch_size)

    def speed(self, seconds: float) -> Speed:
        """Time training, features and scores, in about `seconds` each."""
        self.model.train()
        train = self._timing(self.training, self._train, self.sizes[0], MIN_TRAINING_BATCH, seconds)
        self.model.eval()
        with torch.no_grad():
            embed = self._timing(self.one_view, self._embed, self.sizes[1], 1, seconds)
            predict = (
                None
                if self.all_views is None
                else self._timing(self.all_views, self.model.test_step, self.sizes[1], 1, seconds)
            )
        return Speed(train, embed, predict)

    def _train(self, batch: Any) -> None:
        self.model.train_step(batch, self.optimizer)

    def _embed(self, batch: Any) -> None:
        data = self.model.data_preprocessor(batch, False)
        if type(self.model).fuse is Recogniser.fuse:
            # a network without embeddings reads clips for its losses
            self.model(**data, mode="loss")
        else:
            self.model.embed(data["inputs"])

    def _timing(
        self, dataset: Any, act: Callable[[Any], Any], full: int, least: int, seconds: float
    ) -> Timing:
        def clock(size: int) -> float:
            batch = None if self.load else _batch(dataset, size)
            self._wait()
            started = self.now()
            act(_batch(dataset, size) if batch is None else batch)
            self._wait()
            return self.now() - started

        return timing(clock, full, min(least, full), seconds)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def timing(clock: Callable[[int], float], full: int, least: int, seconds: float) -> Timing:
    """Time a function of the batch size, in about `seconds`.

    Batches grow to `full` clips if time allows; one batch of `least` clips is always timed.

    Args:
        clock: batch size -> seconds that the batch took.
        full: the largest batch size.
        least: the smallest batch size.
        seconds: time to spend.
    """
    end = time.perf_counter() + seconds

    def timed(size: int) -> tuple[float, float]:
        started = time.perf_counter()
        return clock(size), time.perf_counter() - started

    batch = least
    duration, wall = timed(batch)
    if wall < seconds / 4:
        # the first batch also loads kernels
        duration, wall = timed(batch)
    # Large batches cost less per clip, but a small batch does not predict by how much, so batches
    # grow step by step.
    while batch < full and (room := int((end - time.perf_counter()) / (2 * wall))) > 1:
        batch = min(full, batch * min(room, 8))
        duration, wall = timed(batch)
    durations = [duration]
    while len(durations) < REPEATS and time.perf_counter() + wall < end:
        duration, wall = timed(batch)
        durations.append(duration)
    return Timing(statistics.median(durations) / batch, batch, full, len(durations))


def stopwatch(gpu: bool) -> Callable[[], float]:
    """A clock in seconds: wall time for a GPU, CPU time of the process otherwise, because other
    programs may use the same core."""
    return time.perf_counter if gpu else time.process_time


def parameters(run: Run) -> int:
    """Number of parameters of a run's model; nothing is allocated."""
    model = _bare_model(_composed(run))
    model["data_preprocessor"] = None
    with torch.device("meta"):
        return sum(value.numel() for value in MODELS.build(model).parameters())


def time_loading(
    run: Run, cache: Path, workers: int, seconds: float
) -> tuple[Timing | None, list[str]]:
    """Time how long one core takes to load a clip, from the plan's own cache if it exists.

    Args:
        run: gives the dataset.
        cache: a synthetic cache, used where the plan has none yet.
        workers: number of worker processes; with 0, loading is part of the training step.
        seconds: time to spend.

    Returns:
        The timing, None if loading is part of the step or unknown; and remarks.
    """
    if workers == 0:
        return None, []
    folder = clips_folder(run.plan)
    real, decoded = (folder / "meta.json").is_file(), folder == run.plan.cache_dir
    # the next cache is made for this modality
    real = real and not (decoded and modality_of(read_meta(folder)) != run.plan.modality)
    live = decoded and run.settings.base["cache"].get("mode", "stored") == "live"
    if live and not real:
        return None, [
            "hours do not include decoding: clips are decoded while training (cache.mode live), "
            "and there are none here to time; `benchmarks/decoding.py` times the decoder on one "
            "core"
        ]
    config = _composed(run).train_dataloader.dataset
    dataset = DATASETS.build(config) if real else synthetic_dataset(config, cache)
    rows = iter(np.random.default_rng(0).integers(len(dataset), size=10_000).tolist())

    def clock(size: int) -> float:
        started = time.process_time()
        for _ in range(size):
            dataset[next(rows)]
        return time.process_time() - started

    return timing(clock, 8, 1, seconds), []


def time_kmeans(run: Run, gpu: bool) -> float:
    """Seconds per clip, restart and feature dimension of K-means with the options of a run."""
    settings = run.settings
    options, width = settings.system.clusters(settings.choices), settings.base["embedding_dim"]
    points = POINTS[gpu] * options["k"]
    features = np.random.default_rng(0).normal(size=(points, width)).astype(np.float32)
    now = stopwatch(gpu)
    started = now()
    kmeans(features, **{**options, "restarts": 1}, threads=None if gpu else 1)
    return (now() - started) / (points * width)


def _composed(run: Run) -> Any:
    """A run's config, after the modules that it needs are imported."""
    config = run.config()
    import_modules_from_strings(**config.custom_imports)
    return config


def _bare_model(config: Any) -> dict[str, Any]:
    """A run's model without initial weights, whose files may not exist yet, and not compiled, which
    takes minutes."""
    model: dict[str, Any] = config.model.to_dict()
    for key in ("init_cfg", "compile_encoders"):
        model.pop(key, None)
    for name in ("audio_encoder", "video_encoder"):
        if model[name] is not None and "init" in model[name]:
            model[name]["init"] = "scratch"
            model[name].pop("pretrained_file", None)
    return model


@torch.no_grad()
def _untrained(model: dict[str, Any], device: torch.device) -> Any:
    """The model with uniform random weights: initialising a ViT-B as timm does takes longer than a
    training step."""
    with torch.device("meta"):
        built = MODELS.build(model)
    # `to_empty` alone leaves the preprocessor of mmengine's models copying clips to the CPU
    built.to_empty(device=device).to(device)
    for weight in built.parameters():
        weight.uniform_(-0.05, 0.05)
    for buffer in built.buffers():
        buffer.fill_(1)
    return built


def _batch(dataset: Any, size: int) -> Any:
    return pseudo_collate([dataset[index % len(dataset)] for index in range(size)])
