"""The ledger of a manifest: the status of every clip, found by decoding it as training does.

It is kept, so that only new and changed files are decoded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from diccae.datasets.alone import alone
from diccae.datasets.ledger_files import Known, first_line, gather, merge, read_ledger
from diccae.datasets.ledger_workers import count_rows, make_tasks, run_tasks
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.sections import Modality
from diccae.whole_file import write_error

STATUSES = ("ok", "still", "short", "silent", "no_audio", "no_video", "unreadable", "missing")


@dataclass(frozen=True)
class Summary:
    """Counts of clips.

    Attributes:
        listed: clips of the manifest.
        found: clips whose file exists.
        readable: clips that can be decoded.
        with_sound: readable clips with a sound that is not silence; None where no sound was asked
            for, since it is not decoded then.
        used: clips that training uses.
        statuses: clips by status.
        reasons: clips that are not used, by the ten most common reasons.
    """

    listed: int
    found: int
    readable: int
    with_sound: int | None
    used: int
    statuses: dict[str, int]
    reasons: dict[str, int]


@dataclass(frozen=True)
class Effort:
    """The work of one check.

    Attributes:
        probed: clips that were decoded.
        seconds: seconds that all processes together spent on them.
    """

    probed: int
    seconds: float


def check(
    manifest: Path, out: Path, *, jobs: int, modality: Modality = "AV", progress: bool = True
) -> Effort:
    """Check the clips of a manifest and write the ledger, one row per clip in the same order.

    A clip is decoded if it is new, if the size or modification time of its file has changed, or if
    the ledger was made for another modality. Results are kept in `<out>.parts` until the ledger is
    written, so that an interrupted check continues where it stopped.

    Args:
        manifest: the manifest (parquet); paths in it are relative to its folder.
        out: the ledger (parquet), which is updated or created.
        jobs: number of processes.
        modality: what a clip must have; nothing else of it is decoded.
        progress: whether to show a progress bar.

    Raises:
        UserError: the manifest or the ledger lacks a column or is no parquet file, the ledger
            cannot be written, or another process checks clips for it.
    """
    if not manifest.is_file():
        raise UserError(
            f"{manifest}: there is no manifest; make one with `diccae data lists`, "
            "or give another path"
        )
    parts = out.with_name(out.name + ".parts")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        with alone(parts, "diccae data check"):
            known = Known(gather(out, parts, modality))
            rows, probed, seconds = count_rows(manifest), 0, 0.0
            with tqdm(
                total=rows, desc="checking", unit="clip", disable=not progress, mininterval=1
            ) as bar:
                for done in run_tasks(make_tasks(manifest, known, parts, modality), jobs):
                    probed, seconds = probed + done.probed, seconds + done.seconds
                    bar.update(done.rows)
            merge(parts, out, file_digest(manifest), modality)
    except pa.ArrowException as error:
        raise UserError(
            f"{manifest}: {first_line(error)}; make the manifest again with `diccae data lists`"
        ) from None
    except OSError as error:
        raise write_error(out, error) from None
    return Effort(probed, seconds)


def summarise(ledger: Path) -> Summary:
    """Count the clips of a ledger.

    Raises:
        UserError: there is no ledger, or the file is not one.
    """
    table = read_ledger(ledger, ["status", "usable", "reason", "audio_streams"])
    status, usable = table["status"], table["usable"]
    found = pc.not_equal(status, "missing")
    readable = pc.and_(found, pc.not_equal(status, "unreadable"))
    sound = pc.and_(pc.greater(table["audio_streams"], 0), pc.not_equal(status, "silent"))
    asked = (table.schema.metadata or {}).get(b"modality", b"").decode()
    return Summary(
        listed=len(table),
        found=_count(found),
        readable=_count(readable),
        with_sound=_count(pc.and_(readable, sound)) if "A" in asked else None,
        used=_count(usable),
        statuses=_most_common(status, len(STATUSES)),
        reasons=_most_common(table.filter(pc.invert(usable))["reason"], 10),
    )


def require_usable(ledger: Path, max_unusable: float) -> None:
    """Check that at most the share `max_unusable`, in [0, 1], of the clips is unusable.

    Raises:
        UserError: more clips, or all of them, are unusable (with the ten most common reasons), or
            there is no ledger.
    """
    counts = summarise(ledger)
    bad = counts.listed - counts.used
    if bad > max_unusable * counts.listed or counts.used == 0:
        reasons = "; ".join(f"{count} {reason}" for reason, count in counts.reasons.items())
        share = bad / max(1, counts.listed)
        raise UserError(
            f"{ledger}: {bad} of {counts.listed} clips ({share:.1%}) cannot be used, "
            f"{max_unusable:.1%} are allowed: {reasons or 'it lists no clip'}. "
            "Repair the files and run `diccae data check` again, remove their rows from the "
            "manifest, or allow more"
        )


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0


def _most_common(values: pa.ChunkedArray, most: int) -> dict[str, int]:
    counts = [(entry["values"], entry["counts"]) for entry in pc.value_counts(values).to_pylist()]
    return dict(sorted(counts, key=lambda entry: (-entry[1], entry[0]))[:most])
