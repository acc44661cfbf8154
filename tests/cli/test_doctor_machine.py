"""The doctor on the GPU, shared memory and user of a machine, and on installed packages."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
import torch

from diccae.doctor import installation, machine
from diccae.doctor.check import Check
from diccae.plans import Plan, load_plan
from tests.cli.conftest import with_overrides

UNKNOWN_UID = 3_999_999_999


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_machine_without_gpu_suits_plans_in_single_precision() -> None:
    for name in ("smoke", "kitchen20", "ucf101", "vggsound-frozen"):
        check = machine.gpus(load_plan(name))
        assert (check.status, check.message) == ("ok", f"none; plan {name} runs on the CPU")
    check = machine.gpus(load_plan("vggsound"))
    assert check.status == "warning"
    assert "--gpus all" in check.way_out


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_driver_without_a_gpu_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    plan = load_plan("smoke")
    for driver, status in ((None, "ok"), ("525.60.13", "ok"), ("470.256.02", "warning")):
        monkeypatch.setattr(machine, "driver_version", lambda version=driver: version)
        check = machine.cuda()
        assert check.status == status
        assert check.message == f"torch is built for CUDA 12.8, driver {driver or 'none'}"
        assert machine.gpus(plan).status == ("ok" if driver is None else "warning")
    assert check.way_out.startswith("install an NVIDIA driver >= 525")
    assert "the driver (470.256.02) is installed" in machine.gpus(plan).message
    monkeypatch.setattr(torch.version, "cuda", None)
    assert machine.cuda().way_out == "install torch from requirements.lock: make setup"


def test_shared_memory_matters_only_with_loader_workers(plan: Plan, tmp_path: Path) -> None:
    assert machine.shared_memory(plan, tmp_path / "none").status == "ok"
    busy = with_overrides(plan, **{"schedule.num_workers": 4})
    assert machine.shared_memory(busy, tmp_path).status == "ok"
    check = machine.shared_memory(busy, tmp_path / "none")
    assert check.status == "problem"
    # 128 test clips of 2 views of 8 frames and a spectrogram; 2 batches a worker
    clips = 4 * 2 * 128 * (2 * 8 * 3 * 32 * 32 + 2 * 64 * 64)
    assert f"4 loader workers need {clips / 1e9:.2g} GB there" in check.message
    assert "--shm-size=1g" in check.way_out


def test_an_unknown_uid_needs_a_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    check = machine.user(UNKNOWN_UID)
    assert check.status == "problem"
    assert "export USER=" in check.way_out
    monkeypatch.setenv("USER", "guest")
    assert machine.user(UNKNOWN_UID).status == "ok"
    assert machine.user(0) == Check("user", "ok", "0 (root); Snakemake needs a user with a name")


def test_installed_versions_are_compared_with_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    hashes = " \\\n    --hash=sha256:00\n    # via diccae\n"
    elsewhere = f"only-there==1 ; sys_platform == 'win32'{hashes}"
    lock.write_text(f"torch=={torch.__version__.split('+')[0]}{hashes}{elsewhere}")
    assert installation.versions(lock) == Check(
        "versions", "ok", "all 1 packages as in requirements.lock"
    )
    # what names the hardware of a build is no other version
    monkeypatch.setattr(metadata, "version", lambda name: "1.0+cu128")
    lock.write_text(f"torch==1.0{hashes}")
    assert installation.versions(lock).status == "ok"
    monkeypatch.undo()
    lock.write_text(f"torch==0.1{hashes}no-such-package==1{hashes}")
    check = installation.versions(lock)
    assert check.status == "warning"
    assert check.message.startswith("1 missing (no-such-package) and 1 of other versions (torch ")
    assert check.message.endswith("instead of 0.1) of 2 in requirements.lock")
    assert installation.versions(tmp_path / "none").status == "warning"


def test_the_decoder_of_the_plan_must_be_installed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert installation.decoder(plan).status == "ok"
    check = installation.decoder(with_overrides(plan, **{"cache.decoder": "torchcodec"}))
    assert check.status == "problem"
    assert "torchcodec not installed; the plan uses torchcodec" in check.message
    assert check.way_out == "pip install -e '.[torchcodec]'"
