"""The choice `data.drop_duplicates` of a plan: near-duplicates get a status of their own in the
index of the clips, so that no run takes them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from diccae.clips_folder import clips_command, clips_folder
from diccae.datasets.clips import OK, read_index, read_meta, write_index, write_meta
from diccae.datasets.duplicates.list_file import dropped_clips, read_list
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.settings import dropped_list

DUPLICATE = "duplicate"
# key of meta.json: the SHA-256 of the list
MARKED = "dropped"


def list_of(plan: Plan) -> Path | None:
    """The list of near-duplicates that a plan leaves out; None without one.

    Raises:
        UserError: it is not there.
    """
    name = dropped_list(plan)
    if name is None:
        return None
    if not Path(name).is_file():
        raise UserError(
            f"plan {plan.name}, data.drop_duplicates: there is no {name}; run `diccae data "
            f"duplicates --plan {plan.name} --out {name}`, which makes it from the clips, then "
            f"`{clips_command(plan)}` again"
        )
    return Path(name)


def mark_duplicates(plan: Plan, folder: Path) -> Counter[str]:
    """Give the clips that a plan leaves out the status `duplicate`, and count them by split.

    Nothing else of the clips changes, and without the key nothing does: statistics of the log-mels
    stay those of all training clips.

    Args:
        plan: the plan.
        folder: its clip cache or stored features, which were completed just now.

    Raises:
        UserError: the list is missing, damaged, made from another manifest, or names a clip that is
            not known or must stay.
    """
    path = list_of(plan)
    if path is None:
        return Counter()
    meta, index = read_meta(folder), read_index(folder)
    reasons = dropped_clips(path, read_list(path, meta["manifest_sha256"]), index)
    _require_untested(plan, path, index.loc[reasons.index])
    reasons = reasons[(index.loc[reasons.index, "status"] == OK).to_numpy()]
    index.loc[reasons.index, "status"] = DUPLICATE
    index.loc[reasons.index, "message"] = reasons
    # complete only when both are written
    (folder / "meta.json").unlink()
    meta["sha256"]["index"] = write_index(folder, index)
    meta["counts"] = dict(sorted(Counter(index["status"]).items()))
    write_meta(folder, meta | {MARKED: file_digest(path)})
    return Counter(index.loc[reasons.index, "split"])


def _require_untested(plan: Plan, path: Path, clips: pd.DataFrame) -> None:
    labelled = clips.loc[clips["label"] >= 0, "id"]
    if plan.split_into is not None and len(labelled):
        raise UserError(
            f"{path}: it drops {labelled.iloc[0]}, a labelled clip, and plan {plan.name} tests "
            "each of them in one of its folds; clear `dropped` in its row, or give both clips of "
            "the pair the same `group` in the lists"
        )


def unmarked(index: pd.DataFrame) -> pd.DataFrame:
    """An index in which near-duplicates are usable again."""
    marked = index["status"] == DUPLICATE
    return index.assign(
        status=index["status"].mask(marked, OK), message=index["message"].mask(marked, "")
    )


def require_marked(plan: Plan) -> None:
    """Check that what the runs of a plan read leaves out the near-duplicates that it says.

    Raises:
        UserError: it was completed without the list, with another one, or for a plan that has one.
    """
    folder, path = clips_folder(plan), list_of(plan)
    if not (folder / "meta.json").is_file():
        return
    made = read_meta(folder).get(MARKED)
    wanted = None if path is None else file_digest(path)
    if made != wanted:
        words = "leaves out near-duplicates, and the plan does not"
        if path is not None:
            words = f"does not leave out the near-duplicates of {path}, as the plan says"
        raise UserError(f"plan {plan.name}: {folder} {words}; run `{clips_command(plan)}` again")
