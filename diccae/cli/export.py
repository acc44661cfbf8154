"""`diccae export`: a plan's results as an RO-Crate, or those of one seed as a shard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName, Seeds, out_option
from diccae.errors import UserError
from diccae.plan_name import split_name
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.seed_sets import MAX_SEED


def export(
    plan: PlanName = "embedded",
    out: Annotated[
        Path | None,
        out_option(
            (".zip", ".npz"),
            "Zip file to write; of a shard, an .npz file, by default shards/seed<k>.npz of the "
            "results folder.",
        ),
    ] = None,
    shard: Annotated[
        bool, typer.Option("--shard", help="Write the results of one seed as a small file.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=MAX_SEED, help="With --shard: the seed.")
    ] = None,
    seeds: Seeds = None,
) -> None:
    """Write tables, figures, report, predictions and their provenance as an RO-Crate (profile
    Workflow Run Crate); with --shard, all that tables and report need of one seed, in one file."""
    chosen = load_plan(plan)
    if shard:
        if seed is None:
            raise UserError("--shard: name the seed as well, such as --seed 200")
        if seeds is not None:
            raise UserError(f"--seeds {seeds}: a shard holds one seed; omit it")
        _export_shard(chosen, seed, out)
        return
    if seed is not None:
        raise UserError(f"--seed {seed}: a crate holds several seeds; add --shard, or omit it")
    if out is None:
        raise UserError("--out: name the zip file to write, such as --out results.zip")
    _export_crate(chosen.first_seeds(seeds), plan, out)


def _export_shard(plan: Plan, seed: int, out: Path | None) -> None:
    from diccae.reporting.shard_folder import SUFFIX, shard_path
    from diccae.seals.shard_export import export_shard

    out = out or shard_path(plan, seed)
    if out.suffix != SUFFIX:
        raise UserError(f"--out {out}: wanted the name of a file that ends in {SUFFIX}")
    done = export_shard(plan, seed, out)
    print(
        f"{out}: {out.stat().st_size / 1000:.0f} kB; {done.runs} runs of seed {seed}, "
        f"{done.scored} of them scored on {done.clips} clips; without "
        f"{done.left_out_bytes / 2**20:.0f} MiB of weights, scores and cluster ids, which the "
        "records name by their digests"
    )


def _export_crate(plan: Plan, name: str, out: Path) -> None:
    from diccae.reporting.crate import write_crate

    path = Path(split_name(name)[0])
    plan_file = path if path.suffix == ".yaml" else CONFIG_ROOT / "plans" / f"{path}.yaml"
    done = write_crate(plan, plan_file, out)
    print(
        f"{out}: {done.outputs} tables, figures and pages, {done.runs} runs; without "
        f"{done.left_out} files of weights and matrices ({done.left_out_bytes / 2**20:.0f} MiB). "
        f"{done.origin}"
    )


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(export)
