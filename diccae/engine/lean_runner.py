"""mmengine's Runner without two seconds of start-up that no run here needs.

It does not describe the environment (`record.json` does), does not import matplotlib, and does not
format the text of the config.
"""

from __future__ import annotations

from functools import partialmethod
from typing import Any

from mmaction.registry import VISUALIZERS
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer
from torch.utils.data import DataLoader

from diccae.errors import UserError


@VISUALIZERS.register_module()
class NoVisualizer(Visualizer):
    """A visualizer without backends that draws nothing, so that matplotlib is not imported."""

    def __init__(self, name: str = "visualizer", **_: Any) -> None:
        ManagerMixin.__init__(self, name)
        self._dataset_meta = None
        self._vis_backends: dict[str, Any] = {}


class UnformattedConfig(Config):
    """A config whose text in checkpoints is valid Python, but not formatted."""

    @property
    def pretty_text(self) -> str:
        """One line for each top-level key."""
        return "".join(f"{key} = {value!r}\n" for key, value in self.to_dict().items())


class LeanRunner(Runner):
    """A `Runner` that does not log the environment, tests the averaged weights of a run that has
    them, and can end the workers of its loaders."""

    # hooks read what they keep in a checkpoint with NumPy, and mmengine would load it onto the GPU
    resume = partialmethod(Runner.resume, map_location="cpu")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._loaders: list[DataLoader] = []
        super().__init__(*arguments, **options)
        # every process writes a log of its test, and they must not write the same file at once
        self._log_dir = f"{self.log_dir}_{get_rank()}"

    def build_dataloader(self, *arguments: Any, **options: Any) -> DataLoader:
        """Build a loader as `Runner` does.

        Raises:
            UserError: it has no batch.
        """
        loader = Runner.build_dataloader(*arguments, **options)
        if not len(loader):
            raise UserError(
                f"{len(loader.dataset)} clips make no batch of {loader.batch_size}; lower the "
                "batch_size of the stage in the plan's schedule"
            )
        self._loaders.append(loader)
        return loader

    def test(self) -> dict[str, float]:
        """Test the trained model; returns the metrics.

        `Runner.test` calls the hooks' `before_run` again, and EMAHook then replaces the averaged
        weights by a copy of the last ones, which would be scored and saved in their place.
        """
        metrics: dict[str, float] = self.test_loop.run()
        return metrics

    def end_workers(self) -> None:
        """End the persistent worker processes of all loaders.

        Otherwise they live until the garbage collector finds the runner, and block it for five
        seconds each: it first stops the threads through which torch tells the workers to end.
        """
        for loader in self._loaders:
            loader._iterator = None

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Do nothing: the log level of a run is WARNING."""


def lean_runner(config: Config) -> LeanRunner:
    """A runner of a composed config."""
    content = {**config.to_dict(), "visualizer": {"type": "NoVisualizer"}}
    return LeanRunner.from_cfg(UnformattedConfig(content))
