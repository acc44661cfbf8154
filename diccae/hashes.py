"""What names a run and its origin: digests of the composed config, the data, the code and the
lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from diccae.digests import file_digest, text_digest
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan

# Everything that a run's numbers depend on, by the names in its record. `processes` stands there
# for runs of several processes only.
KEY_PARTS = ("config_hash", "data_hash", "source_hash", "lock_hash", "parents", "processes")


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
