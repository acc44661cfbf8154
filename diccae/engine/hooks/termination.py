"""SIGTERM (from Slurm, Kubernetes, Docker or torchrun) ends training cleanly; the same command goes
on from the last checkpoint."""

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

from diccae.engine.runs import latest_checkpoint

# what a shell reports of a process that SIGTERM ended
EXIT_CODE = 128 + signal.SIGTERM


@HOOKS.register_module()
class TerminationHook(Hook):
    """On SIGTERM: finishes the iteration or the checkpoint at hand, says where the next start goes
    on, and exits with code 143.

    Nothing is saved in the midst of an epoch: the loader's position and the sums of the history are
    not part of a checkpoint, so only from the end of an epoch does a run equal an unbroken one, bit
    for bit. The checkpoint of the last saved epoch stays the one to go on from; what came after it
    is done again.

    A scheduler may signal every process of a job at once, so that the loader's workers die too.
    torch is then no longer told of them: it would end the run with a traceback. Ranks of one run do
    not wait for each other; a launcher ends those that are left in a collective operation, and no
    file suffers by it.
    """

    # after CheckpointHook: a signal during a save ends the run once the checkpoint is there
    priority = "LOWEST"

    def __init__(self) -> None:
        self._asked = self._busy = False
        self._runner: Runner | None = None
        self._previous: Any = signal.SIG_DFL

    def before_train(self, runner: Runner) -> None:
        self._runner = runner
        self._previous = signal.signal(signal.SIGTERM, self._on_sigterm)

    def after_train(self, runner: Runner) -> None:
        signal.signal(signal.SIGTERM, self._previous)
        self._runner = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._busy = True

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        self._done()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._busy = True

    def after_train_epoch(self, runner: Runner) -> None:
        self._done()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGCHLD, _ignore)
        self._asked = True
        if not self._busy:
            self._exit()

    def _done(self) -> None:
        self._busy = False
        if self._asked:
            self._exit()

    def _exit(self) -> None:
        if self._runner is not None and is_main_process():
            tqdm.write(f"diccae: {self._sentence(self._runner)}", file=sys.stderr)
        sys.exit(EXIT_CODE)

    @staticmethod
    def _sentence(runner: Runner) -> str:
        stopped = f"stopped by SIGTERM in epoch {runner.epoch + 1} of {runner.max_epochs}"
        checkpoint = latest_checkpoint(Path(runner.work_dir))
        if checkpoint is None:
            return f"{stopped}, before the first checkpoint; the same command starts this run anew"
        return f"{stopped}; the same command resumes from {checkpoint.name}"


def _ignore(number: int, frame: FrameType | None) -> None:
    """In place of torch's handler of SIGCHLD. Not SIG_IGN, which would also take the workers' exit
    status away from `waitpid`."""
