"""mmaction2's own tools on composed configs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

from diccae.run_graph import Run
from tests.conftest import tiny_plan


def stock_tool(name: str, *words: str) -> str:
    """What a tool of mmaction2 prints."""
    tools = Path(find_spec("mmaction").submodule_search_locations[0]) / ".mim" / "tools"  # type: ignore[union-attr, index]
    result = subprocess.run(
        [sys.executable, str(tools / name), *words], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout + result.stderr


def test_tools_of_mmaction2_train_and_test_the_composed_config(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.finetune.epochs": 1})
    Run(plan, "finetune", "from_scratch", 0, "AV").config().dump("run.py")
    stock_tool("train.py", "run.py", "--work-dir", "stock", "--auto-scale-lr", "--no-validate")
    test = ["run.py", "stock/epoch_1.pth", "--work-dir", "stock", "--dump", "all.pkl"]
    words = stock_tool("test.py", *test)
    assert "predictions/test_top1_multi" in words
    assert "predictions/validation_top1_multi" in words
    # not of both splits together
    assert "acc/top1" not in words
    assert Path("all.pkl").stat().st_size > 0


def test_a_tool_of_mmaction2_trains_another_system(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.pretrain.epochs": 1})
    # tokens, masks, and a network that its own module registers
    Run(plan, "pretrain", "cav_mae", 0).config().dump("run.py")
    stock_tool("train.py", "run.py", "--work-dir", "stock")
    trained = torch.load("stock/epoch_1.pth", weights_only=False)["state_dict"]
    assert any(name.startswith("decoder.") for name in trained)
