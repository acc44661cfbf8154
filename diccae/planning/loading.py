"""How many cores decode the clips that one GPU takes, where they are decoded while it computes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diccae.clips_folder import clips_folder
from diccae.planning.assumed import GPU_FLOPS
from diccae.plans import Plan
from diccae.settings import plan_settings

if TYPE_CHECKING:
    from diccae.planning.features import FeatureCost
    from diccae.planning.speeds import Calibration
    from diccae.run_graph import Run

# seconds to spend on timing a core
SECONDS = 5.0
# CPU seconds to load a clip of 10 s, by what is loaded of it (A: sound, V: ten frames, FRAME: one
# of them); measured with benchmarks/loading.py, see benchmarks/RESULTS.md
FRAME = "frame"
RECORDED = {
    "340x256, 30 fps": {"A": 0.044, "V": 0.130, FRAME: 0.016},
    "640x360, 25 fps": {"A": 0.048, "V": 0.305, FRAME: 0.030},
}
RECORDED_ON = "an Intel Xeon, benchmarks/RESULTS.md"


@dataclass(frozen=True)
class Feed:
    """Clips a second that a GPU takes, and that a core loads; estimates, with their sources.

    Attributes:
        work: what the GPU does with the clips.
        gpu_clips: clips a second that it takes.
        gpu_source: where that number is from.
        core_clips: clips a second that one core loads, by the kind of clip.
        core_source: where these are from.
        workers: processes of a run that load clips (`schedule.num_workers`); None for features.
    """

    work: str
    gpu_clips: float
    gpu_source: str
    core_clips: dict[str, float]
    core_source: str
    workers: int | None

    @property
    def cores(self) -> dict[str, int]:
        """Cores that feed one GPU, by the kind of clip."""
        return {name: math.ceil(self.gpu_clips / clips) for name, clips in self.core_clips.items()}


def feed(
    plan: Plan, encoding: FeatureCost | None, measured: Calibration | None, timed: bool
) -> Feed | None:
    """What one GPU needs of the cores beside it; None where no clip is decoded any more while a GPU
    computes.

    Args:
        plan: a checked plan.
        encoding: the cost of its stored features; None without them.
        measured: timings on this machine; None if nothing was timed. Training steps and encoders
            count where they were timed on a GPU.
        timed: whether to time how long a core takes for the plan's own clips, if they are there.
    """
    settings = plan_settings(plan)
    if settings["cache"].get("mode", "stored") != "live":
        return None
    if encoding is not None and (encoding.done or not encoding.flops):
        return None
    # imports torch
    from diccae.planning.speeds import kind_of, kinds

    runs = kinds(plan)
    run = next((run for run in runs if run.variant == plan.reference), runs[0])
    modality, workers = str(run.modality), int(settings["schedule"]["num_workers"])
    if encoding is not None:
        work, passes, operations = "encoding features", 1, encoding.flops
        modality = plan.modality
    else:
        from diccae.engine.compute import TRAINING_PASSES

        work, passes, operations = str(kind_of(run)), TRAINING_PASSES, encoder_flops(run)
    gpu_clips = GPU_FLOPS / (passes * operations)
    gpu_source = (
        f"{f'{passes} x ' if passes > 1 else ''}{operations / 1e9:,.0f} GFLOP a clip, assumed "
        f"{GPU_FLOPS / 1e12:.0f} TFLOP/s"
    )
    if measured is not None and measured.gpu:
        train = measured.speeds[kind_of(run)].train.seconds
        spent = train if encoding is None else encoding.seconds
        if spent is not None:
            gpu_clips, gpu_source = 1 / spent, f"timed here on {measured.device}"
    own = _own_clips(run, workers, measured, timed) if encoding is None else None
    # training on one frame decodes no other
    alone = encoding is None and settings["data"]["num_frames"] == 1
    parts = [FRAME if part == "V" and alone else part for part in modality]
    core_clips = {
        kind: 1 / sum(seconds[part] for part in parts) for kind, seconds in RECORDED.items()
    }
    return Feed(
        work,
        gpu_clips,
        gpu_source,
        core_clips if own is None else {"the plan's clips": own},
        f"recorded on {RECORDED_ON}" if own is None else "timed here",
        None if encoding is not None else workers,
    )


def encoder_flops(run: Run) -> float:
    """Operations of a run's encoders in a forward pass of one clip; nothing is computed."""
    import torch
    from mmaction.registry import MODELS
    from torch.utils.flop_counter import FlopCounterMode

    from diccae.planning.bench import bare_model, composed

    base = run.settings.base
    cache, data = base["cache"], base["data"]
    channels = data["num_frames"] * (1 if base["video_input"] == "motion" else 3)
    shapes = {
        "audio": (1, 1, cache["fbank_frames"], cache["n_mels"]),
        "video": (1, channels, data["frame_size"], data["frame_size"]),
    }
    model = bare_model(composed(run))
    model["data_preprocessor"] = None
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        for name, encoder in MODELS.build(model).eval().encoders.items():
            encoder(torch.empty(shapes[name]))
    return float(counter.get_total_flops())


def _own_clips(run: Run, workers: int, measured: Calibration | None, timed: bool) -> float | None:
    """Clips of the plan that a core of this machine loads a second; None if that is not known."""
    if measured is not None:
        return None if measured.loading is None else 1 / measured.loading.seconds
    if not timed or not (clips_folder(run.plan) / "meta.json").is_file():
        return None
    from diccae.planning.bench import time_loading

    loading, _ = time_loading(run, Path(), max(1, workers), SECONDS)
    return None if loading is None else 1 / loading.seconds
