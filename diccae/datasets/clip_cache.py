"""The clip cache: `build_cache` decodes or checks the clips, `load_cache` opens the result."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from diccae.datasets.alone import alone
from diccae.datasets.clip_files import replaced_clips
from diccae.datasets.clips import ClipCache, ClipSettings, modality_of, read_meta
from diccae.datasets.decoders import Backend, require_backend
from diccae.datasets.features.store import ARRAY, open_features
from diccae.datasets.live_clips import build_live, open_live
from diccae.datasets.modalities import arrays_of
from diccae.datasets.stored_checks import require_undamaged
from diccae.datasets.stored_clips import build_stored, open_stored
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.sections import Modality
from diccae.stored_file import CACHE_AGAIN
from diccae.whole_file import write_error


def build_cache(
    manifest: Path,
    out_dir: Path,
    *,
    frame_size: int,
    num_frames: int,
    n_mels: int,
    fbank_frames: int,
    max_bad_share: float,
    jobs: int,
    decoder: Backend = "pyav",
    mode: str = "stored",
    format: str = "raw",
    modality: Modality = "AV",
    progress: bool = True,
) -> Path:
    """Build the cache of a manifest, or complete an interrupted one.

    A clip that cannot be used is recorded with its reason in `index.parquet` and left out of
    training. A clip whose `end` is NaN is decoded to the end of its file.

    Args:
        manifest: the manifest (parquet); paths in it are relative to its folder.
        out_dir: folder of the cache.
        frame_size: height and width of a frame in pixels.
        num_frames: frames of a clip.
        n_mels: mel bands of the spectrogram.
        fbank_frames: time frames of the spectrogram.
        max_bad_share: largest share of unusable clips that is accepted, in [0, 1].
        jobs: number of processes.
        decoder: library that decodes the clips, `pyav` or `torchcodec`.
        mode: `stored` keeps the decoded clips; `live` keeps the status of each clip only, and
            training decodes.
        format: how mode `stored` keeps frames: `raw` as an array, `jpeg` in about a tenth of the
            bytes, with a small error (see `packed_frames`).
        modality: what a clip must have: sound (A), picture (V) or both. Nothing else of it is
            decoded or stored, and a cache that was made for another modality is made anew.
        progress: whether to show a progress bar.

    Returns:
        The path of meta.json, which is written last.

    Raises:
        UserError: the manifest is missing or empty, the decoder is not installed, more than
            `max_bad_share` of the clips or all of them are unusable (with the reasons), the disk
            is too small or full, the folder cannot be written, or another process builds a cache
            there.
    """
    settings = ClipSettings(
        frame_size=frame_size,
        num_frames=num_frames,
        n_mels=n_mels,
        fbank_frames=fbank_frames,
        decoder=decoder,
        modality=modality,
    )
    # the settings of other caches are as they were before there was a choice
    if mode == "stored" and format == "jpeg" and "V" in modality:
        settings["format"] = "jpeg"
    require_backend(decoder)
    if not manifest.is_file():
        raise UserError(
            f"{manifest}: there is no manifest; run `diccae data render` first, or set data_root "
            "in the plan to the folder that has one"
        )
    _announce(out_dir, modality)
    build = build_live if mode == "live" else build_stored
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with alone(out_dir, "diccae data cache"):
            return build(
                manifest,
                out_dir,
                settings,
                file_digest(manifest),
                max_bad_share=max_bad_share,
                jobs=jobs,
                progress=progress,
            )
    except OSError as error:
        raise write_error(out_dir, error) from None


def _announce(out_dir: Path, modality: Modality) -> None:
    """Say that a cache that was made for another modality is made anew."""
    try:
        made_for = modality_of(read_meta(out_dir))
    except UserError:
        return
    if made_for not in (None, modality):
        print(
            f"{out_dir}: made for modality {made_for}, now {modality} is asked for; every clip is "
            "decoded again"
        )


def load_cache(folder: str | Path, arrays: Collection[str] = ()) -> ClipCache:
    """Open a complete cache, or stored features as one; arrays of a stored one are memory maps.

    Args:
        folder: folder of the cache.
        arrays: `frames`, `fbank` or both: what is needed of the cache. Rows of these arrays of a
            stored cache are compared with their checksums, once a process; other arrays may be
            missing. By default all that the cache was made with is needed, and no row is compared.

    Raises:
        UserError: the cache is missing, incomplete or damaged, was made for a modality that does
            not have the arrays, was built from another manifest, or one of its clips was replaced
            since.
    """
    folder = Path(folder)
    _require_files(folder, ["meta.json"])
    meta = read_meta(folder)
    if meta.get("mode") == "features":
        return open_features(folder, [name for name, array in ARRAY.items() if array in arrays])
    live, made_for = meta.get("mode") == "live", modality_of(meta)
    if made_for is None:
        raise UserError(f"{folder}/meta.json: it was written by another version; {CACHE_AGAIN}")
    lacking = sorted(set(arrays) - set(arrays_of(made_for)))
    if lacking:
        raise UserError(
            f"{folder}: this clip cache was made for modality {made_for} and has no {lacking[0]}; "
            f"{CACHE_AGAIN}"
        )
    stored = () if live else tuple(arrays) or arrays_of(made_for)
    _require_files(folder, ["index.parquet", *(f"{name}.npy" for name in stored)])
    manifest = folder.parent / "manifest.parquet"
    cache = _load(
        folder,
        (folder / "meta.json").stat().st_mtime_ns,
        manifest.stat().st_mtime_ns if manifest.is_file() else None,
        # an array that was missing may have been put back
        tuple(name for name in arrays_of(made_for) if (folder / f"{name}.npy").is_file()),
    )
    for name in sorted(set(arrays) - cache.checked) if not live else ():
        require_undamaged(folder, cache, name)
        cache.checked.add(name)
    return cache


def _require_files(folder: Path, names: list[str]) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: no finished clip cache ({name} is missing); "
                "run `diccae data cache` first"
            )


@lru_cache(maxsize=4)
def _load(
    folder: Path, _meta_changed: int, manifest_changed: int | None, _present: tuple[str, ...]
) -> ClipCache:
    meta = read_meta(folder)
    manifest = folder.parent / "manifest.parquet"
    if manifest_changed is not None and file_digest(manifest) != meta["manifest_sha256"]:
        raise UserError(
            f"{folder} was made from another {manifest}; run "
            "`diccae data cache --plan <its plan>` again"
        )
    if file_digest(folder / "index.parquet") != meta["sha256"]["index"]:
        raise UserError(
            f"{folder}/index.parquet: it is not the file that was written with the cache; "
            f"{CACHE_AGAIN}"
        )
    if meta.get("mode") == "live":
        return open_live(folder, meta)
    replaced = replaced_clips(folder)
    if replaced:
        raise UserError(
            f"{folder}: {len(replaced)} clips were replaced by other files after they were "
            f"decoded, {replaced[0]} first; run `diccae data cache --plan <its plan>` again, "
            "which decodes them anew"
        )
    return open_stored(folder, meta)
