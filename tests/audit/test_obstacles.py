"""Where equal bytes cannot be expected, an audit says why before it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from diccae.audit import obstacles as module
from diccae.audit.obstacles import obstacles, require_data, require_same_bytes
from diccae.audit.stored import require_stored
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.run_graph import Run

Edit = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("edit", "reason", "way_out"),
    [
        (
            lambda r: r["kernels"].update(kernels="fastest"),
            "the plan sets runtime.kernels: fastest, and MKL then chooses its kernels by the proc",
            "none for these results; with runtime.kernels: portable, new ones can be audited",
        ),
        (
            lambda r: r["kernels"].update(torch_threads=4),
            "torch_threads was 4 and is 1 here",
            "name the plan with --plan",
        ),
        (
            lambda r: r["hardware"].update(gpu="NVIDIA H100"),
            r"trained on a GPU \(NVIDIA H100\), whose bytes nothing promises",
            "none for these results; runs that are trained on a CPU can be audited",
        ),
        (lambda r: r.update(processes=2), "2 processes trained together", "none for these"),
        (
            lambda r: r.update(lock_hash="0" * 16, dirty=True),
            "made with another requirements.lock",
            "use a checkout of commit 0000000000, with the changes that its working tree had then, "
            "and run `make setup` there",
        ),
        (
            lambda r: r["versions"].update(numpy="1.0", python="3.11.0"),
            r"made with numpy 1.0 \(here 2[.0-9]+\)",
            "run `make setup`, which installs the lock",
        ),
        (
            lambda r: r.update(config_hash="0" * 16, commit="unknown"),
            "the configs or the plan give another config today",
            "use the checkout that the results were made in: their records name no commit",
        ),
        (
            lambda r: r.update(data_hash="0" * 16),
            "the clips of data are not those that the runs were made from",
            "make them again at the commit of the runs: `diccae data render --plan small`, then",
        ),
    ],
)
def test_reasons_and_ways_out(sealed: Plan, edit: Edit, reason: str, way_out: str) -> None:
    stored = require_stored(Run(sealed, "finetune", "full", 0, "AV"))
    require_same_bytes([stored])
    other = require_stored(Run(sealed, "finetune", "full", 1, "AV"))
    edit(other.record)
    # several of these reasons hold for one of two runs alone
    words = rf"^2 runs, such as .* cannot be audited to the byte here: .*{reason}.* \(1 runs\)"
    with pytest.raises(UserError, match=f"{words}.*Way out: .*{way_out}"):
        require_same_bytes([stored, other])


def test_machines_where_bytes_differ(sealed: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(sealed, "finetune", "full", 0, "AV")
    record = require_stored(run).record
    assert list(obstacles(run, record)) == []
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
        (found,) = obstacles(run, record)
    assert found.reason == "trained on a CPU, and torch finds a GPU here"
    monkeypatch.setattr(module, "has_avx2", lambda: False)
    (found,) = obstacles(run, record)
    assert found.reason == "this is no x86-64 processor with AVX2"


def test_square_roots_of_mkl_need_the_same_processor(sealed: Plan) -> None:
    plan = sealed.model_copy(update={"overrides": sealed.overrides | {"method.pca_dim": None}})
    run = Run(plan, "finetune", "full", 0, "AV")
    record = require_stored(run).record | {"config_hash": run.config_hash}
    assert list(obstacles(run, record)) == []
    record["hardware"]["cpu"] = "another"
    (found,) = obstacles(run, record)
    assert found.reason.startswith("pca_dim: null uses square roots of MKL, which depend on the")
    other = Run(sealed, "finetune", "full", 0, "AV")
    assert list(obstacles(other, require_stored(other).record)) == []


def test_the_data_must_be_here(sealed: Plan, tmp_path: Path) -> None:
    require_data(sealed, clips=False)
    elsewhere = sealed.at(tmp_path / "shards")
    require_data(elsewhere, clips=False)
    frames = sealed.cache_dir / "frames.npy"
    frames.write_bytes(frames.read_bytes()[:-1] + b"\0")
    with pytest.raises(UserError, match="^data/cache.*frames"):
        require_data(elsewhere, clips=False)
    sealed.manifest.unlink()
    with pytest.raises(UserError, match="run `diccae data render --plan small` first"):
        require_data(sealed, clips=False)
