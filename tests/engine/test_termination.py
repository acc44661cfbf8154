"""SIGTERM in real Runners: the checkpoint that is left, and the same weights after resuming."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from diccae import compat
from diccae.checkpoints import latest_checkpoint
from diccae.engine.hooks.reproducibility import ReproducibilityHook
from diccae.engine.hooks.termination import TerminationHook

EPOCHS, BATCHES = 4, 3

# A process of its own, so that a signal to its process group reaches the loader's workers too, as
# the signal of a scheduler does.
SCRIPT = """
import signal, sys, time
from pathlib import Path
from mmengine.hooks import Hook
from tests.engine.test_termination import train

class Wait(Hook):
    priority = "LOWEST"
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.epoch == 2 and batch_idx == 1:
            asked, handler = [], signal.getsignal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, lambda *call: (handler(*call), asked.append(call)))
            print("in the third epoch", flush=True)
            while not asked:
                time.sleep(0.01)

train(Path(sys.argv[1]), [Wait()], workers=2)
"""


class Noise(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 4 * BATCHES

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.randn(8, generator=torch.Generator().manual_seed(index))


class Tiny(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(8, 1)

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> dict[str, torch.Tensor]:
        noise = torch.rand(len(inputs), 1).to(inputs.device)
        return {"loss": (self.linear(inputs) - noise).square().mean()}


class Collate:
    def __call__(self, items: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"inputs": torch.stack(items)}


class Send(Hook):
    """Sends SIGTERM to its own process once.

    Args:
        point: name of the hook method that sends it, or `forward` for the forward pass of the
            second batch.
        epoch: the epoch, counted from 0.
    """

    def __init__(self, point: str, epoch: int) -> None:
        self.point, self.epoch, self.finished = point, epoch, 0
        # after all other hooks, when the termination hook knows of the checkpoint
        self.priority = "LOWEST" if point == "before_save_checkpoint" else "ABOVE_NORMAL"
        if point != "forward":
            setattr(self, point, self.send)

    def before_train(self, runner: Runner) -> None:
        if self.point == "forward":
            runner.model.register_forward_pre_hook(
                lambda *_: self.send(runner) if runner.iter % BATCHES == 1 else None
            )

    def send(self, runner: Runner, **_: object) -> None:
        if runner.epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        self.finished += 1


def train(folder: Path, hooks: list[Hook], workers: int = 0) -> Runner:
    """Train `Tiny`, from the folder's newest checkpoint as `execute` does."""
    compat.apply()
    torch.manual_seed(0)
    latest = latest_checkpoint(folder)
    runner = Runner(
        model=Tiny(),
        work_dir=str(folder),
        train_dataloader=DataLoader(
            Noise(),
            batch_size=4,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=Collate(),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
        optim_wrapper=dict(optimizer=dict(type="Adam", lr=0.1)),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1)),
        custom_hooks=[ReproducibilityHook(seed=0), TerminationHook(), *hooks],
        load_from=str(latest) if latest else None,
        resume=latest is not None,
        default_scope="mmaction",
        log_level="ERROR",
        # mmengine keeps loggers by this name and the second, and a folder's name can come again
        experiment_name=uuid4().hex,
    )
    runner.train()
    return runner


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / f"epoch_{EPOCHS}.pth", weights_only=True)["state_dict"]


@pytest.mark.parametrize(
    ("point", "iterations", "left", "sentence"),
    [
        # the iteration is finished, the epoch is not
        ("forward", 5, "epoch_1.pth", "in epoch 2 of 4; the same command resumes from epoch_1.pth"),
        # neither iteration nor checkpoint: exits at once
        (
            "before_train_epoch",
            3,
            "epoch_1.pth",
            "in epoch 2 of 4; the same command resumes from epoch_1.pth",
        ),
        (
            "after_train_epoch",
            6,
            "epoch_1.pth",
            "in epoch 2 of 4; the same command resumes from epoch_1.pth",
        ),
        # the checkpoint is finished
        (
            "before_save_checkpoint",
            6,
            "epoch_2.pth",
            "in epoch 2 of 4; the same command resumes from epoch_2.pth",
        ),
    ],
)
def test_the_current_iteration_or_checkpoint_is_finished_before_the_exit(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    point: str,
    iterations: int,
    left: str,
    sentence: str,
) -> None:
    previous, children = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD)
    send = Send(point, epoch=1)
    try:
        with pytest.raises(SystemExit) as stopped:
            train(tmp_path / "run", [send])
    finally:
        signal.signal(signal.SIGTERM, previous)
        signal.signal(signal.SIGCHLD, children)
    assert stopped.value.code == 143
    assert send.finished == iterations
    newest = latest_checkpoint(tmp_path / "run")
    assert newest is not None
    assert newest.name == left
    assert capsys.readouterr().err.strip() == f"diccae: stopped by SIGTERM {sentence}"


def test_before_the_first_checkpoint_the_run_starts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    previous, children = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD)
    try:
        with pytest.raises(SystemExit):
            train(tmp_path / "run", [Send("forward", epoch=0)])
    finally:
        signal.signal(signal.SIGTERM, previous)
        signal.signal(signal.SIGCHLD, children)
    assert capsys.readouterr().err.strip() == (
        "diccae: stopped by SIGTERM in epoch 1 of 4, before the first checkpoint; "
        "the same command starts this run again"
    )


def test_the_signal_handler_is_restored_after_training(tmp_path: Path) -> None:
    previous = signal.getsignal(signal.SIGTERM)
    train(tmp_path / "run", [])
    assert signal.getsignal(signal.SIGTERM) is previous


def test_a_terminated_job_with_workers_resumes_to_the_same_weights(tmp_path: Path) -> None:
    train(tmp_path / "unbroken", [])
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as job:
        assert job.stdout is not None
        assert job.stdout.readline().strip() == "in the third epoch"
        os.killpg(job.pid, signal.SIGTERM)
        _, errors = job.communicate()
    assert job.returncode == 143, errors
    assert "stopped by SIGTERM in epoch 3 of 4; the same command resumes from epoch_2.pth" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run" / "epoch_3.pth").exists()
    again = train(tmp_path / "run", [], workers=2)
    # ends the workers, which would block the garbage collector of a later test
    again.train_dataloader._iterator = None
    wanted, got = weights(tmp_path / "unbroken"), weights(tmp_path / "run")
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
