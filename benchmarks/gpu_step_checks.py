"""Checks of the training step of `gpu_step.py`: whether it repeats, and what its time goes into."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import torch
from gpu_step_model import Prefetcher, Size, Trainer
from measured import Measured
from torch import Tensor
from torch.autograd import DeviceType
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

BATCH, STEPS, LISTED = 8, 5, 15
CUDNN_FIRST = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


def cudnn_attention() -> AbstractContextManager[None]:
    """A context in which PyTorch tries cuDNN's attention before its own."""
    return sdpa_kernel(CUDNN_FIRST, set_priority=True)


def use_deterministic() -> None:
    """Do what mmengine does for `randomness=dict(deterministic=True)`, before CUDA is used.

    cuBLAS needs a fixed workspace as well, or PyTorch refuses its products. mmengine leaves this to
    the environment.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)


def same_weights_again(size: Size, device: torch.device) -> bool:
    """Whether two trainings of a few steps from the same weights and batch end with the same
    bits."""
    first, second = _trained(size, device), _trained(size, device)
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _trained(size: Size, device: torch.device) -> list[Tensor]:
    """The weights, on the CPU; the seed of weights and batch is that of `Trainer`."""
    trainer = Trainer(size, device, compiled=None)
    batches = iter(Prefetcher(size, BATCH, device))
    for _ in range(STEPS):
        trainer.step(next(batches), terms=True)
    return [value.detach().cpu() for value in trainer.model.parameters()]


def kernels(trainer: Trainer, batch: int, out: Measured, how: str) -> None:
    """Print and keep the kernels that take most of the time of a step, on a CPU the operators.

    Args:
        trainer: a trainer that has run before with this batch size.
        batch: clips in a batch.
        out: where the table goes.
        how: tells tables apart.
    """
    cuda = trainer.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    batches = iter(Prefetcher(trainer.size, batch, trainer.device))
    trainer.step(next(batches), terms=True).milliseconds()
    with profile(activities=activities) as profiler:
        for _ in range(STEPS):
            parts = trainer.step(next(batches), terms=True)
        parts.milliseconds()
    wanted = DeviceType.CUDA if cuda else DeviceType.CPU
    found = [
        (event.self_device_time_total if cuda else event.self_cpu_time_total, event)
        for event in profiler.key_averages()
        if event.device_type == wanted
    ]
    total = sum(microseconds for microseconds, _ in found)
    if not total:
        out.note(f"The profiler saw no kernel, {how}.")
        return
    out.note(
        f"Kernels of a step with {batch} clips, {how}: {total / 1000 / STEPS:.1f} ms, "
        f"{sum(event.count for _, event in found) / STEPS:.0f} launches."
    )
    for microseconds, event in sorted(found, key=lambda pair: -pair[0])[:LISTED]:
        share = 100 * microseconds / total
        print(f"{share:6.1f} % {event.count / STEPS:7.1f} x  {event.key[:100]}")
        cells = {"kernel": event.key[:80], "share %": share, "launches a step": event.count / STEPS}
        out.row(f"Kernels, {how}", **cells)
