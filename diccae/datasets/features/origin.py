"""What stored features are made from, and the key by which the features of a clip are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from diccae.digests import file_digest, text_digest
from diccae.errors import UserError
from diccae.feature_settings import FeatureSource

# settings of the cache that decide the input of an encoder
DECODED = {
    "audio": ("n_mels", "fbank_frames", "decoder"),
    "video": ("frame_size", "num_frames", "decoder"),
}


def made_from(modality: str, source: FeatureSource, cache: dict[str, Any]) -> dict[str, Any]:
    """Everything that decides the features of a modality but the clips, with digests of files.

    Args:
        modality: `audio` or `video`.
        source: where the features come from.
        cache: the section `cache` of the settings.

    Raises:
        UserError: the weights or the vectors are missing; names the path.
    """
    known = stated(modality, source, cache)
    path = Path(source.weights or source.file or "")
    if source.encoder is not None:
        if not path.is_file():
            raise UserError(
                f"features.{modality}.weights: there is no file {path}; download the checkpoint, "
                "see docs/features.md"
            )
        return known | {"weights_sha256": file_digest(path)}
    if path.is_dir():
        return known | {"vectors_sha256": folder_digest(path)}
    if not path.is_file():
        raise UserError(
            f"features.{modality}.file: there is no file or folder {path}; make it as "
            "docs/features.md says, or correct the path"
        )
    return known | {"vectors_sha256": file_digest(path)}


def stated(modality: str, source: FeatureSource, cache: dict[str, Any]) -> dict[str, Any]:
    """What `made_from` holds without digests of files, so that none has to be there."""
    if source.encoder is None:
        return {"vectors": Path(source.file or "").name} | (
            source.model_dump(include={"array", "ids", "match"})
        )
    keys = {"encoder", "model", "steps", "patches"}
    keys |= {"mean", "std"} if modality == "audio" else set()
    decoded = {f"cache.{key}": cache[key] for key in DECODED[modality]}
    if modality == "video" and cache.get("format") == "jpeg":
        decoded["cache.format"] = "jpeg"
    return source.model_dump(include=keys) | decoded | {"weights": Path(source.weights or "").name}


def folder_digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all .npy files in a folder."""
    files = sorted(folder.rglob("*.npy"))
    lines = (f"{path.relative_to(folder)} {file_digest(path)}\n" for path in files)
    return text_digest("".join(lines))


def clip_keys(table: pd.DataFrame, source: FeatureSource) -> list[str]:
    """Key of each clip: digest of its file and span or, for vectors made elsewhere, of its id.

    So the features of a clip are found again whatever else is listed, and in whatever order.

    Args:
        table: the index of the clip cache, or the manifest.
        source: where the features come from.
    """
    if source.encoder is None:
        names = table["id"].astype(str).to_list()
    else:
        # str() of every cell: pandas' own conversion leaves an `end` that is not given a number
        cells = table[["file_sha256", "start", "end"]].itertuples(index=False)
        names = [" ".join(map(str, row)) for row in cells]
    return [text_digest(name)[:32] for name in names]
