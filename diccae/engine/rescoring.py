"""Scores a finished run again from its stored weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

from diccae import compat
from diccae.engine import devices, held_kernels
from diccae.engine.feature_extractor import unwrap
from diccae.engine.hooks.update_set import UpdateSetHook, used_ids
from diccae.engine.lean_runner import lean_runner
from diccae.engine.scoring import scored_files
from diccae.errors import UserError
from diccae.run_graph import Run
from diccae.stored_file import reading


def score_again(run: Run, weights: Path, work: Path) -> dict[str, Any]:
    """Contents of the files of a scored run that depend on its weights alone, as
    `diccae.engine.scoring.scored_files`.

    Args:
        run: a scored run.
        weights: its weights.pth.
        work: a folder for the logs of the test.

    Raises:
        UserError: the weights cannot be read, are those of another network, or give scores that are
            not finite; or this process computes with other kernels or threads than the plan says.
    """
    compat.apply()
    held_kernels.require(run.settings.runtime)
    config = run.config()
    import_modules_from_strings(**config.custom_imports)
    config.work_dir, config.experiment_name = str(work), work.name
    config.log_level = "WARNING"
    # it writes into a folder that training makes
    config.default_hooks.logger = None
    # the stored weights are averaged already where a run averages them
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type != "EMAHook"]
    devices.prepare(config)
    runner = lean_runner(config)
    Path(runner.log_dir).mkdir(parents=True, exist_ok=True)
    with reading(weights, "copy the results again"):
        state = torch.load(weights, weights_only=True)
    try:
        unwrap(runner).load_state_dict(state)
    # what torch raises for other names or shapes, and for what is no state dict
    except (RuntimeError, TypeError, AttributeError) as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"{weights} does not hold the weights of {run}: {words}") from None
    files = scored_files(runner, run, _used_ids(runner))
    runner.end_workers()
    return files


def _used_ids(runner: Runner) -> Any:
    """(M,) ids of the clips that the update set had in any epoch of the training."""
    for hook in runner.hooks:
        if isinstance(hook, UpdateSetHook):
            hook.before_train(runner)
            if hook.update_set is not None and any(
                getattr(other, "redraw", False) for other in runner.hooks
            ):
                for epoch in range(runner.max_epochs):
                    hook.update_set.redraw(epoch)
    return used_ids(runner)
