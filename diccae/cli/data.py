"""`diccae data`: the commands `render`, `manifest` and `cache`; the others have their own files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import typer

from diccae.cli import duplicates, features, ledger, lists
from diccae.cli.duplicates import print_dropped
from diccae.cli.node import require_clips
from diccae.cli.options import Jobs, PlanName
from diccae.errors import UserError
from diccae.plans import load_plan
from diccae.stopwatch import Stopwatch
from diccae.stored_file import json_or_nothing
from diccae.whole_file import whole_file

CORES = len(os.sched_getaffinity(0))


def render(plan: PlanName = "embedded", jobs: Jobs = CORES) -> None:
    """Render the embedded benchmark: clips, manifest and ground truth; continues if interrupted."""
    from diccae.datasets.benchmark.designs import design_of
    from diccae.datasets.benchmark.spec import BenchmarkSpec
    from diccae.datasets.benchmark.writer import render_benchmark
    from diccae.settings import plan_settings

    chosen = load_plan(plan)
    if chosen.dataset != "embedded":
        raise UserError(
            f"plan {chosen.name} is not about the embedded benchmark, so there is nothing to "
            f"render; its clips come from its lists: {chosen.manifest_command}"
        )
    settings = plan_settings(chosen)["benchmark"]
    watch = Stopwatch()
    render_benchmark(
        BenchmarkSpec(
            counts=dict(settings["counts"]),
            seed=settings["seed"],
            design=design_of(settings["design"]),
        ),
        Path(chosen.data_root),
        jobs=jobs,
    )
    _note_time(Path(chosen.data_root), "render", watch)


def manifest(plan: PlanName) -> None:
    """Make a plan's manifest from the lists that it names; prints what was listed and found.

    Notes are about what may be wrong in the lists. Nothing is written if the clips do not suit the
    plan.
    """
    from diccae.clips_of_plan import count_folds
    from diccae.data_check import check_data
    from diccae.datasets.readers.assemble import assemble
    from diccae.datasets.readers.manifest import write_manifest
    from diccae.run_graph import check
    from diccae.settings import plan_settings

    chosen = load_plan(plan)
    if chosen.lists is None:
        raise UserError(
            f"plan {chosen.name} names no lists; "
            + (
                f"its clips are rendered: {chosen.manifest_command}"
                if chosen.dataset == "embedded"
                else f"add `lists` to it, or put a manifest at {chosen.manifest}; docs/data.md"
            )
        )
    check(chosen)
    classes = plan_settings(chosen)["data"]["num_classes"]
    table = assemble(chosen.lists, folds=chosen.split_into, num_classes=classes)
    for source, counts in table.attrs["sources"].items():
        print(
            f"{source}: "
            + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        )
        splits = table.loc[table["source"] == source, "split"].value_counts(sort=False)
        shown = ", ".join(f"{clips} {split}" for split, clips in splits.items())
        left = table.attrs["held_out"].get(source)
        words = f", {left} of held-out splits left out" if left else ""
        print(f"  in the manifest: {shown or 'no clip'}{words}")
    for split, clips in table["split"].value_counts(sort=False).items():
        print(f"  {split}: {clips} clips")
    for note in table.attrs["notes"]:
        print(f"note: {note}")
    check_data(chosen, count_folds(chosen, table, "its lists"))
    names = write_manifest(table, chosen.manifest)
    print(
        f"{chosen.manifest}: {len(table)} clips, {(table['path'] != '').sum()} on the disk; "
        f"class order in {names}"
    )


def cache(plan: PlanName = "embedded", jobs: Jobs = CORES) -> None:
    """Decode every clip of the manifest to frames (uint8) and log-mels (float16).

    For a plan on sound or pictures alone, only these are decoded. Prints how many clips cannot be
    used and why. With cache.format jpeg, frames are kept as JPEG; with cache.mode live, clips are
    only checked. It ends with an error if the clips,
    before or after decoding, do not suit the plan.
    """
    from diccae.clips_of_plan import count_in_manifest
    from diccae.data_check import check_data
    from diccae.datasets.clip_cache import build_cache
    from diccae.datasets.clips import read_index
    from diccae.datasets.duplicates.marking import mark_duplicates
    from diccae.datasets.identical_clips import identical_clips
    from diccae.run_graph import check
    from diccae.settings import plan_settings

    chosen = load_plan(plan)
    check(chosen)
    require_clips(chosen)
    if not chosen.manifest.is_file():
        raise UserError(f"{chosen.manifest} is missing; run `{chosen.manifest_command}` first")
    check_data(chosen, count_in_manifest(chosen))
    watch = Stopwatch()
    build_cache(
        chosen.manifest,
        chosen.cache_dir,
        jobs=jobs,
        modality=chosen.modality,
        **plan_settings(chosen)["cache"],
    )
    _note_time(Path(chosen.data_root), "cache", watch)
    copies = identical_clips(read_index(chosen.cache_dir))
    if copies:
        print(f"note: {copies}")
    print_dropped(mark_duplicates(chosen, chosen.cache_dir))
    # again: clips that cannot be used are known now
    check_data(chosen)


def _note_time(folder: Path, step: str, watch: Stopwatch) -> None:
    path = folder / "timing.json"
    timing = json_or_nothing(path, "the times of earlier steps are lost") or {}
    # a command that finds all work done must not replace the time that the work took
    if watch.wall() > 5 or step not in timing:
        timing[step] = {
            "wall_seconds": round(watch.wall(), 1),
            "cpu_seconds": round(watch.cpu(), 1),
        }
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(timing, indent=1) + "\n")


def register(app: typer.Typer) -> None:
    """Add the group of commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Render, list, combine, check and cache clips.")
    for command in (render, manifest, cache):
        group.command()(command)
    lists.register(group)
    ledger.register(group)
    duplicates.register(group)
    features.register(group)
    app.add_typer(group, name="data")
