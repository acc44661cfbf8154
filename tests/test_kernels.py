"""Threads and instruction sets: what is set, what is checked, what the key and the record hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from diccae import kernels
from diccae.engine.held_kernels import held, require
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.run_graph import Run
from diccae.sections import Runtime
from diccae.workflow import PlannedJob, jobs

# a command that prints what a command finds when it starts
PROBE = """
import json, os, sys
from diccae.cli.main import app
from diccae.cli.options import PlanName
from diccae.kernels import loaded

@app.command()
def probe(plan: PlanName = "pinned.yaml") -> None:
    print(json.dumps([loaded(sys.modules), dict(os.environ)]))

app(["probe"])
"""
FLAGS = "vendor_id\t: any\nflags\t\t: fpu {}\n"


def with_runtime(**runtime: object) -> Plan:
    return load_plan("smoke").model_copy(update={"runtime": Runtime(**runtime)})


def test_portable_adds_to_what_is_always_set() -> None:
    fastest, portable = (
        kernels.environment(name, 3, avx2=True) for name in ("fastest", "portable")
    )
    assert {fastest[name] for name in kernels.THREADS} == {"3"}
    assert fastest["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert fastest["MKL_CBWR"] is None
    assert portable == fastest | {"MKL_CBWR": "COMPATIBLE"}


def test_without_avx2_the_threads_alone_are_set() -> None:
    """An instruction set that a processor lacks would end the process."""
    wanted = kernels.environment("fastest", 1, avx2=False)
    assert {name for name, value in wanted.items() if value} == set(kernels.THREADS)


@pytest.mark.parametrize(
    ("machine", "flags", "found"),
    [
        ("x86_64", "sse2 avx fma avx2", True),
        ("x86_64", "sse2 avx", False),
        ("aarch64", "avx2 fma", False),
    ],
)
def test_avx2_is_read_from_the_description(
    tmp_path: Path, machine: str, flags: str, found: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(FLAGS.format(flags))
    assert kernels.has_avx2(machine, tmp_path / "cpuinfo") is found
    assert not kernels.has_avx2(machine, tmp_path / "none")


def test_portable_is_refused_without_avx2() -> None:
    with pytest.raises(UserError, match="portable needs an x86-64 processor with AVX2"):
        kernels.check_processor("portable", avx2=False)
    kernels.check_processor("fastest", avx2=False)


def test_a_process_with_other_settings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require(Runtime())
    with pytest.raises(UserError, match="OMP_NUM_THREADS is 1 instead of 2, .*diccae train"):
        require(Runtime(threads=2))
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    with pytest.raises(UserError, match="MKL_CBWR is AVX2 instead of COMPATIBLE;"):
        require(Runtime())


def test_other_threads_than_the_environment_says_are_refused() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(UserError, match="torch uses 2 threads instead of 1"):
            require(Runtime())
    finally:
        torch.set_num_threads(before)


def test_the_record_tells_threads_and_instructions() -> None:
    found = held(Runtime())
    assert (found["kernels"], found["threads"], found["torch_threads"]) == ("portable", 1, 1)
    assert found["environment"]["OMP_NUM_THREADS"] == "1"
    assert found["environment"]["MKL_CBWR"] == "COMPATIBLE"


def test_every_choice_changes_the_key_of_every_run() -> None:
    choices: list[dict[str, object]] = [{}, {"kernels": "fastest"}, {"threads": 2}]
    plans = [with_runtime(**each) for each in [*choices, {"deterministic": True}]]
    for stage in ("warmup", "pretrain", "finetune"):
        assert len({Run(plan, stage, "full", 0).config_hash for plan in plans}) == 4


def test_deterministic_algorithms_are_asked_of_torch_and_of_cublas() -> None:
    runtime = Runtime(deterministic=True)
    assert Run(with_runtime(deterministic=True), "finetune", "full", 0).config().randomness == {
        "seed": Run(with_runtime(), "finetune", "full", 0).config().randomness.seed,
        "deterministic": True,
    }
    # as torch's documentation of use_deterministic_algorithms says
    assert kernels.environment("portable", 1, True)["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert kernels.environment("portable", 1)["CUBLAS_WORKSPACE_CONFIG"] is None
    with pytest.raises(UserError, match=r"is not set instead of :4096:8; .*deterministic=True\)"):
        require(runtime)


def test_the_key_is_stated_only_where_it_is_set() -> None:
    """Records of the committed reference are older than it."""
    assert Runtime().model_dump() == {"kernels": "portable", "threads": 1}
    assert Runtime(deterministic=True).model_dump()["deterministic"] is True
    assert "deterministic" not in held(Runtime())


def test_portable_takes_no_square_root_of_mkl() -> None:
    configs = [
        Run(with_runtime(kernels=name), "finetune", "full", 0).config()
        for name in ("portable", "fastest")
    ]
    assert [config.optim_wrapper.optimizer.get("fused") for config in configs] == [True, None]


def test_snakemake_reserves_the_threads_of_a_run() -> None:
    of_plan = jobs(with_runtime(threads=2))
    assert {PlannedJob(job, of_plan).threads for job in of_plan.values()} == {2}


def test_the_command_overrules_the_environment(tmp_path: Path) -> None:
    """The plan's settings hold before a command imports a library that reads them."""
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    content |= {"name": "pinned", "runtime": {"kernels": "portable", "threads": 2}}
    (tmp_path / "pinned.yaml").write_text(yaml.safe_dump(content))
    odd = {"OMP_NUM_THREADS": "7", "MKL_CBWR": "AVX2", "MKL_DYNAMIC": "TRUE"}
    result = subprocess.run(
        [sys.executable, "-c", PROBE], env=os.environ | odd, cwd=tmp_path, capture_output=True
    )
    loaded, found = json.loads(result.stdout)
    assert not loaded
    wanted = kernels.environment("portable", 2)
    assert kernels.differences(wanted, found) == []
    assert wanted["OMP_NUM_THREADS"] == "2"
