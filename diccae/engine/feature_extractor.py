"""Features of a whole set of clips, by the model as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import is_distributed
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from diccae.structures import UserError


def unwrap(runner: Runner) -> Any:
    """The recogniser itself, inside or outside of DistributedDataParallel."""
    return runner.model.module if is_distributed() else runner.model


def loader_of(runner: Runner, name: str) -> Any:
    """The loader that the config's `name` describes, built once a run: hooks that share a set share its labels."""
    loaders = runner.__dict__.setdefault("_diccae_loaders", {})
    if name not in loaders:
        loaders[name] = runner.build_dataloader(runner.cfg[name])
    return loaders[name]


@torch.no_grad()
def extract(model: Any, loader: DataLoader, feature: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
    """(N, D) float32 features on the CPU, in the loader's order; the model is left in evaluation mode.

    Raises:
        UserError: a feature is not finite; says how many clips.
    """
    model.eval()
    batches = []
    for batch in loader:
        batches.append(feature(model.data_preprocessor(batch, False)["inputs"]).float().cpu())
    features = torch.cat(batches)
    bad = int((~torch.isfinite(features).all(dim=1)).sum())
    if bad:
        raise UserError(
            f"{bad} of {len(features)} clips have NaN or infinite features; training diverged: lower schedule.<stage>.lr in the plan"
        )
    return features
