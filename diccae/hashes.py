"""What names a run and its origin: digests of the composed config, the data, the code and the
lock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from diccae.digests import file_digest, text_digest
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan

# Everything that a run's numbers depend on, by the names in its record. `weights` stands there for
# runs that read files of weights only, `processes` for runs of several processes only.
KEY_PARTS = (
    "config_hash",
    "data_hash",
    "source_hash",
    "lock_hash",
    "parents",
    "weights",
    "processes",
)
# keys of a network's config that name files of weights, but for the words that are no path
WEIGHT_KEYS = ("init", "pretrained_file", "released_weights")
NO_FILES = ("scratch", "imagenet")


def config_hash(config: Config) -> str:
    """First 16 hex digits of the SHA-256 of the config as canonical JSON."""
    return digest(json.dumps(config.to_dict(), sort_keys=True, default=str))


def digest(text: str) -> str:
    """First 16 hex digits of the SHA-256 of a text."""
    return text_digest(text)[:16]


def lock_hash() -> str:
    """Digest of requirements.lock; `no-lock` where there is none."""
    lock = CONFIG_ROOT.parent / "requirements.lock"
    return file_hash(lock) if lock.is_file() else "no-lock"


def file_hash(path: Path) -> str:
    """First 16 hex digits of the SHA-256 of a file."""
    return file_digest(path)[:16]


def weight_files(config: Config) -> dict[str, str]:
    """The files of weights that a composed config names, at any depth of its `model`, each with the
    key that names it. Those of other runs are not among them: a run's parents are known."""
    return {path: key for key, path in _weight_files("model", config["model"])}


def _weight_files(key: str, value: Any) -> Iterator[tuple[str, str]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, item in items:
        if isinstance(item, Mapping | list | tuple):
            yield from _weight_files(f"{key}.{name}", item)
        elif name in WEIGHT_KEYS and item is not None and item not in NO_FILES:
            yield f"{key}.{name}", item


def weight_hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Digest of each of the `weight_files`, by path.

    Raises:
        UserError: a file does not exist; names the key that names it.
    """
    require_weights(files)
    return {path: file_hash(Path(path)) for path in files}


def require_weights(files: Mapping[str, str]) -> None:
    """Check that the `weight_files` exist.

    Raises:
        UserError: one does not; names the key that names it.
    """
    for path, key in files.items():
        if not Path(path).is_file():
            raise UserError(
                f"{path} does not exist, and {key} of the composed config names it as a file of "
                "weights; put the file there, or correct the path in the variant or the plan"
            )


def data_hash(plan: Plan, clips: Path, command: str) -> str:
    """Digest of the manifest (it lists the SHA-256 of every clip) and of the description of what
    runs read: the clip cache, or stored features, which states the digests of weights and features.

    Args:
        plan: gives the manifest.
        clips: the folder that runs read, see `clips_folder`.
        command: the command that makes it.

    Raises:
        UserError: one of them is missing; names the command that makes it.
    """
    meta = clips / "meta.json"
    for path, making in ((plan.manifest, plan.manifest_command), (meta, command)):
        if not path.is_file():
            raise UserError(f"{path} is missing; run `{making}` first")
    return digest(file_hash(plan.manifest) + file_hash(meta))


def run_key(parts: Mapping[str, Any]) -> str:
    """Names a run by everything that its numbers depend on: first 16 hex digits of the SHA-256.

    Args:
        parts: the `KEY_PARTS` by name, or a whole record, of which the rest is ignored. A part
            that is absent is no part of the key.
    """
    return _json_digest({name: parts[name] for name in KEY_PARTS if name in parts})


def record_digest(record: Mapping[str, Any]) -> str:
    """Digest of a record without its own `digest`: first 16 hex digits of the SHA-256."""
    return _json_digest({name: value for name, value in record.items() if name != "digest"})


def _json_digest(content: Mapping[str, Any]) -> str:
    return digest(json.dumps(content, sort_keys=True))
