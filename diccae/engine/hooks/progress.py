"""A progress bar over the epochs of a run, with the terms of its loss, on stderr."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from diccae.engine.hooks.history import HistoryHook


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows finished and total epochs, the remaining time, and of the last epoch the loss, the
    share of each of its terms and the mean confusion weight.

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
        rows = [hook.rows for hook in runner.hooks if isinstance(hook, HistoryHook)]
        if rows and rows[0]:
            self._bar.set_postfix_str(summary(rows[0][-1]), refresh=False)
        self._bar.update()

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self._bar.close()


def summary(row: dict[str, float]) -> str:
    """The loss of an epoch in words: `loss 1.23: infonce 71 %, cls 26 %, confusion 3 %, mean weight
    0.08`.

    Args:
        row: of the history.
    """
    first = "share_"
    terms = [
        f"{key.removeprefix(first)} {100 * value:.0f} %"
        for key, value in row.items()
        if key.startswith(first)
    ]
    if f"{first}confusion" in row:
        terms.append(f"mean weight {row['weight_mean']:.2g}")
    return f"loss {row['loss']:.3g}" + (f": {', '.join(terms)}" if terms else "")
