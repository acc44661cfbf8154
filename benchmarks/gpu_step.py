"""Speed of a training step at the paper's scale: ViT-B for audio, ViT-B for video, DICCAE's losses.

Prints samples per second, model FLOP utilisation (MFU), the time of each part of the step, and the
fastest batch size. Without a GPU, tiny networks run on the CPU, which shows only that the script
works.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from gpu_machine import peak_of, product_rate
from gpu_step_checks import (
    cudnn_attention,
    kernels,
    same_weights_again,
    use_deterministic,
)
from gpu_step_model import FULL, TINY, HalfTrainer, Prefetcher, Trainer
from measured import Measured

# batch normalisation and the losses over pairs need at least two clips
LEAST_BATCH = 2


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


def measured(trainer: Trainer, batch: int, steps: int, warm_up: int) -> tuple[Result, float] | None:
    """A batch size: its measurement and samples per second; None if memory does not suffice."""
    try:
        result = measure(trainer, batch, steps, warm_up)
        return result, throughput(trainer, batch, steps, warm_up)
    except torch.OutOfMemoryError:
        trainer.optimizer.zero_grad(set_to_none=True)
    # outside of the handler, whose exception keeps the tensors of the failed step
    torch.cuda.empty_cache()
    return None


def main() -> None:
    """Measure some batch sizes, by default doubled ones until memory is exhausted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--batch",
        type=int,
        nargs="+",
        default=None,
        help="measure these batch sizes, smallest first, until memory is exhausted; the first is "
        "halved until it fits; default: doubled from 8",
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument(
        "--compile",
        nargs="?",
        const="default",
        default=None,
        choices=("default", "max-autotune-no-cudagraphs"),
        help="torch.compile of both encoders, anew for each batch size",
    )
    parser.add_argument(
        "--cudnn-attention",
        action="store_true",
        help="prefer cuDNN's attention to PyTorch's own choice",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="as mmengine's randomness.deterministic, with the cuBLAS workspace that it needs",
    )
    parser.add_argument(
        "--bfloat16-encoders",
        action="store_true",
        help="a trial: encoders in bfloat16, with float32 weights in the optimiser alone",
    )
    parser.add_argument(
        "--profile", action="store_true", help="list the kernels of the fastest batch size"
    )
    parser.add_argument(
        "--peak",
        type=float,
        default=None,
        help="dense bf16 peak of the GPU in TFLOP/s, if the script does not know it",
    )
    parser.add_argument(
        "--json", type=Path, default=None, help="append what was measured to this file"
    )
    options = parser.parse_args()
    if options.deterministic:
        use_deterministic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    size = FULL if device.type == "cuda" else TINY
    if device.type == "cpu":
        print(
            "no GPU found: running tiny networks on the CPU, to show that the script works; "
            "the numbers say nothing about a GPU"
        )
    peak = options.peak or peak_of(name)
    if device.type == "cuda" and peak is None:
        print(f"peak of {name} not known, so MFU is not shown; set it with --peak")
    torch.set_float32_matmul_precision("high")
    how = ", ".join(
        [
            f"compiled ({options.compile})" if options.compile else "not compiled",
            *(["cuDNN's attention"] if options.cudnn_attention else []),
            *(["deterministic"] if options.deterministic else []),
            *(["encoders in bfloat16"] if options.bfloat16_encoders else []),
        ]
    )
    out = Measured(options.json)
    print(f"{name}, torch {torch.__version__}, {size}, {how}")
    product = 8192 if device.type == "cuda" else 256
    out.note(
        f"Peak for MFU: {f'{peak:.0f} TFLOP/s' if peak else 'not known'}. A product of two random "
        f"matrices of {product} x {product} in bf16 reaches {product_rate(device, product):.0f} "
        "TFLOP/s."
    )
    with cudnn_attention() if options.cudnn_attention else nullcontext():
        if not (options.compile or options.bfloat16_encoders):
            again = same_weights_again(size, device)
            out.note(
                f"Trained twice for 5 steps from the same weights and batch, {how}: "
                f"{'the same' if again else 'other'} weights."
            )
        kind = HalfTrainer if options.bfloat16_encoders else Trainer
        sweep(kind(size, device, options.compile), options, peak, out, how)


def sweep(
    trainer: Trainer, options: argparse.Namespace, peak: float | None, out: Measured, how: str
) -> None:
    """Measure batch sizes and name the fastest; `how` tells tables apart."""
    print(
        f"{'batch':>6s} {'samples/s':>10s} {'MFU %':>6s} {'ms':>8s} {'without':>8s} "
        f"{'losses %':>8s} {'GB':>6s}  parts of the step in %"
    )
    doubled = [8 * 2**power for power in range(12 if trainer.device.type == "cuda" else 2)]
    sizes = list(options.batch or doubled)
    best: tuple[float, int] = (0.0, 0)
    while sizes:
        batch = sizes.pop(0)
        found = measured(trainer, batch, options.steps, options.warm_up)
        if found is not None:
            result, rate = found
            show(trainer, result, rate, peak, out, how)
            best = max(best, (rate, batch))
            continue
        print(f"{batch:6d} out of memory", flush=True)
        sizes = [batch // 2] if not best[1] and batch // 2 >= LEAST_BATCH else []
    if not best[1]:
        raise SystemExit(
            f"gpu_step: a batch of {batch} clips does not fit into the memory of this GPU; use a "
            "larger GPU, or end what else runs on it"
        )
    out.note(f"Fastest batch size, {how}: {best[1]} with {best[0]:.1f} samples/s.")
    if options.profile:
        kernels(trainer, best[1], out, how)


def show(
    trainer: Trainer, result: Result, rate: float, peak: float | None, out: Measured, how: str
) -> None:
    """Print and keep the row of a batch size; `rate` in samples/s, `peak` in TFLOP/s."""
    flops = rate / result.batch * trainer.flops(result.batch) / 1e12
    used = 100 * flops / peak if peak else None
    added = 100 * (result.step / result.without - 1)
    total = sum(result.parts.values())
    shares = {name: 100 * value / total for name, value in result.parts.items()}
    parts = ", ".join(f"{name} {share:.1f}" for name, share in shares.items())
    print(
        f"{result.batch:6d} {rate:10.1f} {'-' if used is None else f'{used:.1f}':>6s} "
        f"{result.step:8.2f} {result.without:8.2f} {added:8.1f} {result.memory:6.1f}  {parts}",
        flush=True,
    )
    cells = {
        "batch": result.batch,
        "samples/s": rate,
        "TFLOP/s": flops,
        "MFU %": used,
        "ms a step": result.step,
        "ms without DICCAE's losses": result.without,
        "DICCAE's losses %": added,
        "peak GB": None if math.isnan(result.memory) else result.memory,
    }
    of_parts = {f"{name} %": share for name, share in shares.items()}
    out.row(f"Training step, {how}", **cells, **of_parts)


if __name__ == "__main__":
    main()
