"""A progress bar over the epochs of a run, on stderr."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows finished and total epochs and the remaining time.

    Args:
        label: text before the bar.
    """

    priority = "LOWEST"

    def __init__(self, label: str) -> None:
        self.label = label

    def before_train(self, runner: Runner) -> None:
        """Open the bar, at the epoch from which a run resumes."""
        self._bar = tqdm(
            total=runner.max_epochs,
            initial=runner.epoch,
            desc=self.label,
            unit="epoch",
            disable=not is_main_process(),
            mininterval=1.0,
        )

    def after_train_epoch(self, runner: Runner) -> None:
        """Advance the bar by one epoch."""
        self._bar.update()

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self._bar.close()
