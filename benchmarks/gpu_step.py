"""Speed of a training step at the paper's scale: ViT-B for audio, ViT-B for video, DICCAE's losses.

Prints samples per second, model FLOP utilisation (MFU), the time of each part of the step, and the
fastest batch size. Without a GPU, tiny networks run on the CPU, which shows only that the script
works.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

import torch
from gpu_step_model import FULL, TINY, Prefetcher, Trainer

# dense bf16 peaks in TFLOP/s (without sparsity, SXM boards), by a part of the device's name; the
# utilisation of other devices is not printed
PEAKS = {
    "H200": 989,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "RTX 4090": 165,
}


@dataclass(frozen=True)
class Result:
    """Measurement of one batch size.

    Attributes:
        batch: clips in a batch.
        step: median milliseconds of a step.
        parts: median milliseconds of each part of the step.
        without: median milliseconds of a step without DICCAE's losses.
        memory: peak of allocated GPU memory in GB.
    """

    batch: int
    step: float
    parts: dict[str, float]
    without: float
    memory: float


def measure(trainer: Trainer, batch: int, steps: int, warm_up: int) -> Result:
    """Alternate steps with and without DICCAE's losses: clock changes affect both equally."""
    cuda = trainer.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    batches = iter(Prefetcher(trainer.size, batch, trainer.device))
    parts: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for number in range(2 * (warm_up + steps)):
        terms = number % 2 == 0
        taken = trainer.step(next(batches), terms).milliseconds()
        if number >= 2 * warm_up:
            parts[terms].append(taken)
    whole = {
        terms: statistics.median(sum(step.values()) for step in taken)
        for terms, taken in parts.items()
    }
    shares = {
        name: statistics.median(step[name] for step in parts[True]) for name in parts[True][0]
    }
    memory = torch.cuda.max_memory_allocated() / 1e9 if cuda else float("nan")
    return Result(batch, whole[True], shares, whole[False], memory)


def throughput(trainer: Trainer, batch: int, steps: int, warm_up: int) -> float:
    """Samples per second of consecutive steps with DICCAE's losses, without synchronisation."""
    batches = iter(Prefetcher(trainer.size, batch, trainer.device))
    for number in range(warm_up + steps):
        if number == warm_up:
            _wait(trainer.device)
            start = time.perf_counter()
        trainer.step(next(batches), terms=True)
    _wait(trainer.device)
    return batch * steps / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure one batch size, or doubled ones until memory is exhausted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--batch",
        type=int,
        default=None,
        help="measure only this batch size; default: doubled from 8 until memory is exhausted",
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile of both encoders")
    parser.add_argument(
        "--peak",
        type=float,
        default=None,
        help="dense bf16 peak of the GPU in TFLOP/s, if the script does not know it",
    )
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    size = FULL if device.type == "cuda" else TINY
    if device.type == "cpu":
        print(
            "no GPU found: running tiny networks on the CPU, to show that the script works; "
            "the numbers say nothing about a GPU"
        )
    peak = options.peak or next((value for chip, value in PEAKS.items() if chip in name), None)
    if device.type == "cuda" and peak is None:
        print(f"peak of {name} not known, so MFU is not shown; set it with --peak")
    torch.backends.cuda.matmul.allow_tf32 = True
    print(
        f"{name}, torch {torch.__version__}, {size}, "
        f"{'compiled' if options.compile else 'not compiled'}"
    )
    print(
        f"{'batch':>6s} {'samples/s':>10s} {'MFU %':>6s} {'ms':>8s} {'without':>8s} "
        f"{'losses %':>8s} {'GB':>6s}  parts of the step in %"
    )
    sizes = (
        [options.batch]
        if options.batch
        else [8 * 2**power for power in range(12 if device.type == "cuda" else 2)]
    )
    best: tuple[float, int] = (0.0, 0)
    trainer = Trainer(size, device, options.compile)
    for batch in sizes:
        try:
            result = measure(trainer, batch, options.steps, options.warm_up)
            rate = throughput(trainer, batch, options.steps, options.warm_up)
        except torch.OutOfMemoryError:
            print(f"{batch:6d} out of memory")
            break
        show(trainer, result, rate, peak)
        best = max(best, (rate, batch))
    print(f"fastest batch size {best[1]}: {best[0]:.1f} samples/s")


def show(trainer: Trainer, result: Result, rate: float, peak: float | None) -> None:
    """Print the row of a batch size; `rate` in samples/s, `peak` in TFLOP/s."""
    used = (
        f"{100 * rate / result.batch * trainer.flops(result.batch) / (peak * 1e12):6.1f}"
        if peak
        else "     -"
    )
    added = 100 * (result.step / result.without - 1)
    total = sum(result.parts.values())
    parts = ", ".join(f"{name} {100 * value / total:.1f}" for name, value in result.parts.items())
    print(
        f"{result.batch:6d} {rate:10.1f} {used} {result.step:8.2f} {result.without:8.2f} "
        f"{added:8.1f} {result.memory:6.1f}  {parts}",
        flush=True,
    )


if __name__ == "__main__":
    main()
