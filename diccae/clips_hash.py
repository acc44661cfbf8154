"""Digest of the data that the runs of a plan read."""

from __future__ import annotations

from diccae.clips_folder import clips_command, clips_folder
from diccae.hashes import data_hash
from diccae.plans import Plan


def clips_hash(plan: Plan) -> str:
    """Digest of the manifest and of what runs read, see `data_hash`.

    Raises:
        UserError: one of them is missing; names the command that makes it.
    """
    return data_hash(plan, clips_folder(plan), clips_command(plan))
