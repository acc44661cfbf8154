"""One run from its composed config to its final files. Checkpoints live in a work folder named by the run's key, so a killed run goes on where it was."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

from diccae import compat
from diccae.compose import Run, compose, initial_weights, pretrain_source, warmup_dir
from diccae.engine import devices
from diccae.engine.explain import explained
from diccae.engine.feature_extractor import extract, loader_of, of_main_process, unwrap
from diccae.engine.hooks.confusion_matrix import ConfusionMatrixHook
from diccae.engine.hooks.history import HistoryHook
from diccae.engine.hooks.pseudo_labels import PseudoLabelHook
from diccae.engine.records import build_record, write_atomically
from diccae.errors import UserError
from diccae.evaluation.prediction_metric import PredictionMetric, accuracies
from diccae.functional.circles import CircleSpec, class_circles
from diccae.functional.degree import confusion_degree, degree_statistics
from diccae.functional.kmeans import cluster_purity, kmeans, nearest_centroid, nmi
from diccae.hashes import config_hash, digest, file_hash, run_key
from diccae.plans import Plan
from diccae.settings import settings_of
from diccae.stopwatch import Stopwatch


def work_dir(key: str) -> Path:
    return Path("results") / "work" / key


def execute(plan: Plan, run: Run) -> Path:
    """Train (or resume) one run and write its declared files; returns the run's work folder. Does nothing when they are there under the same key.

    A copy of the finished files stays in the work folder until the command is done with all its runs: a workflow that deletes the outputs of a job that
    failed half-way gets the finished half back.

    Under torchrun all processes train together, each on batches of the plan's size, and the first alone writes files.

    Raises:
        UserError: what the run starts from is missing, the plan wants a GPU that is not there, or training diverged.
    """
    compat.apply()
    processes = devices.join_processes()
    config = compose(plan, run)
    # mmengine does this for a config that is read from a file
    import_modules_from_strings(**config.custom_imports)
    parents = _parents(plan, run)
    configured = config_hash(config)
    key = run_key(configured, plan, parents)
    if processes > 1:
        # the batch is so many times as large
        key = digest(f"{key} x {processes}")
        devices.use_processes(config, processes)
    folder = plan.run_dir(
        run.stage if run.stage != "warmup" else "pretrain",
        run.variant,
        run.seed,
        run.modality if run.stage == "finetune" else None,
    )
    record = folder / "record.json"
    if record.is_file() and json.loads(record.read_text())["key"] == key:
        _say(f"{folder}: already there (key {key})")
        return work_dir(key)
    started, watch = datetime.now(UTC), Stopwatch()
    work = work_dir(key)
    if (work / "final" / "record.json").is_file():
        if is_main_process():
            shutil.copytree(work / "final", folder, dirs_exist_ok=True)
        _say(f"{folder}: finished earlier (key {key})")
        barrier()
        return work
    work.mkdir(parents=True, exist_ok=True)
    config.work_dir = str(work)
    config.experiment_name = key
    # the workflow's logs hold a progress bar and what went wrong, not every step
    config.log_level = "WARNING"
    latest = latest_checkpoint(work)
    if latest is not None:
        config.load_from, config.resume = str(latest), True
        _say(f"{folder}: going on from {latest.name}")
    devices.prepare(config)
    devices.keep_freed_memory()
    label = f"{run.stage} {run.variant} {run.modality} seed {run.seed}"
    config.custom_hooks += [dict(type="ProgressHook", label=label), dict(type="TerminationHook")]
    runner = Runner.from_cfg(config)
    runner.train()
    files = (
        _supervised_files(runner, plan, run)
        if run.stage == "finetune"
        else _cluster_files(runner, plan, run)
    )
    if is_main_process():
        history = pd.DataFrame(_hook(runner, HistoryHook).rows)
        if run.stage == "pretrain":
            history = _with_cluster_quality(
                history, files["assignments.npz"], plan, _hook(runner, PseudoLabelHook)
            )
        files["history.csv"] = history
        files["weights.pth"] = {
            name: value.detach().cpu().clone()
            for name, value in unwrap(runner).state_dict().items()
        }
        for name, content in files.items():
            write_atomically(work / "final" / name, content)
        record_content = build_record(
            plan,
            run,
            configured,
            key,
            parents,
            {name: file_hash(work / "final" / name) for name in files},
            settings_of(plan, run.stage, run.variant).as_record(),
            _shared_with(plan, run),
            started,
            watch,
        )
        if processes > 1:
            record_content["processes"] = processes
        write_atomically(work / "final" / "record.json", record_content)
        # the record comes last: a folder with a record is whole
        for name, content in {**files, "record.json": record_content}.items():
            write_atomically(folder / name, content)
        for checkpoint in work.glob("epoch_*.pth"):
            checkpoint.unlink()
    # nobody goes on to the next run, or removes this work folder, before its files are there
    barrier()
    return work


def _say(words: str) -> None:
    if is_main_process():
        print(words)


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a work folder; half-written ones carry another suffix and are swept."""
    for torn in folder.glob("*.tmp"):
        torn.unlink(missing_ok=True)
    checkpoints = sorted(folder.glob("epoch_*.pth"), key=lambda path: int(path.stem.split("_")[1]))
    return checkpoints[-1] if checkpoints else None


def _parents(plan: Plan, run: Run) -> dict[str, str]:
    """Hashes of the files this run starts from."""
    settings = settings_of(plan, run.stage, run.variant)
    paths = []
    weights = initial_weights(plan, run, settings)
    if weights is not None:
        paths.append(weights)
    if run.stage == "pretrain" and any(
        hook["type"] == "PseudoLabelHook" for hook in compose(plan, run).custom_hooks
    ):
        paths.append(warmup_dir(plan, run.seed) / "assignments.npz")
    for path in paths:
        if not path.is_file():
            command = (
                "warmup"
                if path.parent == warmup_dir(plan, run.seed)
                else f"pretrain --variant {path.parent.parent.name}"
            )
            raise UserError(
                f"{path} is missing; run `diccae {command} --plan {plan.name} --seed {run.seed}` first"
            )
    return {str(path): file_hash(path) for path in paths}


def _shared_with(plan: Plan, run: Run) -> str | None:
    if run.stage != "finetune":
        return None
    source = pretrain_source(plan, run.variant, run.seed)
    return source if source != run.variant else None


def _hook(runner: Runner, kind: type) -> Any:
    return next((hook for hook in runner.hooks if isinstance(hook, kind)), None)


def _matrix_arrays(runner: Runner) -> dict[str, np.ndarray]:
    hook = _hook(runner, ConfusionMatrixHook)
    names = {
        "degree": "update_degree",
        "weights": "update_weight",
        "centers": "centers",
        "radii": "radii",
        "counts": "counts",
    }
    return (
        {names[key]: value.numpy() for key, value in hook.state.items()} if hook is not None else {}
    )


def _cluster_files(runner: Runner, plan: Plan, run: Run) -> dict[str, Any]:
    """Pre-training: the matrix of the last epoch and every clustering. Warm-up: the first clustering, of audio and video features side by side."""
    assignments: dict[str, np.ndarray] = {
        "ids": np.array([], dtype=str),
        "epochs": np.array([], dtype=int),
    }
    hook = _hook(runner, PseudoLabelHook)
    if hook is not None:
        assignments = hook.table(
            runner.train_dataloader.dataset.ids, loader_of(runner, "update_dataloader").dataset.ids
        )
    elif run.stage == "warmup":
        method, model = settings_of(plan, "warmup", run.variant).method, unwrap(runner)
        extracted = loader_of(runner, "extract_dataloader")
        held_out = Config(dict(runner.cfg.extract_dataloader))
        held_out.dataset.held_out = True
        update = runner.build_dataloader(held_out.to_dict())
        features = extract(model, extracted, model.joint_features, everywhere=False).numpy()
        held_out_features = extract(model, update, model.joint_features, everywhere=False).numpy()

        @explained("first clusters of the training clips")
        def cluster() -> np.ndarray:
            clustering = kmeans(
                features,
                method.kmeans_k,
                restarts=method.kmeans_restarts,
                seed=run.seed,
                spherical=method.kmeans_spherical,
                init=method.kmeans_init,
            )
            fresh = nearest_centroid(
                held_out_features, clustering.centroids, spherical=method.kmeans_spherical
            )
            return np.concatenate([clustering.assignments, fresh]).astype(np.int32)

        assignments = {
            "ids": np.concatenate([extracted.dataset.ids, update.dataset.ids]).astype(str),
            "epochs": np.array([0]),
            "assign_0": of_main_process(cluster),
        }
    return {"assignments.npz": assignments, "confusion.npz": _matrix_arrays(runner)}


def _with_cluster_quality(
    history: pd.DataFrame,
    assignments: dict[str, np.ndarray],
    plan: Plan,
    hook: PseudoLabelHook | None,
) -> pd.DataFrame:
    """Adds purity and mutual information against the true classes where the benchmark knows them: after training, for the report alone.

    Row 0 stands for the clusters that training started from.
    """
    truth = Path(plan.data_root) / "truth.parquet"
    if hook is None or not truth.is_file():
        return history
    labels = pd.read_parquet(truth).set_index("id")["label"].reindex(assignments["ids"]).to_numpy()
    quality = pd.DataFrame(
        [
            {
                "epoch": int(epoch),
                "purity": cluster_purity(assignments[f"assign_{epoch}"], labels),
                "nmi": nmi(assignments[f"assign_{epoch}"], labels),
                "inertia": hook.inertia.get(int(epoch)),
            }
            for epoch in assignments["epochs"]
        ]
    )
    return history.merge(quality, on="epoch", how="outer").sort_values("epoch", ignore_index=True)


def _supervised_files(runner: Runner, plan: Plan, run: Run) -> dict[str, Any]:
    runner.test()
    if not is_main_process():
        # the metric is with the main process
        return {}
    metric = next(
        metric for metric in runner.test_evaluator.metrics if isinstance(metric, PredictionMetric)
    )
    index = runner.test_dataloader.dataset.cache.index
    predictions = metric.predictions.assign(id=index["id"].to_numpy()[metric.predictions["row"]])
    used = (
        loader_of(runner, "update_dataloader").dataset.ids if runner.cfg.update_dataloader else []
    )
    predictions["in_update"] = predictions["id"].isin(set(used)) & (predictions["split"] == "test")
    predictions = predictions.drop(columns="row").sort_values(
        ["split", "view", "id"], ignore_index=True
    )

    method = settings_of(plan, run.stage, run.variant).method
    splits, labels = index["split"].to_numpy()[metric.rows], index["label"].to_numpy()[metric.rows]
    test = splits == "test"
    classes = unwrap(runner).confusion_weights.shape[0]
    with explained("degrees of confusion of the test clips"):
        circles = class_circles(
            torch.from_numpy(metric.embeddings[test]),
            torch.from_numpy(labels[test].astype(np.int64)),
            classes,
            CircleSpec(
                centroid=method.centroid,
                pca_dim=method.pca_dim,
                pca_scope=method.pca_scope,
                circle=method.circle,
                coverage=method.coverage,
            ),
        )
    degree, clamped = confusion_degree(circles)
    headline = predictions[(predictions["split"] == "test") & (predictions["view"] == "multi")]
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (headline["label"].to_numpy(), headline["top1"].to_numpy()), 1)
    reached = accuracies(predictions)
    metrics = {
        "plan": plan.name,
        "variant": run.variant,
        "seed": run.seed,
        "modality": run.modality,
        "accuracy": {
            split: {
                "n": int((splits == split).sum()),
                "top1_single": reached[f"{split}_top1_single"],
                "top1_multi": reached[f"{split}_top1_multi"],
                "top5_multi": reached[f"{split}_top5_multi"],
            }
            for split in ("test", "validation")
        },
        "degrees": {"test": {**degree_statistics(degree), "clamped": clamped}},
    }
    matrix = {
        "test_degree": degree.numpy(),
        "test_centers": circles.centers.numpy(),
        "test_radii": circles.radii.numpy(),
        "test_counts": circles.counts.numpy(),
        "counts_matrix": counts,
        **_matrix_arrays(runner),
    }
    return {"metrics.json": metrics, "predictions.parquet": predictions, "confusion.npz": matrix}
