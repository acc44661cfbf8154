"""A record by itself: whether it can be read, agrees with itself, and belongs to its run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from diccae.errors import UserError
from diccae.hashes import lock_hash, record_digest, run_key
from diccae.plans import CONFIG_ROOT
from diccae.run_graph import Run
from diccae.validation import checked

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", flags=re.MULTILINE)
OTHER_BYTES = "its values are those that were written, its bytes are not"


class Record(BaseModel):
    """What every record.json holds; keys that a newer version adds are kept too."""

    model_config = ConfigDict(extra="allow", strict=True)

    plan: str
    system: str
    stage: str
    variant: str
    modality: str
    seed: int
    key: str
    config_hash: str
    data_hash: str
    source_hash: str
    lock_hash: str
    parents: dict[str, str]
    weights: dict[str, str] = {}
    files: dict[str, str]
    commit: str
    dirty: bool
    versions: dict[str, str]
    kernels: dict[str, Any]
    hardware: dict[str, Any]
    compute: dict[str, Any]
    wall_seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    started: str
    settings: dict[str, Any]
    digest: str


def read_object(path: Path) -> dict[str, Any]:
    """Content of a JSON file that holds one object.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"it cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"wanted a JSON object, found {type(content).__name__}")
    return content


def read_record(path: Path) -> dict[str, Any]:
    """Content of a record.json.

    Raises:
        ValueError: it cannot be read, or a key is missing or holds something else.
    """
    content = read_object(path)
    check_keys(content)
    return content


def check_keys(content: dict[str, Any]) -> None:
    """Whether a record has every key, with a value of its type.

    Raises:
        ValueError: a key is missing or holds something else.
    """
    try:
        checked(Record, content, "keys")
    except UserError as error:
        raise ValueError(str(error)) from None


def doubts(run: Run, path: Path | None, record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, message) of everything in a record that contradicts itself, its run or the plan;
    `path` is its file, None for a record in a shard."""
    if record_digest(record) != record["digest"]:
        yield "edited", "its content does not have the digest that it states"
    elif path and path.read_text() != json.dumps(record, indent=1, sort_keys=True) + "\n":
        yield "edited", OTHER_BYTES
    if run_key(record) != record["key"]:
        words = f"its key is {record['key']}, what it states gives {run_key(record)}"
        yield "edited", words
    if record["plan"] != run.plan.name:
        yield "mixed", f"belongs to plan {record['plan']}, not to {run.plan.name}"
        return
    wanted = {
        "system": run.settings.system.name,
        "stage": run.stage,
        "variant": run.variant,
        "modality": run.modality,
        "seed": run.seed,
        "fold": run.fold,
        "kernels": record["kernels"] | run.settings.runtime.model_dump(),
    }
    if record["config_hash"] == run.config_hash:
        wanted["settings"] = json.loads(json.dumps(run.settings.as_record()))
        # other configs may start from other files
        wanted["names of parents"] = sorted(map(str, run.parent_files.values()))
        wanted["names of weights"] = sorted(run.weight_files)
    if record["lock_hash"] == lock_hash():
        pins = _pins()
        wanted["versions"] = {name: pins.get(name, v) for name, v in record["versions"].items()}
    found = record | {
        f"names of {part}": sorted(record.get(part, {})) for part in ("parents", "weights")
    }
    for key, value in wanted.items():
        for name, says, composed in _unequal(key, found[key], value):
            yield "edited", f"{name} is {says!r}, the plan gives {composed!r}"


def _unequal(key: str, found: Any, wanted: Any) -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, found, wanted) of each value that differs."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in sorted({*found, *wanted}):
            yield from _unequal(f"{key}.{name}", found.get(name), wanted.get(name))
    elif found != wanted:
        yield key, found, wanted


@lru_cache
def _pins() -> dict[str, str]:
    """Versions that the lock names."""
    lock = CONFIG_ROOT.parent / "requirements.lock"
    return dict(PIN.findall(lock.read_text())) if lock.is_file() else {}
