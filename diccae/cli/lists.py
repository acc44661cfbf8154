"""`diccae data lists`, `diccae data combine`: manifests from official list files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from diccae.cli.options import out_option
from diccae.errors import UserError
from diccae.source_lists import SUBSETS, Reader

if TYPE_CHECKING:
    import pandas as pd

Out = Annotated[
    Path,
    out_option(".parquet", "The manifest to write; its class order goes to the same folder."),
]


def lists(
    source: Annotated[
        Reader, typer.Argument(help="The source of the lists; plain_csv for your own.")
    ],
    files: Annotated[list[Path], typer.Option("--lists", help="A list file; may be repeated.")],
    media: Annotated[
        Path,
        typer.Option(
            "--media",
            exists=True,
            file_okay=False,
            help="The folder that holds the clips, at any depth.",
        ),
    ],
    out: Out,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", help="Class list that sets the order; 31 or 32 for kinetics_sounds."
        ),
    ] = None,
    subset: Annotated[
        Literal["esc10", "sound"] | None,
        typer.Option("--subset", help="esc10, of esc50; sound, the classes with sound, of ucf101."),
    ] = None,
    vggsound_test: Annotated[
        list[Path] | None,
        typer.Option(
            "--exclude-vggsound-test", help="VGGSound's test list, whose recordings are removed."
        ),
    ] = None,
) -> None:
    """Make a manifest from official list files; prints what was listed, dropped and found."""
    from diccae.datasets.readers import vggsound
    from diccae.datasets.readers.leaks import check_leaks
    from diccae.datasets.readers.manifest import write_manifest

    reader = importlib.import_module(f"diccae.datasets.readers.{source}")
    options: dict[str, str | Path] = {}
    if classes is not None:
        options["classes"] = classes if classes in ("31", "32") else Path(classes)
    if subset is not None:
        known = SUBSETS.get(source, "none")
        if subset != known:
            raise UserError(f"--subset: {source} has {known}; correct it or leave it out")
        options["subset"] = subset
    table = reader.read(files, media, **options)
    counts = table.attrs
    print(f"{source}: {counts['listed']} rows listed, {counts['duplicates']} duplicates dropped")
    for what in ("other_classes", "other_folds"):
        if what in counts:
            print(f"  {counts[what]} rows of {what.replace('_', ' ')} left out")
    print(
        f"  {counts['found']} clips found below {media}, {len(table) - counts['found']} not found"
    )
    for layout, clips in counts["layouts"].items():
        print(f"  {clips:>9} as {layout}")
    if counts["ambiguous"]:
        print(
            f"  {counts['ambiguous']} clips left out: their file is named by a recording that has "
            "several clips"
        )
    if counts["several_files"]:
        print(f"  {counts['several_files']} clips have more than one file; one of them is used")
    if vggsound_test:
        table, removed = vggsound.exclude_vggsound_test(table, vggsound.read(vggsound_test, None))
        print(f"  {removed} clips of recordings in VGGSound's test list removed, {len(table)} left")
    table = _keep_groups_whole(table)
    for note in [*counts["notes"], *check_leaks(table)]:
        print(f"  note: {note}")
    names = write_manifest(table, out)
    print(
        f"{out}: {len(table)} clips, {(table['path'] != '').sum()} of them on the disk; "
        f"class order in {names}"
    )


def combine(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of single sources.")],
    out: Out,
    labelled: Annotated[
        str | None, typer.Option("--labelled", help="The source that keeps its labels and splits.")
    ] = None,
) -> None:
    """Combine the training clips of several manifests, without their labels, for pre-training."""
    from diccae.datasets.readers.leaks import check_leaks
    from diccae.datasets.readers.manifest import combine as combined
    from diccae.datasets.readers.manifest import read_manifest, write_manifest

    table = combined([read_manifest(path) for path in manifests], labelled)
    for source, clips in table["source"].value_counts(sort=False).items():
        left = table.attrs["held_out"].get(source)
        print(
            f"{source}: {clips} clips"
            + ("" if left is None else f", {left} of held-out splits left out")
        )
    table = _keep_groups_whole(table)
    for note in check_leaks(table):
        print(f"note: {note}")
    names = write_manifest(table, out)
    print(f"{out}: {len(table)} clips; class order in {names}")


def _keep_groups_whole(table: pd.DataFrame) -> pd.DataFrame:
    from diccae.datasets.readers.groups import keep_groups_whole

    table, removed = keep_groups_whole(table)
    for source, clips in removed.items():
        print(f"  {clips} clips of {source} removed: their groups are held out of training")
    return table


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    for command in (lists, combine):
        group.command()(command)
