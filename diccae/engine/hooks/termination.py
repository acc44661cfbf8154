"""SIGTERM (from Slurm, Kubernetes, Docker or torchrun) ends training cleanly, so that the same
command resumes from the last checkpoint."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from diccae.checkpoints import latest_checkpoint

# the exit code that a shell reports for a process ended by SIGTERM
EXIT_CODE = 128 + signal.SIGTERM


@HOOKS.register_module()
class TerminationHook(Hook):
    """On SIGTERM, finishes the current iteration or checkpoint, prints where the next start
    resumes, and exits with code 143.

    Nothing is saved within an epoch: the position of the loader and the sums of the history are not
    part of a checkpoint, so a run can only resume bit for bit from the end of an epoch. Iterations
    after the last checkpoint are repeated.

    A scheduler may signal all processes of a job at once, which also ends the workers of the
    loader. The handler of SIGCHLD by which torch would report that as an error is replaced. The
    ranks of one run do not wait for each other; the launcher ends those that wait in a collective
    operation, and all files stay intact.
    """

    # after CheckpointHook: a signal during a save takes effect when the checkpoint is complete
    priority = "LOWEST"

    def __init__(self) -> None:
        self._requested = self._busy = False
        self._runner: Runner | None = None
        self._previous: Any = signal.SIG_DFL

    def before_train(self, runner: Runner) -> None:
        """Install the handler of SIGTERM."""
        self._runner = runner
        self._previous = signal.signal(signal.SIGTERM, self._on_sigterm)

    def after_train(self, runner: Runner) -> None:
        """Restore the previous handler."""
        signal.signal(signal.SIGTERM, self._previous)
        self._runner = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Defer a signal to the end of the iteration."""
        self._busy = True

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Exit if SIGTERM came during the iteration."""
        self._done()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Defer a signal until the checkpoint is complete."""
        self._busy = True

    def after_train_epoch(self, runner: Runner) -> None:
        """Exit if SIGTERM came while the checkpoint was saved."""
        self._done()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGCHLD, _ignore)
        self._requested = True
        if not self._busy:
            self._exit()

    def _done(self) -> None:
        self._busy = False
        if self._requested:
            self._exit()

    def _exit(self) -> None:
        if self._runner is not None and is_main_process():
            tqdm.write(f"diccae: {self._message(self._runner)}", file=sys.stderr)
        sys.exit(EXIT_CODE)

    @staticmethod
    def _message(runner: Runner) -> str:
        stopped = f"stopped by SIGTERM in epoch {runner.epoch + 1} of {runner.max_epochs}"
        checkpoint = latest_checkpoint(Path(runner.work_dir))
        if checkpoint is None:
            return f"{stopped}, before the first checkpoint; the same command starts this run again"
        return f"{stopped}; the same command resumes from {checkpoint.name}"


def _ignore(number: int, frame: FrameType | None) -> None:
    """Replaces torch's handler of SIGCHLD.

    SIG_IGN would also hide the exit status of the workers from `waitpid`.
    """
