"""Runs whose files are damaged, and two processes that train the same run."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import EMAHook

from diccae import compat
from diccae.engine import runs
from diccae.engine.run_lock import sole_trainer
from diccae.engine.runs import execute, origin_of
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.plans import Plan
from diccae.run_graph import Run
from tests.conftest import tiny_plan


def finished(run: Run, key: str = "") -> None:
    """Files that stand for those of a finished run."""
    run.folder.mkdir(parents=True)
    digests = {}
    for name in ("weights.pth", "assignments.npz", "metrics.json"):
        (run.folder / name).write_text(f"{name} of {run}")
        digests[name] = file_hash(run.folder / name)
    (run.folder / "record.json").write_text(json.dumps({"key": key, "files": digests}))


@pytest.fixture
def plan(workspace: Path, tiny_data: Path) -> Plan:
    return tiny_plan(workspace, tiny_data)


def test_a_damaged_file_of_another_run_is_named_before_training(plan: Plan) -> None:
    run = Run(plan, "pretrain", "full", 0)
    (parent,) = {source.folder: source for source in run.parents.values()}.values()
    finished(parent)
    assert origin_of(run).parts["parents"]
    path = next(iter(run.parent_files.values()))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{path} is damaged: .* remove {parent.folder}, then run"):
        origin_of(run)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("record.json", b"", "a file is missing or damaged; training this run again"),
        ("record.json", b'{"files": {', "a file is missing or damaged; training this run again"),
        ("metrics.json", b"", "a file is missing or damaged; training this run again"),
        ("metrics.json", b"half", "metrics.json is not the file that was written; training this"),
    ],
)
def test_a_finished_run_with_a_damaged_file_is_trained_again(
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
    words: str,
) -> None:
    trained: list[Run] = []
    monkeypatch.setattr(runs, "_execute", lambda run, *_: trained.append(run))
    run = Run(plan, "finetune", "from_scratch", 0, "A")
    finished(run, origin_of(run).key)
    execute(run)
    assert trained == []
    (run.folder / name).write_bytes(content)
    execute(run)
    assert trained == [run]
    assert words in capsys.readouterr().out


def test_a_second_process_waits_until_the_run_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, entered = tmp_path / "work" / "key", threading.Event()

    def second() -> None:
        with sole_trainer(work):
            entered.set()

    thread = threading.Thread(target=second)
    with sole_trainer(work):
        thread.start()
        assert not entered.wait(0.1)
    thread.join(timeout=60)
    assert entered.is_set()
    assert "key.lock: another process trains this run; waiting" in capsys.readouterr().out
    assert list((tmp_path / "work").iterdir()) == []


def test_a_third_process_waits_for_the_second_which_waited_for_the_first(tmp_path: Path) -> None:
    """Another plan may have the same run: a second process trains it too, after the first."""
    work = tmp_path / "work" / "key"
    names = ("second", "third")
    entered, leave = ({name: threading.Event() for name in names} for _ in range(2))

    def train(name: str) -> None:
        with sole_trainer(work):
            entered[name].set()
            leave[name].wait(60)

    second, third = (threading.Thread(target=train, args=(name,)) for name in names)
    with sole_trainer(work):
        second.start()
        assert not entered["second"].wait(0.1)
    assert entered["second"].wait(60)
    third.start()
    assert not entered["third"].wait(0.2)
    leave["second"].set()
    assert entered["third"].wait(60)
    leave["third"].set()
    for thread in (second, third):
        thread.join(timeout=60)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_mistake_of_the_user_is_one_sentence_in_the_tools_of_mmaction2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compat.apply()
    sys.excepthook(UserError, UserError("meta.json is missing"), None)
    assert capsys.readouterr().err == "diccae: meta.json is missing\n"
    try:
        raise ValueError("a defect")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    assert "Traceback" in capsys.readouterr().err


def test_a_hook_of_torch_before_ours_does_not_call_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compat.apply()
    ours = sys.excepthook
    monkeypatch.setattr(sys, "excepthook", lambda *error: ours(*error))
    compat.apply()
    sys.excepthook(ValueError, ValueError("a defect"), None)
    assert capsys.readouterr().err.count("a defect") == 1


def test_averaged_weights_are_kept_with_the_buffers_they_are_scored_with() -> None:
    """EMAHook copies buffers after each step, and SyncBuffersHook changes those of the network
    after that."""
    network = torch.nn.BatchNorm1d(2)
    hook = EMAHook(ema_type="StochasticWeightAverage")
    runner: Any = SimpleNamespace(model=network, hooks=[hook])
    hook.before_run(runner)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(5.0)
    weights = runs._final_weights(runner)
    assert weights["weight"].tolist() == [1.0, 1.0]
    assert weights["running_mean"].tolist() == [5.0, 5.0]
