"""mmengine's `optim_wrapper` and `param_scheduler` from the budget of a stage."""

from __future__ import annotations

from typing import Any

from diccae.schedule import StageSchedule

# Unless fused, these take square roots from MKL, whose last digit depends on the processor.
FUSED_IN_PORTABLE = ("Adam", "AdamW")


def optim_wrapper(budget: StageSchedule, precision: str, kernels: str) -> dict[str, Any]:
    """mmengine's `optim_wrapper`.

    Args:
        budget: of the stage.
        precision: of the forward pass, as in `Schedule`.
        kernels: as in `Runtime`.
    """
    optimizer = budget.optimizer | {"lr": budget.lr, "weight_decay": budget.weight_decay}
    if kernels == "portable" and optimizer["type"] in FUSED_IN_PORTABLE:
        optimizer |= {"fused": True}
    wrapper: dict[str, Any] = dict(type="OptimWrapper", optimizer=optimizer)
    if precision != "float32":
        fused = dict(optimizer, fused=True)
        wrapper = dict(type="AmpOptimWrapper", dtype=precision, optimizer=fused)
    if budget.paramwise is not None:
        wrapper["paramwise_cfg"] = budget.paramwise
    return wrapper


def param_schedulers(budget: StageSchedule) -> list[dict[str, Any]]:
    """mmengine's `param_scheduler`: a linear rise over `warmup_epochs`, then a cosine to 0."""
    rise = budget.warmup_epochs
    by_step = dict(by_epoch=True, convert_to_iter_based=True)
    cosine = dict(type="CosineAnnealingLR", T_max=budget.epochs - rise, **by_step)
    if not rise:
        return [cosine]
    linear = dict(type="LinearLR", start_factor=1e-3, begin=0, end=rise, **by_step)
    return [linear, dict(cosine, begin=rise, end=budget.epochs)]
