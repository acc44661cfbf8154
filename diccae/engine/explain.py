"""Turns errors of `diccae.functional` into errors in terms of the plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from diccae.errors import UserError
from diccae.functional.arguments import ArgumentError

REMEDIES = {
    "features": "training diverged: lower schedule.<stage>.lr in the plan",
    "labels": "correct the labels of the manifest",
    "pca_dim": "set method.pca_dim to 2 in the plan, or choose another method.circle",
    "seed": "choose smaller seeds in the plan",
    "k": "lower method.kmeans_k in the plan",
}


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turn errors of `diccae.functional` into a `UserError` that says what to change.

    Args:
        task: what is being computed; the message begins with it.

    Raises:
        UserError: an argument is invalid, or the disk is full.
    """
    try:
        yield
    except ArgumentError as error:
        remedy = REMEDIES.get(error.argument, f"change method.{error.argument} in the plan")
        raise UserError(f"{task}: {error}; {remedy}") from error
    except OSError as error:
        raise UserError(f"{task}: {error.strerror or error}") from error
