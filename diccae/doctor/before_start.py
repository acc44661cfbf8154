"""What is checked before the jobs of a cluster start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

from diccae.errors import UserError


def require_room(plans: Iterable[str], seeds: int | None = None) -> None:
    """Compare what some plans still have to write with the free space, as `diccae doctor` does.

    In processes of their own, so that the one that waits for all jobs loads no torch.

    Args:
        plans: their names.
        seeds: number of seeds; None for the default of each plan.

    Raises:
        UserError: the disk is too small for one of them.
    """
    wanted = [] if seeds is None else ["--seeds", str(seeds)]
    for plan in plans:
        command = [sys.executable, "-m", "diccae.cli.main", "doctor", "--plan", plan]
        done = subprocess.run(
            [*command, *wanted, "--check", "disk"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            words = " ".join((done.stdout or done.stderr).split())
            raise UserError(f"plan {plan} was not started: {words}")
