"""The doctor on the disk, data, locks and results of the folders of a plan."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from diccae.datasets.clips import write_meta
from diccae.digests import file_digest
from diccae.doctor import folders, results
from diccae.doctor.check import Check
from diccae.hashes import lock_hash
from diccae.planning.costs import CLIP_BYTES
from diccae.planning.estimate import disk_of, estimate
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run, runs_of_a_seed


def write_record(plan: Plan, **changes: object) -> Path:
    run = Run(plan, "finetune", "full", 0, "AV")
    record = {
        "stage": run.stage,
        "variant": run.variant,
        "seed": run.seed,
        "modality": run.modality,
        "fold": run.fold,
        "config_hash": run.config_hash,
        "source_hash": run.source_hash,
        "lock_hash": lock_hash(),
    }
    path = run.folder / "record.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record | changes))
    return path


def write_cache(plan: Plan, digest: str, **more: object) -> None:
    plan.cache_dir.mkdir(parents=True, exist_ok=True)
    plan.manifest.write_bytes(b"a list of clips")
    counts = {"ok": 7, "missing": 1}
    write_meta(plan.cache_dir, {"manifest_sha256": digest, "counts": counts, **more})


DISK = {"clips": 1000, "cache": 200, "weights": 30, "tables": 10, "working": 5}


def test_what_is_still_to_write_is_the_estimate_of_the_plan_without_what_exists(plan: Plan) -> None:
    # two seeds: warm-up, which is also the pre-training without L_CL, the other pre-trainings, and
    # the fine-tunings
    runs = 2 * len(runs_of_a_seed(plan))
    assert folders.still_to_write(plan, DISK) == sum(DISK.values())
    write_record(plan)
    left = (runs - 1) / runs * 40 + 5
    assert folders.still_to_write(plan, DISK) == pytest.approx(1200 + left)
    write_cache(plan, "any")
    assert folders.still_to_write(plan, DISK) == pytest.approx(left)


def test_doctor_and_plan_state_the_same_disk_space(plan: Plan) -> None:
    space = disk_of(plan)
    assert space == estimate(plan, calibrated=False)["disk"]
    assert space["total"] == folders.still_to_write(plan, space)
    assert space["clips"] == CLIP_BYTES * (360 + 120 + 72 + 60 + 240)


def test_a_disk_too_small_for_the_plan_is_a_problem(plan: Plan) -> None:
    assert folders.disk(plan, lambda: DISK).status == "ok"
    check = folders.disk(plan, lambda: DISK | {"clips": 9 * 10**16})
    assert check.status == "problem"
    assert "about 90000000.0 GB still to write" in check.message


def test_a_disk_that_the_plan_nearly_fills_is_a_warning(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = sum(DISK.values())
    for free, status in ((need - 1, "problem"), (1.2 * need, "warning"), (1.3 * need, "ok")):
        usage = shutil.disk_usage("/")._replace(free=free)
        monkeypatch.setattr(folders.shutil, "disk_usage", lambda folder, usage=usage: usage)
        assert folders.disk(plan, lambda: DISK).status == status


def test_disk_space_that_is_not_known_yet_is_a_warning(plan: Plan) -> None:
    real = plan.model_copy(update={"dataset": "kitchen", "data_root": "nowhere"})
    check = folders.disk(real, lambda: disk_of(real))
    assert check.status == "warning"
    assert check.message.endswith("not known yet")


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


def test_a_plan_of_real_footage_without_lists_is_a_problem(plan: Plan) -> None:
    real = plan.model_copy(update={"dataset": "vggsound", "scale": "embedded"})
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


def test_data_are_missing_listed_cached_or_cached_from_another_list(plan: Plan) -> None:
    assert "not rendered yet" in folders.data(plan).message
    write_cache(plan, hashlib.sha256(b"a list of clips").hexdigest())
    assert folders.data(plan) == Check(
        "data", "ok", "results/data/smoke is rendered and cached: 7 ok, 1 missing"
    )
    (plan.cache_dir / "index.parquet").write_bytes(b"an index")
    write_cache(plan, file_digest(plan.manifest), sha256={"frames": "0" * 64, "index": "0" * 64})
    check = folders.data(plan)
    assert check.status == "problem"
    assert "index.parquet: is not the file that was written with the cache (and 1" in check.message
    (plan.cache_dir / "index.parquet").unlink()
    check = folders.data(plan)
    assert check.status == "warning"
    assert "frames.npy: is not here, so it was not checked" in check.message
    plan.manifest.write_bytes(b"another list")
    check = folders.data(plan)
    assert check.status == "problem"
    assert check.way_out == "diccae data cache --plan smoke"
    (plan.cache_dir / "meta.json").unlink()
    assert "is rendered, not cached yet" in folders.data(plan).message


def test_a_lock_is_stale_only_when_no_workflow_works_in_the_folder(
    plan: Plan, tmp_path: Path
) -> None:
    assert folders.lock().message == "no workflow runs here"
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/table2.csv\n")
    killed = "an earlier workflow was killed; the next one removes its lock"
    assert folders.lock() == Check("lock", "ok", killed)
    path = tmp_path / ".snakemake" / "workflow.lock"
    path.write_text("process 7 on node3\n")
    with open(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        running = "a workflow runs here (process 7 on node3)"
        assert folders.lock() == Check("lock", "ok", running)
    assert folders.lock().message == killed


def test_results_are_stale_when_their_config_or_source_or_lock_changed(plan: Plan) -> None:
    assert results.stale_runs(plan).message == "no finished runs in results/smoke"
    path = write_record(plan)
    assert results.stale_runs(plan).status == "ok"
    write_record(plan, config_hash="0", lock_hash="0")
    check = results.stale_runs(plan)
    assert check.status == "warning"
    assert check.message == "1 of 1 finished runs are stale (changed since: config 1, lock 1)"
    write_record(plan, weights={"vit.pth": "0"})
    assert "(changed since: weights 1)" in results.stale_runs(plan).message
    write_record(plan, variant="no_such_variant")
    assert "(changed since: not in the plan 1)" in results.stale_runs(plan).message
    path.write_text("{")
    assert "(changed since: unreadable 1)" in results.stale_runs(plan).message
