"""mmengine's Runner without two seconds of start-up that no run here needs.

It does not describe the environment (`record.json` does), does not import matplotlib, and does not
format the text of the config.
"""

from __future__ import annotations

from typing import Any

from mmaction.registry import VISUALIZERS
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer


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
    """A `Runner` that does not log the environment."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Do nothing: the log level of a run is WARNING."""


def lean_runner(config: Config) -> LeanRunner:
    """A runner of a composed config."""
    content = {**config.to_dict(), "visualizer": {"type": "NoVisualizer"}}
    return LeanRunner.from_cfg(UnformattedConfig(content))
