"""The checks of the doctor on good and bad machines, plans and results; the command itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from diccae.cli import doctor
from diccae.doctor import folders, installation, machine, results
from diccae.doctor.check import Check
from diccae.hashes import lock_hash
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run
from diccae.source import source_hash

UNKNOWN_UID = 3_999_999_999


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The smoke plan in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return load_plan("smoke")


def with_overrides(plan: Plan, **overrides: object) -> Plan:
    return plan.model_copy(update={"overrides": plan.overrides | overrides})


def write_record(plan: Plan, **changes: object) -> Path:
    run = Run(plan, "finetune", "full", 0, "AV")
    record = {
        "stage": run.stage,
        "variant": run.variant,
        "seed": run.seed,
        "modality": run.modality,
        "config_hash": run.config_hash,
        "source_hash": source_hash(run.config(), "diccae"),
        "lock_hash": lock_hash(),
    }
    path = run.folder / "record.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record | changes))
    return path


def write_cache(plan: Plan, digest: str) -> None:
    plan.cache_dir.mkdir(parents=True)
    plan.manifest.write_bytes(b"a list of clips")
    (plan.cache_dir / "meta.json").write_text(
        json.dumps({"manifest_sha256": digest, "counts": {"ok": 7, "missing": 1}})
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_machine_without_gpu_suits_the_embedded_plan_and_no_other(plan: Plan) -> None:
    check = machine.gpus(plan)
    assert (check.status, check.message) == ("ok", "none; plan smoke runs on the CPU")
    check = machine.gpus(plan.model_copy(update={"scale": "vggsound"}))
    assert check.status == "warning"
    assert "--gpus all" in check.way_out


def test_shared_memory_matters_only_with_loader_workers(plan: Plan, tmp_path: Path) -> None:
    assert machine.shared_memory(plan, tmp_path / "none").status == "ok"
    busy = with_overrides(plan, **{"schedule.num_workers": 4})
    assert machine.shared_memory(busy, tmp_path, wanted=1).status == "ok"
    check = machine.shared_memory(busy, tmp_path / "none")
    assert check.status == "warning"
    assert "does not exist, wanted 1 GB for 4 loader workers" in check.message
    assert "--shm-size" in check.way_out


def test_disk_need_counts_clips_cache_and_runs_that_are_not_there_yet(plan: Plan) -> None:
    clips = 360 + 120 + 72 + 60 + 240
    frames_and_mels = 3 * 16 * 36 * 36 + 2 * 64 * 64
    # two seeds: warm-up, four pre-trainings and fifteen fine-tunings each
    runs = 2 * (1 + 4 + sum(map(len, plan.variants().values())))
    fresh = clips * (folders.CLIP_BYTES + frames_and_mels) + runs * folders.RUN_BYTES
    assert folders.disk_need(plan) == (fresh, [])
    write_record(plan)
    assert folders.disk_need(plan)[0] == fresh - folders.RUN_BYTES
    write_cache(plan, "any")
    assert folders.disk_need(plan)[0] == (runs - 1) * folders.RUN_BYTES


def test_a_disk_too_small_for_the_plan_is_a_problem(plan: Plan) -> None:
    assert folders.disk(plan).status == "ok"
    counts = {"unlabelled": 10**12, "train": 0, "update": 0, "validation": 0, "test": 0}
    check = folders.disk(with_overrides(plan, **{"benchmark.counts": counts}))
    assert check.status == "problem"
    assert "about 90400000.1 GB still to write" in check.message


def test_lists_and_folders_that_a_plan_names_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = load_plan("vggsound")
    assert plan.lists is not None
    check = folders.data(plan)
    assert check.status == "problem"
    assert check.message.startswith(
        "9 of 9 lists and folders are missing: media/lists/vggsound.csv (lists), "
    )
    for source in plan.lists.sources:
        Path(source.media).mkdir(parents=True)
        for path in source.lists:
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).touch()
    assert folders.data(plan).message == "all 9 lists and folders exist; the workflow reads them"
    # clips are decoded while training: nothing is cached
    assert folders.disk_need(plan) == (0, ["runs"])


def test_what_a_plan_of_real_footage_needs_is_said_to_be_unknown_before_its_list_exists(
    plan: Plan,
) -> None:
    real = plan.model_copy(update={"dataset": "vggsound", "scale": "embedded"})
    assert folders.disk_need(real)[1] == ["cache"]
    check = folders.data(real)
    assert check.status == "problem"
    assert check.message == "results/data/smoke/manifest.parquet is missing"


def test_folders_that_cannot_be_written_are_named(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folders.writable(plan).status == "ok"
    monkeypatch.chdir("/proc")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/cache")
    check = folders.writable(plan)
    assert check.status == "problem"
    assert "results/smoke (results)" in check.message
    assert "/proc/cache (user cache)" in check.message
    assert "(temporary)" not in check.message
    assert (
        check.way_out == "give results to your user, or mount it writable; "
        "set XDG_CACHE_HOME to a writable folder"
    )


def test_an_unknown_uid_needs_a_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    check = machine.user(UNKNOWN_UID)
    assert check.status == "problem"
    assert "export USER=" in check.way_out
    monkeypatch.setenv("USER", "guest")
    assert machine.user(UNKNOWN_UID).status == "ok"
    assert machine.user(0) == Check("user", "ok", "0 (root)")


def test_data_are_missing_listed_cached_or_cached_from_another_list(plan: Plan) -> None:
    assert "not rendered yet" in folders.data(plan).message
    write_cache(plan, hashlib.sha256(b"a list of clips").hexdigest())
    assert folders.data(plan) == Check(
        "data", "ok", "results/data/smoke is rendered and cached: 7 ok, 1 missing"
    )
    plan.manifest.write_bytes(b"another list")
    check = folders.data(plan)
    assert check.status == "problem"
    assert check.way_out == "diccae data cache --plan smoke"
    (plan.cache_dir / "meta.json").unlink()
    assert "is rendered, not cached yet" in folders.data(plan).message


def test_a_lock_is_stale_only_when_no_snakemake_works_in_the_folder(
    plan: Plan, tmp_path: Path
) -> None:
    assert folders.lock().status == "ok"
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/table2.csv\n")
    check = folders.lock()
    assert check.status == "problem"
    assert check.way_out.endswith("snakemake --unlock")
    program = tmp_path / "bin" / "snakemake"
    program.parent.mkdir()
    program.write_text("print(flush=True)\ninput()\n")
    with subprocess.Popen(
        [sys.executable, str(program)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert folders.lock().message == f"a workflow runs here (process {process.pid})"
        process.communicate(b"\n")


def test_results_are_stale_when_their_config_or_source_or_lock_changed(plan: Plan) -> None:
    assert results.stale_runs(plan).message == "no finished runs in results/smoke"
    path = write_record(plan)
    assert results.stale_runs(plan).status == "ok"
    write_record(plan, config_hash="0", lock_hash="0")
    check = results.stale_runs(plan)
    assert check.status == "warning"
    assert check.message == "1 of 1 finished runs are stale (changed since: config 1, lock 1)"
    write_record(plan, variant="no_such_variant")
    assert "(changed since: not in the plan 1)" in results.stale_runs(plan).message
    path.write_text("{")
    assert "(changed since: unreadable 1)" in results.stale_runs(plan).message


def test_installed_versions_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    hashes = " \\\n    --hash=sha256:00\n    # via diccae\n"
    elsewhere = f"only-there==1 ; sys_platform == 'win32'{hashes}"
    lock.write_text(f"torch=={torch.__version__.split('+')[0]}{hashes}{elsewhere}")
    assert installation.versions(lock) == Check(
        "versions", "ok", "all 1 packages as in requirements.lock"
    )
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
    assert check.way_out == "pip install 'diccae[torchcodec]'"


def test_a_check_that_breaks_is_a_problem_and_not_a_traceback() -> None:
    def broken() -> Check:
        raise ImportError("libcudart.so.12: cannot open shared object file")

    check = doctor.guarded("faiss", broken)
    assert (check.name, check.status) == ("faiss", "problem")
    assert "libcudart" in check.message
    assert (
        doctor.guarded("odd", lambda: 1 / 0).message
        == "could not be checked: ZeroDivisionError: division by zero"
    )  # type: ignore[arg-type, return-value]


def test_the_command_prints_a_line_a_check_and_fails_only_on_a_problem(
    plan: Plan, tmp_path: Path
) -> None:
    app = typer.Typer()
    doctor.register(app)
    result = CliRunner().invoke(app, ["--plan", "smoke", "--json"])
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert [name for name, check in checks.items() if check["status"] == "problem"] == []
    assert result.exit_code == 0
    assert list(checks) == [
        *("python", "versions", "torch", "cuda", "gpu", "faiss", "decoder", "shared memory"),
        *("disk", "folders", "user", "data", "lock", "results"),
    ]
    assert checks["decoder"]["message"].startswith("PyAV ")
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    result = CliRunner().invoke(app, ["--plan", "smoke"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == len(checks)
    assert [line for line in lines if line.startswith("PROBLEM")][0].startswith("PROBLEM  lock ")
