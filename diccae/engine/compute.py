"""What a run computes: parameters, floating-point operations and clips.

Operations are the additions and multiplications of matrix products, convolutions and attention:
twice the multiply-adds that papers print. All others are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from diccae.engine.feature_extractor import unwrap
from diccae.engine.hooks.reproducibility import kept_generators
from diccae.engine.hooks.update_set import update_ids
from diccae.run_graph import Run

# a backward pass has two matrix products for each one of the forward pass
TRAINING_PASSES = 3
GIGA, TERA = 1e9, 1e12


def compute_of(runner: Runner, run: Run) -> dict[str, int | float | None]:
    """What a trained run computed, whether it was interrupted or not.

    One batch is computed for it; with several processes, each of them must call this.

    Returns:
        - `parameters_training`: trained numbers that the losses depend on.
        - `parameters_inference`: those that the scores depend on; None without scores.
        - `gflop_training`: 10^9 operations of a clip in a forward pass with its losses.
        - `gflop_inference`: 10^9 operations of the scores of a clip from one view; None without
          scores.
        - `clips_trained`: clips of all optimiser steps, also those of copies of the network.
        - `clips_read`: clips of forward passes between the steps, for the update set, clusters and
          the losses of an estimate.
        - `training_tflop`: 10^12 operations of both: three forward passes for a clip that is
          trained on, one for a clip that is read. K-means, degrees and scores are not part of it.
    """
    model, use, loader = unwrap(runner), run.data_use, runner.train_dataloader
    size, epoch, update = (
        runner.cfg.train_dataloader.batch_size,
        len(loader.dataset),
        len(update_ids(runner)),
    )
    batch = loader.collate_fn([loader.dataset[index] for index in range(min(size, epoch))])
    with kept_generators(), runner.optim_wrapper.optim_context(model):
        training, trained = training_cost(model, batch)
        inference, needed = inference_cost(model, batch) if run.spec.scored else (None, None)
    steps = runner.max_iters + use.copy_passes * len(loader)
    clips_trained = steps * size * get_world_size()
    clips_read = (
        use.update_passes * update + use.train_passes * epoch + use.clusterings * (epoch + update)
    )
    return {
        "parameters_training": trained,
        "parameters_inference": needed,
        "gflop_training": training / GIGA,
        "gflop_inference": None if inference is None else inference / GIGA,
        "clips_trained": clips_trained,
        "clips_read": clips_read,
        "training_tflop": training * (TRAINING_PASSES * clips_trained + clips_read) / TERA,
    }


def forward_cost(forward: Callable[[], Tensor], model: nn.Module) -> tuple[int, int]:
    """Operations of a forward pass, and the number of trained parameters that its result depends
    on."""
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = FlopCounterMode(display=False, custom_mapping={flash: _attention})
    # Under no_grad the counter cannot enter a module that returns a view of its parameter. Of a
    # compiled graph it sees no operation.
    with torch.enable_grad(), torch.compiler.set_stance("force_eager"), counter:
        result = forward()
    leaves = _leaves(result)
    return counter.get_total_flops(), sum(p.numel() for p in model.parameters() if p in leaves)


def training_cost(model: Any, batch: dict[str, Any]) -> tuple[float, int]:
    """Operations of a clip in a forward pass with its losses, and the number of trained parameters
    that these depend on.

    Args:
        model: a recogniser; statistics of batch normalisation are updated.
        batch: a collated batch of the training clips.
    """
    model.train()
    inputs = model.data_preprocessor(batch, True)
    operations, parameters = forward_cost(
        lambda: model.parse_losses(model(**inputs, mode="loss"))[0], model
    )
    return operations / len(inputs["data_samples"]), parameters


def inference_cost(model: Any, batch: dict[str, Any]) -> tuple[float, int]:
    """Operations of the scores of a clip from one view, and the number of trained parameters that
    these depend on.

    Args:
        model: a recogniser, which is left in evaluation mode.
        batch: a collated batch of clips with one view each.
    """
    model.eval()
    inputs = model.data_preprocessor(batch, False)["inputs"]
    first = {name: value[:1] for name, value in inputs.items()}
    return forward_cost(lambda: model(first, mode="tensor"), model)


def _attention(query: Tensor, key: Tensor, value: Tensor, *arguments: Any, **options: Any) -> int:
    # torch counts this operator of other devices, but not that of the CPU; it is given shapes
    return sdpa_flop_count(query, key, value)


def _leaves(result: Tensor) -> set[Tensor]:
    """The leaves of the graph of a tensor."""
    leaves, seen, waiting = set(), set(), [result.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.add(node.variable)
        waiting += [before for before, _ in node.next_functions]
    return leaves
