"""What `diccae plan` prints of stored features."""

from __future__ import annotations

from typing import Any

from diccae.planning.assumed import GPU_FLOPS


def feature_lines(answer: dict[str, Any]) -> list[str]:
    """Lines about the stored features of a plan; none without them.

    Args:
        answer: of `estimate`.
    """
    cost = answer["features"]
    if cost is None:
        return []
    if cost["done"]:
        return ["stored features: complete"]
    if not cost["flops"]:
        return [f"stored features: vectors of {cost['clips']:,} clips are read, none is encoded"]
    total = cost["clips"] * cost["flops"]
    lines = [
        f"stored features: {cost['clips']:,} clips are encoded once, {cost['flops'] / 1e9:,.0f} "
        f"GFLOP each: {total / GPU_FLOPS / 3600:,.1f} h on a GPU that sustains "
        f"{GPU_FLOPS / 1e12:.0f} TFLOP/s"
    ]
    if cost["seconds"] is not None:
        unit = answer["devices"]["kind"]
        lines.append(
            f"  timed here: {cost['seconds']:.3g} s a clip, {cost['hours']:,.1f} h on one {unit}; "
            "decoding is not included, benchmarks/loading.py times it"
        )
    return lines
