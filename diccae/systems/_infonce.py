"""Pre-training of the encoders with InfoNCE alone, for the systems whose definition has none.

A variant with `initial_encoders: infonce` separates what a system's fusion is worth from what
pre-training is worth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from diccae.errors import UserError
from diccae.schedule import Strict
from diccae.systems._diccae_choices import DiccaeChoices
from diccae.systems.diccae import SYSTEM as DICCAE
from diccae.systems.diccae import WARMUP
from diccae.systems.spec import Parent, RunContext, Stage
from diccae.validation import checked

# its budget is that of DICCAE's pre-training, which `schedule` holds under the same name
PRETRAIN = Stage("pretrain", only_with=("initial_encoders", "infonce"))


class InitialEncoders(Strict):
    """Base of choices models of systems with this pre-training.

    Attributes:
        initial_encoders: what the encoders of labelled runs start from: random weights (or what the
            scale's config of the encoders names), or pre-training with InfoNCE on the unlabelled
            pool.
    """

    initial_encoders: Literal["scratch", "infonce"]


def pretraining(run: RunContext[Any]) -> dict[str, Any]:
    """The network that DICCAE warms up, with InfoNCE alone and DICCAE's choices in this plan.

    In one modality InfoNCE contrasts two views of a clip, as in DICCAE.

    Raises:
        UserError: a choice of DICCAE is not possible.
    """
    method = checked(DiccaeChoices, run.diccae_method, "the choices of diccae in this plan")
    choices = DICCAE.choices_for(run.pretrain_modality, method)
    return DICCAE.model(replace(run, stage=WARMUP, choices=choices))


def initial_parents(choices: InitialEncoders) -> tuple[Parent, ...]:
    """What a run starts from whose encoders may be pre-trained."""
    return (Parent(PRETRAIN.name),) if choices.initial_encoders == "infonce" else ()


def initial_weights(run: RunContext[Any]) -> dict[str, Any]:
    """`init_cfg` of a network whose encoders start from pre-training; empty from scratch.

    Raises:
        UserError: the variant leaves pre-training out.
    """
    if run.choices.initial_encoders == "scratch":
        return {}
    weights = run.parent()
    if weights is None:
        raise UserError(
            "method.initial_encoders infonce needs the stage pretrain, which the variant leaves "
            "out; keep it, or set method.initial_encoders: scratch"
        )
    return dict(init_cfg=dict(type="EncoderWeights", checkpoint=weights))
