"""The printed numbers of the paper, from configs/claims.yaml."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from diccae.plans import CONFIG_ROOT

# the row of the printed Table 2 that drops are measured against
WHOLE = "full"


@lru_cache
def claims() -> dict[str, Any]:
    return yaml.safe_load((CONFIG_ROOT / "claims.yaml").read_text())


def printed(table: str, row: str, modality: str) -> float | None:
    """A cell of Table 1 or 2 in percent; None where the paper prints none."""
    return claims()[table].get(row, {}).get(modality)


def printed_drop(row: str, modality: str) -> float | None:
    whole, own = printed("table2", WHOLE, modality), printed("table2", paper_row(row), modality)
    return None if whole is None or own is None or row == WHOLE else round(whole - own, 1)


def paper_row(variant: str) -> str:
    """The paper's w/o K-means trains on AudioSet alone: both of our rows stand beside that one."""
    return "no_kmeans" if variant == "no_kmeans_audioset" else variant
