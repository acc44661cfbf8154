"""What kernels, optimiser and memory formats do to the time of a training step.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/training_step.py [--plan embedded] [--rounds 15]
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/training_step.py --formats

Pre-training and A-V fine-tuning of `full` on random clips of the plan's sizes, loading included,
with three settings: kernels chosen by MKL, an Adam that is not fused and the memory formats of
earlier versions; portable kernels with the fused Adam; and these with the formats of the configs.
Each setting has a process of its own, and the processes take turns, so that other load on the
machine affects all alike. CPU time, ratios of medians.

`--formats` times forward and backward pass of both encoders with every combination of formats
instead (L for channels-last, c for contiguous, layer by layer).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from diccae import kernels
from diccae.plans import Plan, load_plan
from diccae.sections import Runtime

# Earlier versions asked for channels-last in every layer. PyTorch ignores that for the one channel
# of a log-mel spectrogram, so the audio encoder was contiguous.
EARLIER = {"audio_encoder.channels_last": [False] * 4, "video_encoder.channels_last": [True] * 4}
SETTINGS: dict[str, tuple[kernels.Kernels, dict[str, Any]]] = {
    "before": ("fastest", EARLIER),
    "portable, fused": ("portable", EARLIER),
    "after": ("portable", {}),
}
STAGES = ("pretrain", "finetune")


def plan_of(name: str, setting: str) -> Plan:
    """The plan with the kernels and the formats of a setting."""
    chosen, formats = SETTINGS[setting]
    plan = load_plan(name)
    overrides = plan.overrides | formats
    return plan.model_copy(update={"runtime": Runtime(kernels=chosen), "overrides": overrides})


def work(name: str, setting: str, steps: int) -> None:
    """Time some steps of a stage for every line of the input, which names it."""
    plan = plan_of(name, setting)
    kernels.fix(plan.runtime.kernels)
    # the libraries read the environment when they are imported
    import torch
    from mmengine.registry import init_default_scope

    from diccae import compat
    from diccae.planning.bench import Bench, _batch
    from diccae.planning.synthetic_clips import write_synthetic_cache
    from diccae.run_graph import Run

    compat.apply()
    init_default_scope("mmaction")
    torch.set_num_threads(1)
    runs = {stage: Run(plan, stage, "full", plan.seeds[0]) for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder:
        cache = write_synthetic_cache(plan, list(runs.values()), Path(folder) / "cache")
        benches = {s: Bench(run, cache, torch.device("cpu"), load=True) for s, run in runs.items()}

        def step(bench: Bench) -> None:
            bench.model.train_step(_batch(bench.training, bench.sizes[0]), bench.optimizer)

        for bench in benches.values():
            bench.model.train()
            step(bench)
        for line in sys.stdin:
            started = time.process_time()
            for _ in range(steps):
                step(benches[line.strip()])
            print((time.process_time() - started) / steps, flush=True)


def compare(options: argparse.Namespace) -> None:
    """Print the time of a step in each setting and stage."""
    common = ["--plan", options.plan, "--steps", str(options.steps)]
    workers = {
        setting: subprocess.Popen(
            [sys.executable, __file__, "--setting", setting, *common],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for setting in SETTINGS
    }
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.rounds):
        for stage, (setting, worker) in itertools.product(STAGES, workers.items()):
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(f"{stage}\n")
            worker.stdin.flush()
            times.setdefault((stage, setting), []).append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    for (stage, setting), found in times.items():
        middle, first = statistics.median(found), statistics.median(times[stage, "before"])
        print(
            f"{stage:<9} {setting:<16} {1e3 * middle:6.1f} ms a step "
            f"(lowest {1e3 * min(found):.1f}), ratio {middle / first:.2f}"
        )


def formats(options: argparse.Namespace) -> None:
    """Print the time of both encoders with every combination of formats, fastest first."""
    kernels.fix()
    import torch

    from diccae.models.encoders import ConvEncoder
    from diccae.settings import plan_settings

    settings = plan_settings(load_plan(options.plan))
    cache, data = settings["cache"], settings["data"]
    sizes = {
        "audio": (cache["fbank_frames"], cache["n_mels"]),
        "video": (data["frame_size"], data["frame_size"]),
    }
    for name, size in sizes.items():
        config = settings[f"{name}_encoder"]
        channels, widths = config["in_channels"], config["widths"]
        inputs = torch.randn(64, channels, *size)

        def seconds(encoder: ConvEncoder, inputs: torch.Tensor = inputs) -> float:
            encoder.zero_grad()
            started = time.process_time()
            encoder(inputs).square().mean().backward()
            return time.process_time() - started

        encoders = {
            combination: ConvEncoder(channels, widths, combination)
            for combination in itertools.product((True, False), repeat=len(widths))
        }
        times: dict[tuple[bool, ...], list[float]] = {each: [] for each in encoders}
        for _ in range(options.rounds):
            for combination, encoder in encoders.items():
                times[combination].append(seconds(encoder))
        for combination, found in sorted(times.items(), key=lambda item: min(item[1])):
            letters = "".join("L" if last else "c" for last in combination)
            print(f"{name} {letters} {1e3 * min(found):.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--plan", default="embedded")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3, help="steps of a round")
    parser.add_argument("--formats", action="store_true")
    parser.add_argument("--setting", help="used by the script itself")
    options = parser.parse_args()
    if options.setting:
        work(options.plan, options.setting, options.steps)
    elif options.formats:
        formats(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
