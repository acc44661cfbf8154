"""The numbers that the paper prints, from configs/claims.yaml."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from diccae.plans import CONFIG_ROOT
from diccae.yaml_file import read_yaml

# the row of the paper's Table 2 that drops are measured from
WHOLE = "full"


@lru_cache
def claims() -> dict[str, Any]:
    """Content of configs/claims.yaml."""
    return read_yaml(CONFIG_ROOT / "claims.yaml")


def printed(table: str, row: str, modality: str) -> float | None:
    """A cell of the paper's Table 1 or 2 in percent; None where the paper prints none."""
    return claims()[table].get(row, {}).get(modality)


def printed_drop(row: str, modality: str) -> float | None:
    """The drop of a variant in the paper's Table 2, in percentage points; None where the paper
    prints none."""
    whole, own = printed("table2", WHOLE, modality), printed("table2", paper_row(row), modality)
    return None if whole is None or own is None or row == WHOLE else round(whole - own, 1)


def paper_row(variant: str) -> str:
    """The row of the paper's Table 2 that a variant is compared with.

    The paper's w/o K-means trains on AudioSet alone; both of our variants are compared with it.
    """
    return "no_kmeans" if variant == "no_kmeans_audioset" else variant
