"""What a clip costs on the hardware at hand: some steps of each stage's composed model on made-up clips of the right shapes."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.utils import import_modules_from_strings

from diccae import registry  # noqa: F401
from diccae.functional.kmeans import kmeans
from diccae.plans import DEFAULT_SYSTEM, SCORED_STAGE, Plan
from diccae.run_graph import Run, with_parents
from diccae.schedule import Schedule
from diccae.settings import plan_settings
from diccae.validation import checked

SECONDS = 60.0
REPEATS = 30
CLIPS = 32
# batch normalisation and the losses of pairs want two clips
LEAST = 2
# points a cluster that K-means is timed on, CPU and GPU
POINTS = (40, 400)
_ORDER = ("A", "V", "AV")


@dataclass(frozen=True)
class Timing:
    """Seconds a clip: the median of `repeats` batches of `batch` clips, where a run has batches of `full`."""

    seconds: float
    batch: int
    full: int
    repeats: int


@dataclass(frozen=True)
class Speed:
    """One kind of run: a step of training, the features of one view, and the scores of all views (fine-tuning alone)."""

    train: Timing
    embed: Timing
    predict: Timing | None


@dataclass(frozen=True)
class Calibration:
    """Speeds by kind of run; K-means in seconds a clip, restart and feature; loading in seconds a clip
    and core, None where it is part of the speeds or unknown."""

    device: str
    gpu: bool
    seconds: float
    speeds: dict[Kind, Speed]
    kmeans: float
    loading: Timing | None
    remarks: list[str]


@dataclass(frozen=True)
class Kind:
    """Runs that cost the same a clip: of one system, trained with or without labels, in one modality."""

    system: str
    labelled: bool
    modality: str

    def __str__(self) -> str:
        system = "" if self.system == DEFAULT_SYSTEM else f"{self.system} "
        return f"{system}{'fine-tuning' if self.labelled else 'pre-training'} {self.modality}"


def kind_of(run: Run) -> Kind:
    """The kind that a run belongs to."""
    return Kind(run.settings.system.name, run.spec.labelled, run.modality)


def kinds(plan: Plan) -> list[Run]:
    """The runs that are timed: the last one of each kind that a variant trains, of the reference where it
    has one. Variants of a system differ by less than the noise of this."""
    names = sorted(plan.variants(), key=lambda name: name != plan.reference)
    found: dict[Kind, Run] = {}
    for name in names:
        own: dict[Kind, Run] = {}
        for modality in plan.variants()[name]:
            for run in with_parents([Run(plan, SCORED_STAGE, name, plan.seeds[0], modality)]):
                own[kind_of(run)] = run
        found = own | found
    return sorted(found.values(), key=lambda run: (run.spec.labelled, _ORDER.index(run.modality)))


def parameters(run: Run) -> int:
    """Trained numbers of a run's model; nothing is allocated."""
    model = _bare_model(_composed(run))
    model["data_preprocessor"] = None
    with torch.device("meta"):
        return sum(value.numel() for value in MODELS.build(model).parameters())


def calibrate(
    plan: Plan, seconds: float = SECONDS, say: Callable[[str], None] = lambda words: None
) -> Calibration:
    """Time every kind of run of a plan, in about `seconds` altogether; one step of each kind is the least, whatever it takes.

    On a CPU one thread works, as in the workflow's jobs, and in single precision. Fine-tuned variants differ from `full` by less than the noise of this.
    """
    started = time.perf_counter()
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    schedule = checked(Schedule, plan_settings(plan)["schedule"], f"plan {plan.name}, schedule")
    runs = kinds(plan)
    # three timings of a scored run, two of another, one for K-means
    share = seconds / (sum(3 if run.spec.scored else 2 for run in runs) + 1)
    speeds: dict[Kind, Speed] = {}
    remarks = []
    with (
        tempfile.TemporaryDirectory() as folder,
        _one_thread(),
        DefaultScope.overwrite_default_scope("mmaction"),
    ):
        made_up = _make_up(plan, runs, Path(folder) / "cache")
        for run in runs:
            say(str(kind_of(run)))
            bench = _Bench(run, made_up, device, load=schedule.num_workers == 0)
            speeds[kind_of(run)] = bench.speed(share)
            del bench
        loading, words = _loading(runs[0], made_up, schedule.num_workers, share)
    clustered = next(
        (run for run in runs if run.settings.system.clusters(run.settings.choices)), None
    )
    per_clip = 0.0
    if clustered is not None:
        say("K-means")
        per_clip = _kmeans(clustered, gpu)
    timings = [
        timing
        for speed in speeds.values()
        for timing in (speed.train, speed.embed, speed.predict)
        if timing
    ]
    cut = sum(timing.batch < timing.full for timing in timings)
    if cut:
        remarks.append(
            f"{cut} of {len(timings)} timings are of batches cut down (to {min(t.batch for t in timings)} clips at least) and scaled by clip, so that they end in time"
        )
    if schedule.precision != "float32" and not gpu:
        remarks.append(f"timed in float32: {schedule.precision} training needs a GPU")
    if schedule.compile:
        remarks.append(
            "timed without torch.compile, which takes minutes to start: steps may be faster"
        )
    return Calibration(
        device=torch.cuda.get_device_name() if gpu else f"one core of {_cpu()}",
        gpu=gpu,
        seconds=time.perf_counter() - started,
        speeds=speeds,
        kmeans=per_clip,
        loading=loading,
        remarks=[*remarks, *words],
    )


class _Bench:
    """The model of one run and its optimiser, with batches of made-up clips."""

    def __init__(self, run: Run, made_up: Path, device: torch.device, load: bool) -> None:
        config = _composed(run)
        self.device, self.load = device, load
        self.now = stopwatch(device.type == "cuda")
        model = _bare_model(config)
        model["data_preprocessor"]["cache_meta"] = str(made_up / "meta.json")
        self.model = _untrained(model, device)
        wrapper = config.optim_wrapper.to_dict()
        if device.type == "cpu":
            # mixed precision and fused steps are the GPU's
            wrapper = dict(type="OptimWrapper", optimizer={**wrapper["optimizer"], "fused": None})
        self.optimizer = build_optim_wrapper(self.model, wrapper)
        self.training = made_up_dataset(config.train_dataloader.dataset, made_up)
        frozen = config.extract_dataloader or config.update_dataloader or config.test_dataloader
        self.one_view = made_up_dataset(frozen.dataset, made_up)
        test = config.get("test_dataloader")
        self.all_views = None if test is None else made_up_dataset(test.dataset, made_up)
        self.sizes = (config.train_dataloader.batch_size, frozen.batch_size)

    def speed(self, seconds: float) -> Speed:
        self.model.train()
        train = self._timing(self.training, self._train, self.sizes[0], LEAST, seconds)
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
        self.model.embed(self.model.data_preprocessor(batch, False)["inputs"])

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
    """Seconds a clip of `clock(batch size)`, in about `seconds`: whole batches where they fit, smaller ones where not, `least` once if need be."""
    end = time.perf_counter() + seconds

    def timed(size: int) -> tuple[float, float]:
        started = time.perf_counter()
        return clock(size), time.perf_counter() - started

    batch = least
    duration, wall = timed(batch)
    if wall < seconds / 4:
        # the first one also loads kernels
        duration, wall = timed(batch)
    # larger batches cost less a clip: up by steps, since the cost of a small one says little of a large one's
    while batch < full and (room := int((end - time.perf_counter()) / (2 * wall))) > 1:
        batch = min(full, batch * min(room, 8))
        duration, wall = timed(batch)
    durations = [duration]
    while len(durations) < REPEATS and time.perf_counter() + wall < end:
        duration, wall = timed(batch)
        durations.append(duration)
    return Timing(statistics.median(durations) / batch, batch, full, len(durations))


def stopwatch(gpu: bool) -> Callable[[], float]:
    """Seconds: on a GPU of the clock, on a CPU of the process, whose one thread may share the core with other programs."""
    return time.perf_counter if gpu else time.process_time


def _composed(run: Run) -> Any:
    """A run's config, with what it names registered."""
    config = run.config()
    import_modules_from_strings(**config.custom_imports)
    return config


def _bare_model(config: Any) -> dict[str, Any]:
    """A run's model with untrained weights (their values cost no time, and there may be no files yet), not compiled (that takes minutes)."""
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
    """The model with weights of no meaning: drawing those of a ViT-B as timm does takes longer than its step."""
    with torch.device("meta"):
        built = MODELS.build(model)
    built.to_empty(device=device)
    for weight in built.parameters():
        weight.uniform_(-0.05, 0.05)
    for buffer in built.buffers():
        buffer.fill_(1)
    return built


def _make_up(plan: Plan, runs: list[Run], folder: Path) -> Path:
    """A clip cache of random frames and log-mels in the plan's shapes, with labels that every one of the
    runs has a class for."""
    settings = plan_settings(plan)
    cache, data = settings["cache"], settings["data"]
    folder.mkdir()
    rng = np.random.default_rng(0)
    size = cache["frame_size"]
    np.save(
        folder / "frames.npy",
        rng.integers(0, 256, (CLIPS, cache["num_frames"], size, size, 3), np.uint8),
    )
    np.save(
        folder / "fbank.npy",
        rng.normal(size=(CLIPS, cache["fbank_frames"], cache["n_mels"])).astype(np.float16),
    )
    # groups of a class, as in P x K batches
    classes = min(run.config().model.num_classes for run in runs)
    labels = np.arange(CLIPS) // data["samples_per_class"] % classes
    pd.DataFrame(
        {
            "id": np.arange(CLIPS).astype(str),
            "split": "train",
            "source": "",
            "label": labels,
            "label_name": labels.astype(str),
            "status": "ok",
        }
    ).to_parquet(folder / "index.parquet")
    (folder / "meta.json").write_text(json.dumps({"fbank_mean": 0.0, "fbank_std": 1.0}))
    return folder


def made_up_dataset(config: ConfigDict, folder: Path) -> Any:
    """A run's data set with its pipeline, over all clips of a made-up cache."""
    own = {key: config[key] for key in ("type", "pipeline", "seed", "modalities")}
    return DATASETS.build({**own, "cache_dir": str(folder), "splits": ["train"]})


def _batch(dataset: Any, size: int) -> Any:
    return pseudo_collate([dataset[index % len(dataset)] for index in range(size)])


def _loading(
    run: Run, made_up: Path, workers: int, seconds: float
) -> tuple[Timing | None, list[str]]:
    """What a core takes to load a clip, from the plan's own cache where it is there, and the words for what is not known."""
    if workers == 0:
        return None, []
    real = run.plan.cache_dir / "meta.json"
    live = run.settings.base["cache"].get("mode", "stored") == "live"
    if live and not real.is_file():
        return None, [
            "decoding is not in it: clips are decoded while training (cache.mode live), and there are none here to time; "
            "`benchmarks/decoding.py` measures a core"
        ]
    config = _composed(run).train_dataloader.dataset
    dataset = DATASETS.build(config) if real.is_file() else made_up_dataset(config, made_up)
    rows = iter(np.random.default_rng(0).integers(len(dataset), size=10_000).tolist())

    def clock(size: int) -> float:
        started = time.process_time()
        for _ in range(size):
            dataset[next(rows)]
        return time.process_time() - started

    return timing(clock, 8, 1, seconds), []


def _kmeans(run: Run, gpu: bool) -> float:
    """Seconds a clip, restart and feature of a clustering as the run's system makes it."""
    settings = run.settings
    options, width = settings.system.clusters(settings.choices), settings.base["embedding_dim"]
    points = POINTS[gpu] * options["k"]
    features = np.random.default_rng(0).normal(size=(points, width)).astype(np.float32)
    now = stopwatch(gpu)
    started = now()
    kmeans(features, **{**options, "restarts": 1}, threads=None if gpu else 1)
    return (now() - started) / (points * width)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cpu() -> str:
    from diccae.engine.records import hardware

    return str(hardware()["cpu"])
