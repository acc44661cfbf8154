"""One training step of ViT-B audio + ViT-B video with DICCAE's losses: samples/s, model FLOP utilisation, where the time goes, the best batch.

Needs torch and this package. Inputs are made up and come from pinned memory, the next batch on its way while one is computed. Without a GPU a
tiny size is run on the CPU, which shows that the script works and nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.models.losses import ConfusionLoss, InfoNCELoss
from diccae.models.vit import AudioViT, VideoViT

# dense bf16 peaks in TFLOP/s (without sparsity, SXM boards); the first name found in the device's name counts, of other chips no share is printed
PEAKS = {
    "H200": 989,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "RTX 4090": 165,
}


@dataclass(frozen=True)
class Size:
    """Encoders and inputs: a timm ViT, log-mel frames x mels, frames a clip, pixels a side, width of the fused feature, clusters."""

    model: str
    fbank_frames: int
    n_mels: int
    num_frames: int
    frame_size: int
    width: int
    classes: int


FULL = Size("vit_base_patch16_224", 1024, 128, 10, 224, 256, 300)
TINY = Size("vit_tiny_patch16_224", 64, 32, 2, 32, 32, 12)


class Parts:
    """Brackets the parts of a step by marks; their milliseconds are read after the step, so that nothing waits for the GPU within it."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.marks: list[tuple[str, Any]] = []

    def mark(self, name: str) -> None:
        """The part that ends here is called `name`."""
        if self.cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks.append((name, event))
        else:
            self.marks.append((name, time.perf_counter()))

    def milliseconds(self) -> dict[str, float]:
        pairs = zip(self.marks, self.marks[1:], strict=False)
        if self.cuda:
            torch.cuda.synchronize()
            return {name: begin.elapsed_time(end) for (_, begin), (name, end) in pairs}
        return {name: 1000 * (end - begin) for (_, begin), (name, end) in pairs}


class Recogniser(nn.Module):
    """Encoders, fusion and projections as in `diccae.models.diccae.DICCAE`, and the two losses; without `terms`, a classifier of the fused feature alone."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.audio = AudioViT(size.model, size.fbank_frames, size.n_mels)
        self.video = VideoViT(size.model, size.num_frames, size.frame_size)
        features = self.audio.out_features + self.video.out_features
        self.fusion = nn.Sequential(
            nn.Linear(features, 2 * size.width),
            nn.BatchNorm1d(2 * size.width),
            nn.ReLU(inplace=True),
            nn.Linear(2 * size.width, size.width),
        )
        self.classifier = nn.Linear(size.width, size.classes)
        self.project_audio = nn.Linear(self.audio.out_features, size.width)
        self.project_video = nn.Linear(self.video.out_features, size.width)
        self.confusion, self.info_nce = ConfusionLoss(size.classes), InfoNCELoss()
        self.register_buffer("weights", torch.ones(size.classes, size.classes))

    def losses(self, audio: Tensor, video: Tensor, labels: Tensor, terms: bool) -> Tensor:
        """The loss of the features of a batch."""
        fused = self.fusion(torch.cat([audio, video], dim=1))
        loss = F.cross_entropy(self.classifier(fused), labels)
        if terms:
            loss = loss + self.confusion(fused, labels, self.weights)
            loss = loss + self.info_nce(self.project_audio(audio), self.project_video(video))
        return loss


class Prefetcher:
    """Batches without end, copied to the GPU from pinned memory on a stream of their own, one ahead."""

    def __init__(self, size: Size, batch: int, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream() if device.type == "cuda" else None
        host = (
            torch.randn(batch, 1, size.fbank_frames, size.n_mels),
            torch.randn(batch, 3 * size.num_frames, size.frame_size, size.frame_size),
            torch.arange(batch) % size.classes,
        )
        self.host = [part.pin_memory() if self.stream else part for part in host]

    def __iter__(self) -> Iterator[list[Tensor]]:
        if self.stream is None:
            while True:
                yield self.host
        following = self._copy()
        while True:
            torch.cuda.current_stream().wait_stream(self.stream)
            batch = following
            for part in batch:
                part.record_stream(torch.cuda.current_stream())
            following = self._copy()
            yield batch

    def _copy(self) -> list[Tensor]:
        with torch.cuda.stream(self.stream):
            return [part.to(self.device, non_blocking=True) for part in self.host]


class Trainer:
    """A model with its optimizer, and one step of it."""

    def __init__(self, size: Size, device: torch.device, compiled: bool) -> None:
        torch.manual_seed(0)
        self.size, self.device = size, device
        self.model = Recogniser(size).to(device).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-5, fused=device.type == "cuda"
        )
        # the losses stay as they are: their gather over processes is no part of a graph
        self.audio: Callable[[Tensor], Tensor] = (
            torch.compile(self.model.audio) if compiled else self.model.audio
        )
        self.video: Callable[[Tensor], Tensor] = (
            torch.compile(self.model.video) if compiled else self.model.video
        )

    def step(self, batch: list[Tensor], terms: bool) -> Parts:
        audio, video, labels = batch
        parts = Parts(self.device)
        parts.mark("start")
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            audio = self.audio(audio)
            parts.mark("audio encoder")
            video = self.video(video)
            parts.mark("video encoder")
            loss = self.model.losses(audio, video, labels, terms)
        parts.mark("fusion and losses")
        loss.backward()
        parts.mark("backward")
        self.optimizer.step()
        parts.mark("optimizer")
        return parts

    def flops(self, batch: int) -> float:
        """Floating point operations that a step needs (forward, and twice that backward): matrix products of the encoders, attention included."""
        total = 0.0
        for vit, images in (
            (self.model.audio.vit, batch),
            (self.model.video.vit, batch * self.size.num_frames),
        ):
            tokens, width = vit.patch_embed.num_patches, vit.embed_dim
            products = sum(
                module.weight.numel()
                for module in vit.modules()
                if isinstance(module, nn.Linear | nn.Conv2d)
            )
            attention = 2 * tokens * width * len(vit.blocks)
            total += 3 * 2 * images * tokens * (products + attention)
        return total


@dataclass(frozen=True)
class Result:
    """Of one batch size: median milliseconds of a step and of each part of it, of the same step without DICCAE's terms, and the peak of memory in GB."""

    batch: int
    step: float
    parts: dict[str, float]
    without: float
    memory: float


def measure(trainer: Trainer, batch: int, steps: int, warm_up: int) -> Result:
    """Steps with and without DICCAE's terms, in turn, so that a clock that changes slows both alike."""
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
    """Samples a second of steps with DICCAE's terms, one after the other without a wait between them."""
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--batch",
        type=int,
        default=None,
        help="only this one; otherwise doubled from 8 until memory ends",
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile of both encoders")
    parser.add_argument(
        "--peak",
        type=float,
        default=None,
        help="dense bf16 peak of the chip in TFLOP/s, where it is not in the table",
    )
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    size = FULL if device.type == "cuda" else TINY
    if device.type == "cpu":
        print(
            "no GPU here: a tiny size on the CPU, to show that the script works; its numbers say nothing about a GPU"
        )
    peak = options.peak or next((value for chip, value in PEAKS.items() if chip in name), None)
    if device.type == "cuda" and peak is None:
        print(f"no peak known for {name}: utilisation is not shown; name it with --peak")
    torch.backends.cuda.matmul.allow_tf32 = True
    print(
        f"{name}, torch {torch.__version__}, {size}, {'compiled' if options.compile else 'not compiled'}"
    )
    print(
        f"{'batch':>6s} {'samples/s':>10s} {'MFU %':>6s} {'ms':>8s} {'without':>8s} {'terms %':>8s} {'GB':>6s}  parts of the step in %"
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
            print(f"{batch:6d} memory ended")
            break
        show(trainer, result, rate, peak)
        best = max(best, (rate, batch))
    print(f"best batch {best[1]}: {best[0]:.1f} samples/s")


def show(trainer: Trainer, result: Result, rate: float, peak: float | None) -> None:
    used = (
        f"{100 * rate / result.batch * trainer.flops(result.batch) / (peak * 1e12):6.1f}"
        if peak
        else "     -"
    )
    added = 100 * (result.step / result.without - 1)
    total = sum(result.parts.values())
    parts = ", ".join(f"{name} {100 * value / total:.1f}" for name, value in result.parts.items())
    print(
        f"{result.batch:6d} {rate:10.1f} {used} {result.step:8.2f} {result.without:8.2f} {added:8.1f} {result.memory:6.1f}  {parts}",
        flush=True,
    )


if __name__ == "__main__":
    main()
