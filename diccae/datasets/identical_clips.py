"""Clips of a cache whose files have the same bytes under two names."""

from __future__ import annotations

import pandas as pd


def identical_clips(index: pd.DataFrame) -> str:
    """Count the clips that have the same bytes, and the same span of them, as an earlier clip.

    Args:
        index: the index of a cache.

    Returns:
        How many there are, the first of them, and how many of these are in another group; empty
        where there are none.
    """
    usable = index[(index["status"] == "ok") & (index["file_sha256"] != "")]
    columns = ["file_sha256", "start", "end"]
    first = usable.groupby(columns, dropna=False, sort=False).transform("first")
    copies = (usable["id"] != first["id"]).to_numpy(bool)
    if not copies.any():
        return ""
    row = int(copies.argmax())
    apart = int((usable["group"] != first["group"]).sum())
    where = f"{apart} of them in other groups, so perhaps in other splits"
    return (
        f"clips with the bytes of another clip: {copies.sum()}, first {usable['id'].iloc[row]} and "
        f"{first['id'].iloc[row]} ({where if apart else 'all in the same groups'})"
    )
