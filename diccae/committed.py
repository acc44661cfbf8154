"""The committed reference: `results/reference/<plan>` with one shard for each seed, and the tables,
figures and verify.json that were made from them."""

from __future__ import annotations

from pathlib import Path

from diccae.plans import Plan

FOLDER = Path("results/reference")
# tables of the reference that a page shows beside its own
SHOWN = ("effects.csv", "claims.csv")
# the plans whose effects stand side by side, and what their clips are
DATA_SETS = {
    "embedded": "rendered",
    "kitchen20": "real",
    "kitchen20-frozen": "real",
    "esc10": "real",
}
DATA_SETS_TABLE = FOLDER / "data_sets.csv"


def reference_of(plan: Plan) -> Path:
    """The folder of the reference of a plan, which need not be there."""
    return FOLDER / plan.name


def reference_files(plan: Plan) -> list[Path]:
    """The files of the reference that the page of a plan is rendered from; none for results in
    another folder, whose page depends on their shards alone."""
    if plan.elsewhere:
        return []
    folder = reference_of(plan)
    paths = [*sorted(folder.glob("*.npz")), *(folder / name for name in SHOWN)]
    if plan.name in DATA_SETS:
        paths.append(DATA_SETS_TABLE)
    return [path for path in paths if path.is_file()]
