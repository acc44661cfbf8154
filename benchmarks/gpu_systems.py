"""What a training step of each system costs at the scale of a plan, by default the paper's: a row
for each of its stages in A-V.

The configs are those of the plan's runs, as `diccae compose` makes them, with random weights and
clips in the plan's shapes; a step copies its clips to the device, augments them, and ends with the
optimiser. Without a GPU, single precision is used.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gpu_machine import peak_of
from measured import Measured
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from diccae import registry  # noqa: F401
from diccae.engine.compute import training_cost
from diccae.planning.bench import MIN_TRAINING_BATCH, Bench
from diccae.planning.speeds import kinds
from diccae.planning.synthetic_clips import write_synthetic_cache
from diccae.plans import load_plan
from diccae.run_graph import Run

WARM_UP = 3


def _forward(query: Any, key: Any, value: Any, *rest: Any, **options: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _backward(gradient: Any, query: Any, key: Any, value: Any, *rest: Any, **options: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# torch counts these operators of other devices, but not those of the CPU; they are given shapes
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _backward,
}


@dataclass(frozen=True)
class Card:
    """What a training step costs.

    Attributes:
        batch: clips in a batch.
        rate: samples per second.
        flops: operations of a clip, forward and backward; those of frozen parts have no backward.
        parameters: trained parameters that the losses depend on.
        memory: peak GB of GPU memory; None without a GPU.
    """

    batch: int
    rate: float
    flops: float
    parameters: int
    memory: float | None


def card(run: Run, cache: Path, device: torch.device, batch: int, steps: int) -> Card:
    """The card of a run, with the given number of clips in a batch."""
    cuda = device.type == "cuda"
    bench = Bench(run, cache, device, load=False)
    clips = len(bench.training)
    data: Any = pseudo_collate([bench.training[index % clips] for index in range(batch)])
    bench.model.train()
    with bench.optimizer.optim_context(bench.model):
        parameters = training_cost(bench.model, data)[1]
    counter = FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)
    with counter:
        bench.model.train_step(data, bench.optimizer)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(WARM_UP + steps):
        started = time.perf_counter()
        bench.model.train_step(data, bench.optimizer)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return Card(
        batch=batch,
        rate=batch / statistics.median(seconds[WARM_UP:]),
        flops=counter.get_total_flops() / batch,
        parameters=parameters,
        memory=torch.cuda.max_memory_allocated() / 1e9 if cuda else None,
    )


def fitting_card(
    run: Run, cache: Path, device: torch.device, most: int | None, steps: int
) -> Card | None:
    """The card with the batch size of the run, at most `most`, halved until memory suffices; None
    if it does not for two clips."""
    own = run.config().train_dataloader.batch_size
    batch = min(own, most or own)
    while batch >= MIN_TRAINING_BATCH:
        try:
            return card(run, cache, device, batch, steps)
        except torch.OutOfMemoryError:
            batch //= 2
        # outside of the handler, whose exception keeps the tensors of the failed step
        gc.collect()
        torch.cuda.empty_cache()
    return None


def main() -> None:
    """Print and keep the card of each kind of run of a plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="vggsound", help="its scale and systems are taken")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=None, help="at most this; default: the plan's")
    parser.add_argument("--json", type=Path, default=None, help="append results to this file")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    device, out = torch.device("cuda" if cuda else "cpu"), Measured(options.json)
    name = torch.cuda.get_device_name() if cuda else "CPU"
    peak, plan = peak_of(name), load_plan(options.plan)
    runs = [run for run in kinds(plan) if run.modality == "AV"]
    failed = []
    print(f"{name}, torch {torch.__version__}, plan {plan.name}")
    with (
        tempfile.TemporaryDirectory() as folder,
        DefaultScope.overwrite_default_scope("mmaction"),
    ):
        cache = write_synthetic_cache(plan, runs, Path(folder) / "cache")
        for run in sorted(runs, key=lambda run: (run.settings.system.name, run.variant)):
            label = f"{run.variant} {run.stage}"
            try:
                found = fitting_card(run, cache, device, options.batch, options.steps)
            except Exception as error:
                # the other systems are still worth measuring
                failed.append(label)
                out.note(f"{label} failed: {type(error).__name__}: {error}")
                continue
            if found is None:
                failed.append(label)
                out.note(f"{label}: a batch of {MIN_TRAINING_BATCH} clips does not fit.")
                continue
            used = found.rate * found.flops / 1e12
            cells: dict[str, Any] = {
                "system": run.settings.system.name,
                "run": label,
                "batch": found.batch,
                "samples/s": found.rate,
                "peak GB": found.memory,
                "million parameters": found.parameters / 1e6,
                "GFLOP a clip": found.flops / 1e9,
                "MFU %": 100 * used / peak if peak else None,
            }
            out.row(f"Training step, plan {plan.name}", **cells)
            print(
                f"{label:32s} batch {found.batch:3d} {found.rate:9.1f} samples/s "
                f"{found.flops / 1e9:9.1f} GFLOP a clip {found.parameters / 1e6:7.1f} M",
                flush=True,
            )
    if failed:
        raise SystemExit(f"gpu_systems: {len(failed)} of {len(runs)} failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
