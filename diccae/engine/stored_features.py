"""Stored features of a plan: each clip goes once through a released encoder, or its vector is taken
from a file that was made elsewhere."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from diccae.clips_folder import clips_folder
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.clips import OK
from diccae.datasets.duplicates.marking import unmarked
from diccae.datasets.features.origin import clip_keys, made_from
from diccae.datasets.features.parts import Part, clips_of_a_part, read_parts, write_part
from diccae.datasets.features.store import ARRAY, combine
from diccae.datasets.features.vectors import Vectors
from diccae.engine.feature_batches import from_clips, from_vectors
from diccae.errors import UserError
from diccae.feature_settings import Features, FeatureSource, features_of
from diccae.plans import Plan
from diccae.settings import plan_settings
from diccae.stored_file import MAKE_AGAIN, reading
from diccae.whole_file import write_error


@dataclass
class _Work:
    """The features of one modality that are to be computed.

    Attributes:
        folder: where its parts lie.
        made_from: what the features are made from.
        keys: key of every clip.
        rows: the clips to compute, by row.
        shape: (S, P, D) of a clip.
        batches: features (n, S, P, D) of some rows, batch by batch.
    """

    folder: Path
    made_from: dict[str, Any]
    keys: list[str]
    rows: np.ndarray
    shape: tuple[int, ...]
    batches: Callable[[np.ndarray], Iterator[np.ndarray]]

    @property
    def clip_bytes(self) -> int:
        """Bytes of a clip."""
        return 2 * int(np.prod(self.shape))


def build_features(
    plan: Plan, shard: tuple[int, int] = (1, 1), jobs: int = 1, progress: bool = True
) -> Path | None:
    """Compute the stored features of a plan, or complete them after an interruption.

    Args:
        plan: a plan with a section `features`.
        shard: (k, n): compute the k-th of n shares of the clips; (1, 1) for all of them, and then
            list the clips and complete the set.
        jobs: processes that decode clips.
        progress: whether to show a progress bar.

    Returns:
        The path of meta.json, or None after a share of several.

    Raises:
        UserError: the plan has no features; weights, vectors, manifest or cache are missing; sizes
            do not fit; features of another origin lie in the folder; or the disk is too small.
    """
    base = plan_settings(plan)
    features = features_of(base)
    if features is None:
        raise UserError(
            f"plan {plan.name} has no section features; add it to the overrides, see "
            "docs/features.md"
        )
    origins = {
        name: made_from(name, source, base["cache"]) for name, source in features.sources.items()
    }
    folder = clips_folder(plan)
    table, cache = _clips(plan, features)
    work = {
        name: _work(name, source, origins[name], folder, table, cache, base["cache"], jobs, shard)
        for name, source in features.sources.items()
    }
    _check_disk(folder, work)
    for name, todo in work.items():
        _compute(todo, name, progress)
    if shard != (1, 1):
        return None
    keys = {name: todo.keys for name, todo in work.items()}
    share = base["cache"]["max_bad_share"]
    return combine(folder, plan.manifest, table, keys, origins, share)


def _clips(plan: Plan, features: Features) -> tuple[pd.DataFrame, Any]:
    """The clips of a plan with `status` and `message`, and the cache that decodes them, if any is
    decoded."""
    if not plan.manifest.is_file():
        raise UserError(f"{plan.manifest} is missing; run `{plan.manifest_command}` first")
    if features.encoded:
        if not (plan.cache_dir / "meta.json").is_file():
            raise UserError(
                f"{plan.cache_dir}/meta.json is missing; run `diccae data cache --plan {plan.name}`"
                " first"
            )
        arrays = [ARRAY[name] for name, s in features.sources.items() if s.encoder is not None]
        cache = load_cache(plan.cache_dir, arrays)
        # near-duplicates are left out of the completed features, see `mark_duplicates`
        return unmarked(cache.index), cache
    with reading(plan.manifest, MAKE_AGAIN):
        table = pd.read_parquet(plan.manifest)
    return table.assign(status=OK, message=""), None


def _work(
    name: str,
    source: FeatureSource,
    origin: dict[str, Any],
    folder: Path,
    table: pd.DataFrame,
    cache: Any,
    settings: dict[str, Any],
    jobs: int,
    shard: tuple[int, int],
) -> _Work:
    """What is left to compute of a modality; sets the status of clips that have no vector."""
    parts = _whole(read_parts(folder / name, origin))
    keys = clip_keys(table, source)
    if source.encoder is None:
        vectors = Vectors(name, source)
        places = vectors.of_clips(table)
        lacking = (places < 0) & (table["status"] == OK).to_numpy()
        table.loc[lacking, "status"] = "no_features"
        table.loc[lacking, "message"] = (
            table["id"][lacking] + f": no vector in {vectors.path} ({vectors.where})"
        )
        shape = vectors.read(places[places >= 0][:1]).shape[1:] if (places >= 0).any() else (0,)
        batches = from_vectors(vectors, places)
    else:
        # timm takes a second to import
        from diccae.models.feature_encoders import feature_encoder

        encoder = feature_encoder(name, source, settings)
        shape, batches = encoder.shape, from_clips(encoder, getattr(cache, ARRAY[name]), jobs)
    known = {key for part in parts for key in part.keys}
    usable = np.flatnonzero(table["status"] == OK)
    todo: dict[str, int] = {}
    for row in map(int, usable):
        # by its key, so that a share does not depend on what others have computed
        if keys[row] not in known and zlib.crc32(keys[row].encode()) % shard[1] == shard[0] - 1:
            todo.setdefault(keys[row], row)
    rows = np.array([*todo.values()], dtype=np.int64)
    return _Work(folder / name, origin, keys, rows, shape, batches)


def _whole(parts: list[Part]) -> list[Part]:
    """The parts that are undamaged; the others are removed, so that they are computed again."""
    whole = []
    for part in parts:
        damage = part.damage()
        if not damage:
            whole.append(part)
            continue
        print(f"{damage}; its {len(part.keys)} clips are computed again", flush=True)
        part.path.with_suffix(".json").unlink()
        part.path.unlink(missing_ok=True)
    return whole


def _check_disk(folder: Path, work: dict[str, _Work]) -> None:
    """Print the space that is needed, and compare it with what is free."""
    try:
        for todo in work.values():
            todo.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None
    needed = sum(len(todo.rows) * todo.clip_bytes for todo in work.values())
    free = shutil.disk_usage(folder).free
    clips = ", ".join(f"{name} of {len(todo.rows)} clips" for name, todo in work.items())
    print(
        f"features in {folder}: {clips} to compute, {needed / 1e6:.0f} MB needed, "
        f"{free / 1e6:.0f} MB free",
        flush=True,
    )
    if needed > free:
        raise UserError(
            f"{folder}: the features need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "free some space, or set features.<modality>.steps lower or patches to false"
        )


def _compute(work: _Work, name: str, progress: bool) -> None:
    """Compute and write all parts of a modality; what is computed is written whatever happens."""
    bar = tqdm(total=len(work.rows), desc=name, unit="clip", disable=not progress, mininterval=1)
    size = clips_of_a_part(work.clip_bytes) if len(work.rows) else 1
    waiting: list[np.ndarray] = []
    done = 0

    def write(clips: int) -> None:
        nonlocal done, waiting
        both = np.concatenate(waiting)
        part = both[:clips]
        # if it cannot be written, what comes after it must not be written in its place below
        waiting = []
        rows = work.rows[done : done + len(part)]
        write_part(work.folder, part, [work.keys[row] for row in rows], work.made_from)
        done += len(part)
        waiting = [both[clips:]]

    try:
        with bar:
            for batch in work.batches(work.rows):
                waiting.append(batch)
                bar.update(len(batch))
                while sum(map(len, waiting)) >= size:
                    write(size)
    finally:
        if sum(map(len, waiting)):
            write(size)
