"""Weights that a network takes from another run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from diccae.stored_file import reading


def take_weights(model: nn.Module, path: Path, prefixes: tuple[str, ...]) -> None:
    """Take all weights whose names begin with one of the prefixes from another run's file.

    Raises:
        UserError: the file is missing or damaged.
        RuntimeError: it lacks a weight.
    """
    with reading(path, "train the run that writes it"):
        state = torch.load(path, map_location="cpu", weights_only=True)
    chosen = {key: value for key, value in state.items() if key.startswith(prefixes)}
    missing = [k for k in model.state_dict() if k.startswith(prefixes) and k not in chosen]
    if missing:
        raise RuntimeError(
            f"{path} lacks {len(missing)} weights of this model, "
            f"{missing[0]} first; pre-train again with the same encoders"
        )
    model.load_state_dict(chosen, strict=False)
