"""`diccae data check`: the ledger of a manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import Jobs, out_option
from diccae.sections import Modality

CORES = len(os.sched_getaffinity(0))


def check(
    manifest: Annotated[
        Path, typer.Option("--manifest", help="Manifest (parquet) with id, path, start, end.")
    ],
    out: Annotated[Path, out_option(".parquet", "The ledger; rows of unchanged files are kept.")],
    jobs: Jobs = CORES,
    modality: Annotated[
        Modality,
        typer.Option("--modality", help="What a clip must have: sound (A), picture (V) or both."),
    ] = "AV",
    max_unusable: Annotated[
        float | None,
        typer.Option("--max-unusable", min=0, max=1, help="Fail if a larger share cannot be used."),
    ] = None,
    duplicates: Annotated[
        Path | None,
        typer.Option(
            "--duplicates", help="A list of near-duplicates, to count the clips that it leaves out."
        ),
    ] = None,
) -> None:
    """Decode every clip of a manifest and write the ledger: its status and why it is not used.

    Rows of unchanged files are kept; an interrupted check continues where it stopped.
    """
    from diccae.datasets import ledger
    from diccae.datasets.duplicates.list_file import read_list
    from diccae.datasets.modalities import WORDS, kinds, without
    from diccae.digests import file_digest

    if duplicates is not None and manifest.is_file():
        # a wrong list is refused before hours of decoding
        read_list(duplicates, file_digest(manifest))
    effort = ledger.check(manifest, out, jobs=jobs, modality=modality)
    counts = ledger.summarise(out)
    sound = "" if counts.with_sound is None else f"{counts.with_sound} with sound, "
    print(
        f"{out}: {counts.listed} listed, {counts.found} found, {counts.readable} readable, "
        f"{sound}{counts.used} used"
    )
    print("  " + ", ".join(f"{count} {status}" for status, count in counts.statuses.items()))
    if effort.probed:
        print(
            f"  {effort.probed} decoded now, "
            f"{effort.probed / effort.seconds:.2f} clips per second and core"
        )
    for reason, count in counts.reasons.items():
        print(f"  {count} not used: {reason}")
    if duplicates is not None:
        print(_near_duplicates(duplicates, manifest, out))
    for kind in kinds(modality) if modality == "AV" else ():
        if counts.statuses.get(f"no_{kind}"):
            print(f"  for clips that need no {WORDS[kind]}: --modality {without(kind)}")
    if max_unusable is not None:
        ledger.require_usable(out, max_unusable)


def _near_duplicates(duplicates: Path, manifest: Path, ledger: Path) -> str:
    """How many usable clips of a ledger a list of near-duplicates leaves out."""
    import pandas as pd

    from diccae.datasets.duplicates.list_file import dropped_clips, read_list
    from diccae.datasets.ledger_files import read_ledger
    from diccae.digests import file_digest

    clips = pd.read_parquet(manifest, columns=["id", "split"])
    dropped = dropped_clips(duplicates, read_list(duplicates, file_digest(manifest)), clips)
    usable = read_ledger(ledger, ["usable"])["usable"].to_numpy()[dropped.index]
    return f"  {usable.sum()} duplicate: usable, and near-duplicates that {duplicates} leaves out"


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command()(check)
