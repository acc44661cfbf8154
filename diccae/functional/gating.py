"""Two predictions combined by a gate, y = a y_1 + (1 - a) y_2."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from diccae.functional.arguments import ArgumentError, check_choice
from diccae.functional.precision import wide, without_autocast

OUTPUTS = ("probabilities", "logits")


@without_autocast
def gated_logits(
    first: Float[Tensor, "b c"],
    second: Float[Tensor, "b c"],
    gate: Float[Tensor, "b g"],
    outputs: str = "probabilities",
) -> Float[Tensor, "b c"]:
    """Logits of the combination y = a y_1 + (1 - a) y_2, with a = sigmoid(gate).

    Args:
        first, second: (B, C) logits of the two models.
        gate: (B, 1), one for all classes, or (B, C), one for each; it may be infinite.
        outputs: what y_1 and y_2 are: `probabilities`, whose softmax is then y (scaled to the sum 1
            where each class has a gate of its own), or `logits`.

    Returns:
        (B, C) logits, float32 for half types.

    Raises:
        ArgumentError: unknown outputs, or shapes that do not fit.
    """
    check_choice("outputs", outputs, OUTPUTS)
    if first.ndim != 2 or first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ArgumentError("second", f"wanted two tables of one shape (B, C), got {shapes}")
    if gate.shape not in {(len(first), 1), tuple(first.shape)}:
        wanted = f"wanted shape ({len(first)}, 1) or {tuple(first.shape)}"
        raise ArgumentError("gate", f"{wanted}, got {tuple(gate.shape)}")
    first, second, gate = wide(first), wide(second), wide(gate)
    if outputs == "logits":
        share = torch.sigmoid(gate)
        return share * first + (1 - share) * second
    return torch.logaddexp(
        F.logsigmoid(gate) + F.log_softmax(first, 1), F.logsigmoid(-gate) + F.log_softmax(second, 1)
    )
