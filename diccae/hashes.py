"""What names a run and its origin: digests of the composed config, the data, the package's source and the lock."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from mmengine.config import Config

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan

# What only reads results, and what only makes data (the data hash covers its product, byte by byte).
NOT_IN_A_RUN = (
    "cli/",
    "doctor/",
    "planning/",
    "reporting/",
    "verify.py",
    "workflow.py",
    "datasets/benchmark/",
    "datasets/clip_cache.py",
    "datasets/ledger.py",
    "datasets/ledger_files.py",
    "datasets/ledger_workers.py",
    "datasets/media_facts.py",
    "datasets/probe.py",
    "datasets/readers/",
    "datasets/stored_clips.py",
    "datasets/stored_files.py",
    "evaluation/bounds.py",
    "evaluation/vggsounder.py",
    "evaluation/vggsounder_files.py",
)


def config_hash(config: Config) -> str:
    """First 16 hex digits of the SHA-256 of the config as canonical JSON."""
    return digest(json.dumps(config.to_dict(), sort_keys=True, default=str))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache
def source_hash() -> str:
    """Digest of the Python files that a run executes, so that results made by other code are seen as other results."""
    root = Path(__file__).resolve().parent
    hasher = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(NOT_IN_A_RUN):
            hasher.update(name.encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:16]


def lock_hash() -> str:
    lock = CONFIG_ROOT.parent / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:16] if lock.is_file() else "no-lock"


def file_hash(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def data_hash(plan: Plan) -> str:
    """The manifest (it lists the SHA-256 of every clip) and what the cache kept of the clips."""
    meta = plan.cache_dir / "meta.json"
    for path, command in ((plan.manifest, "data render"), (meta, "data cache")):
        if not path.is_file():
            raise UserError(f"{path} is missing; run `diccae {command} --plan {plan.name}` first")
    return digest(file_hash(plan.manifest) + file_hash(meta))


def run_key(configured: str, plan: Plan, parents: dict[str, str]) -> str:
    """Names a run by everything its numbers depend on: composed config, data, starting weights and clusters, source, lock."""
    return digest(
        json.dumps(
            [configured, data_hash(plan), sorted(parents.items()), source_hash(), lock_hash()]
        )
    )
