"""Whether shards belong together: all seeds of a plan on the same clips, by the same code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from diccae.errors import UserError
from diccae.reporting.shards import Shard

# keys of a record that must be those of the same run with another seed, in words
SAME = {"source_hash": "code", "lock_hash": "packages", "settings": "settings"}
RUN = ("stage", "variant", "modality", "fold")


def check_agreement(shards: Sequence[Shard]) -> None:
    """Compare each shard with the first one.

    Raises:
        UserError: it was made from other clips, names another class or group of one, or was made by
            other code, with other packages or settings.
    """
    for shard in shards[1:]:
        _check_data(shards[0], shard)
        _check_clips(shards[0], shard)
        _check_runs(shards[0], shard)


def _check_data(first: Shard, shard: Shard) -> None:
    for key in ("manifest_sha256", "truth", "classes"):
        if shard.data[key] != first.data[key]:
            raise UserError(
                f"{shard.path} was made from other clips than {first.path}: {key} differs; "
                "remove one of them, or compute its seed again on the same clips"
            )


def _check_clips(first: Shard, shard: Shard) -> None:
    """Class and group of each clip: tables take those of the first shard for all seeds."""
    here, there = _clips(shard), _clips(first)
    others = [name for name, clip in here.items() if there.get(name, clip) != clip]
    if others:
        (label, group), (own, wanted) = here[others[0]], there[others[0]]
        raise UserError(
            f"{shard.path} has other classes or groups of {len(others)} clips than {first.path}, "
            f"such as {others[0]!r}: class {label}, group {group}, there class {own}, group "
            f"{wanted}; remove one of them, or compute its seed again on the same clips"
        )


def _clips(shard: Shard) -> dict[str, tuple[int, str]]:
    """Class and group of each clip, by its id."""
    clips, labels = shard.about["clips"], shard.arrays["label"].tolist()
    return dict(zip(clips["id"], zip(labels, clips["group"], strict=True), strict=True))


def _check_runs(first: Shard, shard: Shard) -> None:
    wanted = {run: record for run, _, record in _runs(first)}
    common = [each for each in _runs(shard) if each[0] in wanted]
    for key, words in SAME.items():
        others = [(f, r) for run, f, r in common if not _agree(key, r, wanted[run])]
        if others:
            folder, record = others[0]
            commit = next(iter(first.records.values()))["commit"][:10]
            raise UserError(
                f"{shard.path} was made with other {words} than {first.path} ({len(others)} of "
                f"{len(common)} runs, such as {folder} at commit {record['commit'][:10]}); compute "
                f"this seed again at commit {commit}, or move it to a folder of its own"
            )


def _agree(key: str, first: dict[str, Any], second: dict[str, Any]) -> bool:
    if first.get(key) == second.get(key):
        return True
    # two machines may give one commit two digests (see diccae.executed_code)
    clean = not any(record.get("dirty", True) for record in (first, second))
    return key == "source_hash" and clean and first["commit"] == second["commit"]


def _runs(shard: Shard) -> Iterator[tuple[tuple[Any, ...], str, dict[str, Any]]]:
    """(stage, variant, modality, fold), folder and record of each run."""
    for folder, record in shard.records.items():
        yield tuple(record.get(key) for key in RUN), folder, record
