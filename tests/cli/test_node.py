"""What a Slurm job says on a node that does not have the data, and before jobs start on a disk that
is too small."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from diccae.cli.doctor import examine
from diccae.cli.node import require_clips, require_gpus, require_runs, require_visible
from diccae.doctor.before_start import require_room
from diccae.errors import UserError
from diccae.plans import Plan, load_plan


@pytest.fixture
def in_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")


def test_a_missing_manifest_is_named_with_the_node(plan: Plan, in_a_job: None) -> None:
    with pytest.raises(UserError) as error:
        require_runs(plan)
    words = str(error.value)
    assert words.startswith(f"{Path.cwd()}/results/data/smoke/manifest.parquet is missing on node ")
    assert f"node {socket.gethostname()} (Slurm job 12)" in words
    assert f"--exclude={socket.gethostname()}" in words
    assert words.endswith("if none has it, `diccae data render --plan smoke` makes it")


def test_a_folder_that_is_not_mounted_is_no_folder_of_missing_clips(
    plan: Plan, in_a_job: None
) -> None:
    frozen = load_plan("vggsound-frozen")
    for path in (frozen.manifest, Path("media/weights/audio_model.21.pth"), Path("disk/a.mp4")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("vggsound", "audioset", "epic-kitchens-100"):
        Path("media", name).symlink_to(Path("disk").absolute())
    Path("media/ucf101").mkdir()
    with pytest.raises(UserError, match="media/ucf101 is empty on node"):
        require_clips(frozen)
    Path("media/ucf101/v.avi").touch()
    require_clips(frozen)
    shutil.rmtree("disk")
    with pytest.raises(UserError, match=r"media/vggsound -> .*/disk is missing on node"):
        require_clips(frozen)


def test_outside_a_job_nothing_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    require_visible([tmp_path / "nothing"], "")


def test_a_single_check_runs_alone_and_an_unknown_one_is_refused(plan: Plan) -> None:
    assert [check.name for check in examine(plan, ["user", "lock"])] == ["user", "lock"]
    with pytest.raises(UserError, match="--check disc: no such check; did you mean 'disk'"):
        examine(plan, ["disc"])


def test_a_workflow_is_not_started_on_a_disk_that_is_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        asked.append(command[command.index("doctor") :])
        full = "vggsound" in command
        text = "PROBLEM  disk  1.0 GB free, about 5.0 GB still to write -> free 4.0 GB\n"
        return SimpleNamespace(returncode=int(full), stdout=text if full else "OK", stderr="")

    monkeypatch.setattr("diccae.doctor.before_start.subprocess.run", run)
    with pytest.raises(
        UserError, match=r"^plan vggsound was not started: PROBLEM disk 1.0 GB free"
    ):
        require_room(["smoke", "vggsound"], 4)
    options = ["--seeds", "4", "--check", "disk"]
    assert asked == [["doctor", "--plan", name, *options] for name in ("smoke", "vggsound")]


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    # on the CPU
    require_gpus()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    require_gpus()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"4 processes on .*1 GPU\(s\).*--nproc-per-node 1, or set"):
        require_gpus()
