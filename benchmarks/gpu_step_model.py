"""Networks, random batches and the timed training step of `gpu_step.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.models.losses import ConfusionLoss, InfoNCELoss
from diccae.models.vit import AudioViT, VideoViT


@dataclass(frozen=True)
class Size:
    """Size of networks and inputs.

    Attributes:
        model: name of a timm vision transformer, for audio and video.
        fbank_frames: time steps of the log-mel spectrogram.
        n_mels: mel bands.
        num_frames: video frames of a clip.
        frame_size: height and width of a frame in pixels.
        width: dimension of the fused feature.
        classes: classes, or clusters in pre-training.
    """

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
    """Times the parts of a step.

    On a GPU, the times come from events that are read after the step, so that the step is not
    interrupted by a synchronisation.
    """

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.marks: list[tuple[str, Any]] = []

    def mark(self, name: str) -> None:
        """End the current part, whose name is `name`, and start the next."""
        if self.cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks.append((name, event))
        else:
            self.marks.append((name, time.perf_counter()))

    def milliseconds(self) -> dict[str, float]:
        """Milliseconds of each part by name."""
        pairs = zip(self.marks, self.marks[1:], strict=False)
        if self.cuda:
            torch.cuda.synchronize()
            return {name: begin.elapsed_time(end) for (_, begin), (name, end) in pairs}
        return {name: 1000 * (end - begin) for (_, begin), (name, end) in pairs}


class Recogniser(nn.Module):
    """Encoders, fusion, classifier and projections of DICCAE, with its two losses."""

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
        """Loss of a batch, a scalar.

        Args:
            audio: audio features (B, D_a).
            video: video features (B, D_v).
            labels: int64 (B).
            terms: add the confusion loss and InfoNCE to the cross entropy.
        """
        fused = self.fusion(torch.cat([audio, video], dim=1))
        loss = F.cross_entropy(self.classifier(fused), labels)
        if terms:
            loss = loss + self.confusion(fused, labels, self.weights)
            loss = loss + self.info_nce(self.project_audio(audio), self.project_video(video))
        return loss


class Prefetcher:
    """An endless iterator over one random batch.

    On a GPU, each batch is copied from pinned memory on a separate stream while the previous one is
    in use.
    """

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
    """A model and its optimiser.

    Args:
        size: of networks and inputs.
        device: where it trains.
        compiled: mode of torch.compile for the encoders; None to leave them as they are.
    """

    # whether encoders are held in bfloat16, so that autocast is not needed for them
    half = False

    def __init__(self, size: Size, device: torch.device, compiled: str | None) -> None:
        torch.manual_seed(0)
        self.size, self.device = size, device
        self.model = Recogniser(size).to(device).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-5, fused=device.type == "cuda"
        )
        # only the encoders: the gather over processes in the losses cannot be compiled
        self.audio, self.video = (
            self._compiled(encoder, compiled) for encoder in (self.model.audio, self.model.video)
        )

    def _compiled(self, encoder: nn.Module, mode: str | None) -> Callable[[Tensor], Tensor]:
        # a second batch size would otherwise compile kernels for all sizes, which are slower
        return torch.compile(encoder, mode=mode, dynamic=False) if mode else encoder

    def step(self, batch: list[Tensor], terms: bool) -> Parts:
        """One step on a batch (audio, video, labels), with or without DICCAE's losses."""
        audio, video, labels = batch
        parts = Parts(self.device)
        parts.mark("start")
        self.model.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=not self.half):
            audio = self.audio(audio.bfloat16() if self.half else audio)
            parts.mark("audio encoder")
            video = self.video(video.bfloat16() if self.half else video)
            parts.mark("video encoder")
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.model.losses(audio, video, labels, terms)
        parts.mark("fusion and losses")
        loss.backward()
        parts.mark("backward")
        self.update()
        parts.mark("optimizer")
        return parts

    def update(self) -> None:
        """Change the weights by their gradients."""
        self.optimizer.step()

    def flops(self, batch: int) -> float:
        """Floating point operations of a step on `batch` clips.

        Counts the matrix products of the encoders, attention included. The backward pass has twice
        the operations of the forward pass.
        """
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


class HalfTrainer(Trainer):
    """The same with encoders that are held and computed in bfloat16; the optimiser updates weights
    in float32, which are rounded into them after each step. A trial: training does not do this."""

    half = True

    def __init__(self, size: Size, device: torch.device, compiled: str | None) -> None:
        super().__init__(size, device, compiled)
        encoders = [self.model.audio.bfloat16(), self.model.video.bfloat16()]
        self.rounded = [value for each in encoders for value in each.parameters()]
        self.weights = [value.detach().float() for value in self.rounded]
        known = {id(value) for value in self.rounded}
        rest = [value for value in self.model.parameters() if id(value) not in known]
        self.optimizer = torch.optim.AdamW(
            [*self.weights, *rest], lr=1e-5, fused=device.type == "cuda"
        )

    def update(self) -> None:
        """See `Trainer.update`."""
        # position embeddings may be frozen
        pairs = [
            (weight, value)
            for weight, value in zip(self.weights, self.rounded, strict=True)
            if value.grad is not None
        ]
        for weight, value in pairs:
            weight.grad = value.grad.float()
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_([value for _, value in pairs], [weight for weight, _ in pairs])
