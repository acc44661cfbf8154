"""The hook of DICCAE that sets the weights of the confusion loss after each epoch."""

from __future__ import annotations

from typing import Any

from diccae.errors import UserError
from diccae.systems._diccae_choices import DiccaeChoices
from diccae.systems.spec import RunContext

# sets the draws of this permutation apart from others of the same seed
SHUFFLE = 11


def degree_hook(
    run: RunContext[DiccaeChoices], circles: dict[str, Any], stage_number: int, classes: int
) -> dict[str, Any]:
    """Config of the hook.

    Args:
        run: the run.
        circles: options of `CircleSpec`.
        stage_number: index of the stage, so that each stage has a permutation of its own.
        classes: number of classes or clusters.

    Raises:
        UserError: the control cannot be had with this data, or with so few classes.
    """
    choices = run.choices
    hook = dict(
        type="ConfusionDegreeHook",
        circles=circles,
        weights=dict(
            normalization=choices.normalization,
            weight_range=choices.weight_range,
            diagonal_weight=choices.diagonal_weight,
            weight_floor=choices.weight_floor,
            unmeasured_weight=choices.unmeasured_weight,
        ),
        smoothing=choices.smoothing,
        redraw=choices.update_redraw == "each_epoch",
    )
    if choices.weighting == "oracle":
        if run.design is None:
            raise UserError(
                "method.weighting oracle takes the confusion that the generator of the embedded "
                "benchmark knows, and the plan has other clips; choose another method.weighting "
                "or leave the variant out, or set dataset: embedded in the plan"
            )
        return hook | dict(type="OracleDegreeHook", design=run.design, modality=run.modality)
    if choices.weighting == "shuffled":
        if classes < 3:
            raise UserError(
                f"method.weighting shuffled: wanted 3 classes or more, got {classes}, whose only "
                "pair has no other weight; choose another method.weighting"
            )
        hook["seed"] = [run.seed, SHUFFLE, stage_number]
    return hook | dict(weighting=choices.weighting)
