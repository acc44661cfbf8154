"""Options of several commands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from diccae import kernels
from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.sections import Modality
from diccae.seed_sets import MAX_SEED
from diccae.whole_file import write_error


def out_option(suffix: str | tuple[str, ...], help: str = "File to write.") -> Any:
    """The option `--out`: a file that ends in `suffix`, or in one of several, checked before the
    command does any work.

    Raises:
        UserError: the value has another suffix or cannot be written.
    """
    return typer.Option("--out", help=help, callback=_writable(suffix))


def plan_of_results(plan: str | None, seeds: int | None, results: Path | None) -> Plan:
    """The plan of a command with `--results`: of a name, or of a folder of shards, of which all
    seeds of the plan are taken.

    Raises:
        UserError: the plan cannot be read, or the folder does not have its shards.
    """
    if results is None:
        return load_plan(plan or DEFAULT_PLAN).first_seeds(seeds)
    from diccae.reporting.shard_folder import check_known, check_seeds, plan_of_shards

    whole = (plan_of_shards(results) if plan is None else load_plan(plan)).at(results)
    chosen = whole.first_seeds(seeds or len(whole.seeds))
    if chosen.elsewhere:
        check_known(whole)
        check_seeds(chosen)
    return chosen


def _writable(suffix: str | tuple[str, ...]) -> Callable[[Path | None], Path | None]:
    suffixes = (suffix,) if isinstance(suffix, str) else suffix

    def check(path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.suffix not in suffixes or path.is_dir():
            ends = " or ".join(suffixes)
            raise UserError(f"--out {path}: wanted the name of a file that ends in {ends}")
        folder = path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        try:
            with tempfile.TemporaryFile(dir=folder):
                return path
        except OSError as error:
            raise write_error(path, error) from None

    return check


def _fix_kernels(name: str) -> str:
    """Set threads and instruction sets as the plan says, before a command imports a library that
    reads them; then check the keys that the name changes."""
    plan = load_plan(name)
    runtime = plan.runtime
    kernels.fix(runtime.kernels, runtime.threads, runtime.deterministic)
    if plan.unchanged is not plan:
        from diccae.changed_plan import check_keys

        check_keys(plan)
    return name


CHANGED = ", with @key=value behind it for a changed value"
PlanName = Annotated[
    str,
    typer.Option(
        "--plan",
        help=f"Plan name (`configs/plans/<name>.yaml`) or path{CHANGED}.",
        callback=_fix_kernels,
    ),
]
DEFAULT_PLAN = "embedded"
# without one, the default plan, or that of the shards
PlanOrShards = Annotated[
    str | None,
    typer.Option(
        "--plan",
        help=f"Plan name (`configs/plans/<name>.yaml`) or path{CHANGED}; by default embedded, or "
        "with --results the plan that the shards state.",
        callback=lambda name: _fix_kernels(name or DEFAULT_PLAN) and name,
    ),
]
ResultsFolder = Annotated[
    Path | None,
    typer.Option(
        "--results", help="A folder of shards, or a results folder, in place of `results/<plan>`."
    ),
]
FIRST_SEEDS = "Take the first so many seeds of the plan; by default"
DEFAULT_SEEDS = f"{FIRST_SEEDS} as many as its default_seeds says, or all"
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help=f"{DEFAULT_SEEDS}.")]
# all seeds of a folder, see `plan_of_results`
SeedsOrShards = Annotated[
    int | None,
    typer.Option("--seeds", min=1, help=f"{DEFAULT_SEEDS}; with --results all."),
]
Variant = Annotated[
    str,
    typer.Option(
        "--variant",
        help="Variant, a file in configs/variants, or system, one in configs/systems, e.g. "
        "no_infonce or mbt.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=MAX_SEED, help="Seed of the run; by default the first of the plan."
    ),
]
FoldNumber = Annotated[
    int | None,
    typer.Option("--fold", help="Fold, from 1, of a plan with data.folds; by default all."),
]
ModalityName = Annotated[
    Modality | None,
    typer.Option(
        "--modality",
        help="By default all that the plan scores; of a single stage, that of pre-training.",
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Number of parallel processes.")]
