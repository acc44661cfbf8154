"""Errors of pure functions, in terms of the plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from diccae.errors import UserError
from diccae.functional.arguments import ArgumentError

WAYS_OUT = {
    "features": "training diverged: lower schedule.<stage>.lr in the plan",
    "labels": "correct the labels of the manifest",
    "pca_dim": "set method.pca_dim to 2 in the plan, or choose another method.circle",
    "k": "lower method.kmeans_k in the plan",
}


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turn errors of `diccae.functional` into errors of the user that name the way out.

    Args:
        task: what is being computed; the error begins with it.

    Raises:
        UserError: an argument is not usable, or there is no room for large features.
    """
    try:
        yield
    except ArgumentError as error:
        way_out = WAYS_OUT.get(error.argument, f"change method.{error.argument} in the plan")
        raise UserError(f"{task}: {error}; {way_out}") from error
    except OSError as error:
        raise UserError(f"{task}: {error.strerror or error}") from error
