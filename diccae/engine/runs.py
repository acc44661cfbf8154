"""One run from its composed config to its final files.

Checkpoints are in a work folder named by the run's key, so that an interrupted run resumes.
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

from diccae import compat
from diccae.checkpoints import latest_checkpoint
from diccae.clip_modality import require_modality
from diccae.clips_hash import clips_hash
from diccae.engine import devices, held_kernels
from diccae.engine.compute import compute_of
from diccae.engine.feature_extractor import of_main_process, unwrap
from diccae.engine.hooks.history import HistoryHook
from diccae.engine.hooks.update_set import used_ids
from diccae.engine.lean_runner import LeanRunner, lean_runner
from diccae.engine.records import build_record, write_atomically
from diccae.engine.run_lock import sole_trainer
from diccae.engine.scoring import scored_files
from diccae.errors import UserError
from diccae.hashes import file_hash, lock_hash, run_key, weight_hashes
from diccae.run_graph import Run
from diccae.settings import plan_settings
from diccae.shared_memory import shortage
from diccae.stopwatch import Stopwatch
from diccae.whole_file import write_error

RECORD = "record.json"


@dataclass(frozen=True)
class Origin:
    """What a run's numbers depend on.

    Attributes:
        parts: by the names of `KEY_PARTS`, as the record holds them: digests of the composed
            config, the data, the code and the lock; of each file of another run that the run starts
            from and of each other file of weights, by path; number of processes if several train.
        key: digest of all of these.
    """

    parts: dict[str, Any]
    key: str

    @property
    def processes(self) -> int:
        """Number of processes that train together."""
        return self.parts.get("processes", 1)


def execute(run: Run) -> None:
    """Train or resume one run and write its files; does nothing if they exist under the same key.

    Under torchrun all processes train together, each with batches of the plan's size, and only the
    main process writes files.

    Raises:
        UserError: a file that the run starts from is missing, the plan needs a GPU and there is
            none, the clip cache was made for another modality, this process computes with other
            kernels or threads than the plan says, or training diverged.
    """
    compat.apply()
    processes = devices.join_process_group()
    config = run.config()
    # mmengine does this for a config that is read from a file
    import_modules_from_strings(**config.custom_imports)
    origin = origin_of(run, processes)
    # the main process decides for all, also while another process writes the files of this run
    if of_main_process(lambda: _finished(run, origin)):
        return
    held_kernels.require(run.settings.runtime)
    work = work_dir(origin.key)
    with sole_trainer(work) if is_main_process() else nullcontext():
        # the others wait for the main process, and all of them for a process that trains this run
        if not of_main_process(lambda: _finished(run, origin)):
            _execute(run, config, origin, work)
        # no process starts the next run before these files exist
        barrier()


def _finished(run: Run, origin: Origin) -> bool:
    record = run.record()
    if record is None:
        if (run.folder / RECORD).is_file():
            _print(f"{run.folder}: a file is missing or damaged; training this run again")
        return False
    if record.get("key") != origin.key:
        return False
    for name, stated in record["files"].items():
        if file_hash(run.folder / name) != stated:
            path = run.folder / name
            _print(f"{path} is not the file that was written; training this run again")
            return False
    _print(f"{run.folder}: already finished (key {origin.key})")
    return True


def _execute(run: Run, config: Config, origin: Origin, work: Path) -> None:
    watch = Stopwatch()
    runner = train(run, config, work, origin.processes)
    files = collect(runner, run)
    compute = compute_of(runner, run)
    runner.end_workers()
    # every process writes a log of its test into the work folder, which is removed below
    barrier()
    if is_main_process():
        publish(run, origin, files, compute, watch)
        shutil.rmtree(work)


def origin_of(run: Run, processes: int = 1) -> Origin:
    """What the numbers of a run depend on.

    Raises:
        UserError: a file that it starts from is missing; says where it comes from.
    """
    for parent, source in run.parents.items():
        path = source.folder / parent.file
        if not path.is_file():
            raise UserError(
                f"{path} is missing; run `diccae train --plan {run.plan.name} "
                f"--variant {source.variant} --seed {run.seed}` first"
            )
        record = source.record() or {"files": {}}
        if file_hash(path) != record["files"].get(parent.file):
            raise UserError(
                f"{path} is damaged: it is not the file that its record.json names; remove "
                f"{source.folder}, then run the same command again, which trains that run again"
            )
    parts: dict[str, Any] = {
        "config_hash": run.config_hash,
        "data_hash": clips_hash(run.plan),
        "source_hash": run.source_hash,
        "lock_hash": lock_hash(),
        "parents": {str(path): file_hash(path) for path in run.parent_files.values()},
    }
    if run.weight_files:
        parts["weights"] = weight_hashes(run.weight_files)
    if processes > 1:
        # the joint batch is larger by this factor, so the numbers differ
        parts["processes"] = processes
    return Origin(parts, run_key(parts))


def work_dir(key: str) -> Path:
    """The folder for the checkpoints of a run, relative to the working directory."""
    return Path("results") / "work" / key


def train(run: Run, config: Config, work: Path, processes: int) -> LeanRunner:
    """Train a run to its end, from the last checkpoint in its work folder if there is one.

    Args:
        run: the run.
        config: its composed config, changed in place.
        work: its work folder, see `work_dir`.
        processes: number of processes that train together.
    """
    plan = run.plan
    lacking = shortage(plan_settings(plan), plan.modality, processes=processes)
    if lacking is not None:
        raise UserError("; ".join(lacking))
    require_modality(plan)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(work, error) from None
    config.work_dir = str(work)
    config.experiment_name = work.name
    # the logs of the workflow have a progress bar and warnings, not every step
    config.log_level = "WARNING"
    latest = latest_checkpoint(work)
    if latest is not None:
        config.load_from, config.resume = str(latest), True
        _print(f"{run.folder}: resuming from {latest.name}")
    if processes > 1:
        devices.use_processes(config, processes)
    devices.prepare(config)
    devices.keep_freed_memory()
    config.custom_hooks += [
        dict(type="ProgressHook", label=str(run)),
        dict(type="TerminationHook"),
    ]
    runner = lean_runner(config)
    # each process writes a log of its test there, and the main process alone makes the folder
    Path(runner.log_dir).mkdir(parents=True, exist_ok=True)
    runner.train()
    return runner


def collect(runner: Runner, run: Run) -> dict[str, Any]:
    """Contents of the files of a trained run by name, in the main process; empty in the others.

    The validation and test clips are scored if the stage is a scored one.
    """
    used = used_ids(runner)
    files = scored_files(runner, run, used) if run.spec.scored else {}
    if not is_main_process():
        return {}
    for hook in runner.hooks:
        if hasattr(hook, "result_files"):
            for name, arrays in hook.result_files(runner).items():
                files[name] = files.get(name, {}) | arrays
    history = next(hook for hook in runner.hooks if isinstance(hook, HistoryHook))
    files["history.csv"] = pd.DataFrame(history.rows)
    files["weights.pth"] = _final_weights(runner)
    return files


def _final_weights(runner: Runner) -> dict[str, Any]:
    """The state dict that was scored; that of the averaged weights if the run averages them."""
    average = next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
    weights = unwrap(runner).state_dict()
    if average is not None:
        # the parameters alone: EMAHook leaves buffers as they are in the model
        weights |= dict(average.ema_model.module.named_parameters(remove_duplicate=False))
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


def publish(
    run: Run, origin: Origin, files: dict[str, Any], compute: dict[str, Any], watch: Stopwatch
) -> None:
    """Write the files of a run into its folder, the record last, so that a folder with a record is
    complete."""
    (run.folder / RECORD).unlink(missing_ok=True)
    for name, content in files.items():
        write_atomically(run.folder / name, content)
    for path in run.folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()
    digests = {name: file_hash(run.folder / name) for name in files}
    write_atomically(run.folder / RECORD, build_record(run, origin, digests, compute, watch))


def _print(message: str) -> None:
    if is_main_process():
        print(message)
