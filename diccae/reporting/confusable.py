"""Which errors the generator of the embedded benchmark makes likely."""

from __future__ import annotations

import numpy as np

from diccae.plans import Plan
from diccae.reporting import collect


def errors_on_pairs(plan: Plan, variant: str, modality: str) -> float:
    """Share of the wrong predictions, in percent, that take one class of a confusable pair for the
    other; mean over the seeds.

    Confusable pairs are those that share the sound (`A`), the motion (`V`) or both (`AV`), as
    truth.json lists them. Test clips, scores averaged over all views.

    Returns:
        The share; NaN for other data, where no pair is confusable, and where a seed has no error.

    Raises:
        UserError: a run is missing.
    """
    known = collect.truth(plan)
    pairs = known["confusable_pairs"][modality] if known else []
    if not pairs:
        return float("nan")
    confusable = {frozenset(pair) for pair in pairs}
    shares = []
    for seed in plan.seeds:
        wrong = collect.wrong_classes(plan, variant, seed, modality)
        on_pairs = [frozenset(pair) in confusable for pair in wrong.tolist()]
        shares.append(100 * float(np.mean(on_pairs)) if on_pairs else float("nan"))
    return float(np.mean(shares))
