"""Which workflow works in a folder, so that the lock of a killed one does not stop the next.

Snakemake locks a folder with files, which stay when it is killed. Every workflow therefore also
holds a lock of the operating system (flock), which ends with its process however that ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import IO, NamedTuple

from diccae.whole_file import write_error

MEMORY = Path(".snakemake")
NAME = "workflow.lock"
# beginnings of the names of file systems on which flock may exclude this machine's processes only
NETWORK = ("nfs", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb", "glusterfs", "fuse", "9p")


class Other(NamedTuple):
    """Another workflow that works in a folder, or may do so.

    Attributes:
        message: which one.
        way_out: what to do if it does not run any more; empty if it certainly runs.
    """

    message: str
    way_out: str = ""


def hold_folder(memory: Path = MEMORY) -> None:
    """Hold a lock on a folder until this process ends; if no other workflow works there, remove the
    lock files that a killed Snakemake left.

    Args:
        memory: the folder in which Snakemake keeps its state.

    Raises:
        UserError: the folder cannot be written.
    """
    memory = memory.resolve()
    path = memory / NAME
    try:
        memory.mkdir(parents=True, exist_ok=True)
        # the lock is that of the open file: the function of atexit keeps it open
        handle = open(path, "a+")  # noqa: SIM115
        other = _other(path, handle)
        if other is None:
            if is_locked(memory):
                _say("an earlier workflow was killed here, and none works here now: lock removed")
                shutil.rmtree(memory / "locks")
            handle.truncate(0)
            print(f"process {os.getpid()} on {socket.gethostname()}", file=handle, flush=True)
        elif is_locked(memory):
            _say(f"{other.message}{other.way_out and '; ' + other.way_out}")
    except OSError as error:
        raise write_error(path, error) from None
    atexit.register(_release, handle, written=other is None)
    # shared, so that Snakemake's own lock decides whether two workflows exclude each other
    if other is None or not other.way_out:
        fcntl.flock(handle, fcntl.LOCK_SH)


def other_workflow(memory: Path = MEMORY) -> Other | None:
    """The workflow that works in a folder, or may do so; None if there is none."""
    path = memory.resolve() / NAME
    if not path.is_file():
        return None
    # writable, as an exclusive lock on NFS needs
    with open(path, "r+") as handle:
        return _other(path, handle)


def is_locked(memory: Path = MEMORY) -> bool:
    """Whether Snakemake's lock files are there."""
    return any((memory / "locks").glob("*.lock"))


def _other(path: Path, handle: IO[str]) -> Other | None:
    """The other workflow; without one, `handle` has the exclusive lock."""
    handle.seek(0)
    name = handle.read().strip()
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Other(f"a workflow runs here ({name or 'its process is unknown'})")
    except OSError as error:
        return Other(
            f"this file system has no locks ({error.strerror}), so a workflow may run here",
            "if none does: snakemake --unlock",
        )
    host = name.rpartition(" ")[2]
    if host not in ("", socket.gethostname()) and _is_network(path):
        return Other(
            f"a workflow started as {name} has not ended there as far as this machine can see",
            f"if it does not run any more: rm {path}",
        )
    return None


def _is_network(path: Path) -> bool:
    import psutil

    types = {mount.mountpoint: mount.fstype for mount in psutil.disk_partitions(all=True)}
    nearest = next(str(folder) for folder in path.parents if str(folder) in types)
    return types[nearest].startswith(NETWORK)


def _release(handle: IO[str], written: bool) -> None:
    if written:
        handle.truncate(0)
    handle.close()


def _say(message: str) -> None:
    print(f"diccae: {message}", file=sys.stderr)
