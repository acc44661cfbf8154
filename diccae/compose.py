"""plan + stage + variant + modality + seed -> one self-contained mmengine config.

The composed config holds everything that decides the outcome of a run and nothing else, so its hash names the run: two variants whose pre-training
does not differ compose to the same config and share that run. It trains and tests with mmaction2's stock `tools/train.py` and `tools/test.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from diccae.settings import CONFIG_ROOT, Method, Plan, Schedule, checked
from diccae.structures import UserError

MODALITIES = {"A": ("audio",), "V": ("video",), "AV": ("audio", "video")}


@dataclass(frozen=True)
class Run:
    """One training run. `modality` is always AV in warm-up and pre-training."""

    stage: str
    variant: str
    seed: int
    modality: str = "AV"


@dataclass(frozen=True)
class Settings:
    """The choices of one run after base, variant and plan were merged."""

    method: Method
    schedule: Schedule
    base: dict[str, Any]
    pretrained: bool
    finetuned: bool

    def as_record(self) -> dict[str, Any]:
        """What record.json keeps: the composed value of every choice, by the dotted keys that the ambiguity register names."""
        model = {key: self.base[key] for key in ("audio_encoder", "video_encoder", "video_input", "embedding_dim")}
        return {
            "method": self.method.model_dump(),
            "schedule": self.schedule.model_dump(),
            "model": model,
            "data": self.base["data"],
            "cache": self.base["cache"],
            "benchmark": self.base.get("benchmark"),
        }


@lru_cache
def _base(scale: str) -> Config:
    folder = CONFIG_ROOT / "base" / scale
    if not folder.is_dir():
        known = sorted(path.name for path in (CONFIG_ROOT / "base").iterdir() if path.is_dir())
        raise UserError(f"scale {scale!r} has no folder {folder}; known scales: {', '.join(known)}")
    merged = Config.fromfile(CONFIG_ROOT / "base" / "method.py")
    for name in ("data", "model", "schedule"):
        merged.merge_from_dict(Config.fromfile(folder / f"{name}.py").to_dict())
    return merged


@lru_cache
def _variant(name: str) -> dict[str, Any]:
    return Config.fromfile(CONFIG_ROOT / "variants" / f"{name}.py").to_dict()


def _set(config: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key that must exist; a new key would be a typo that changes nothing."""
    *parents, last = key.split(".")
    node: Any = config
    for part in [*parents, last]:
        if not isinstance(node, dict) or part not in node:
            known = ", ".join(node) if isinstance(node, dict) else "nothing below it"
            raise UserError(f"{where}: no key {key!r} in configs/base; at {part!r} there is: {known}")
        if part is not last:
            node = node[part]
    node[last] = value


@lru_cache
def _merged(plan_json: str, stage: str, variant: str) -> Settings:
    plan = Plan.model_validate_json(plan_json)
    try:
        name, parameters = plan.split_variant(variant)
    except ValueError as error:
        raise UserError(str(error)) from None
    config = _base(plan.scale).to_dict()
    difference = _variant(name)
    where = f"configs/variants/{name}.py"
    for part in ("method", "pretrain" if stage in ("pretrain", "warmup") else "finetune"):
        for key, value in difference.get(part, {}).items():
            _set(config, f"method.{key}", value, where)
    for key, value in {**plan.overrides, **parameters}.items():
        _set(
            config,
            key,
            value,
            f"plan {plan.name}, overrides" if key in plan.overrides else f"plan {plan.name}, parameters",
        )
    stages = {"pretrain": True, "finetune": True, **difference.get("stages", {})}
    return Settings(
        method=checked(Method, config.pop("method"), f"{where}, method"),
        schedule=checked(Schedule, config.pop("schedule"), f"plan {plan.name}, schedule"),
        base=config,
        pretrained=stages["pretrain"],
        finetuned=stages["finetune"],
    )


def settings_of(plan: Plan, stage: str, variant: str) -> Settings:
    return _merged(plan.model_dump_json(by_alias=True), stage, variant)


def needs_clusters(settings: Settings) -> bool:
    """Whether anything in pre-training reads cluster ids."""
    return settings.method.confusion_weight > 0 or settings.method.cluster_cross_entropy


def compose(plan: Plan, run: Run) -> Config:
    """The self-contained mmengine config of one run (paths are relative to the working directory).

    Raises:
        UserError: a variant, an override or a number is not possible; names the file and the key.
    """
    settings = settings_of(plan, run.stage, run.variant)
    method, schedule, data = settings.method, settings.schedule, settings.base["data"]
    stage = getattr(schedule, run.stage)
    supervised = run.stage == "finetune"
    clustered = run.stage == "pretrain" and needs_clusters(settings)
    labelled = supervised or clustered
    confusion = labelled and method.confusion_weight > 0
    classify = supervised or (clustered and method.cluster_cross_entropy)
    num_classes = data["num_classes"] if supervised else method.kmeans_k
    modalities = MODALITIES[run.modality]
    update_redraw = method.update_redraw == "each_epoch"

    common = dict(type="AVClipDataset", cache_dir=str(plan.cache_dir), seed=run.seed, modalities=modalities)
    if supervised:
        update_split = "test" if method.update_set == "test_portion" else "update"
        train_set = dict(common, splits=["train"], per_class=data["train_per_class"])
        update_set = dict(common, splits=[update_split], per_class=data["update_per_class"], test_mode=True)
    else:
        sources = None if method.sources == "all" else list(method.sources)
        pool = dict(common, splits=["unlabelled"], holdout=data["update_unlabelled"])
        train_set = dict(pool, sources=sources)
        update_set = dict(pool, held_out=True, test_mode=True)
    pipeline = [
        dict(type="LoadCachedClip"),
        dict(type="RandomFrames", num_frames=data["num_frames"]),
        dict(type="RandomCropFlip", size=data["frame_size"], flip=data["flip"]),
        dict(type="PackAVInputs"),
    ]
    test_pipeline = [
        dict(type="LoadCachedClip"),
        dict(type="FrameViews", num_frames=data["num_frames"], views=schedule.views),
        dict(type="CentreCrop", size=data["frame_size"]),
        dict(type="PackAVInputs"),
    ]
    single_view = [dict(test_pipeline[1], views=1) if step["type"] == "FrameViews" else step for step in test_pipeline]
    train_set["pipeline"] = pipeline
    update_set["pipeline"] = single_view

    sampler: dict[str, Any] = dict(sampler=dict(type="DefaultSampler", shuffle=True, seed=run.seed), drop_last=True)
    if (method.finetune_batches if supervised else method.pretrain_batches if clustered else "uniform") == "p_x_k":
        # mmengine hands batch_size to the batch sampler
        sampler = dict(
            sampler=dict(type="DefaultSampler", shuffle=True, seed=run.seed),
            batch_sampler=dict(type="PKSampler", samples_per_class=data["samples_per_class"], seed=run.seed),
        )

    def loader(dataset: dict[str, Any], batch_size: int, **extra: Any) -> dict[str, Any]:
        workers = schedule.num_workers
        return dict(
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=dataset,
            collate_fn=dict(type="pseudo_collate"),
            **extra,
        )

    frozen = dict(type="DefaultSampler", shuffle=False)
    heads = dict(
        confusion_loss=dict(
            type="ConfusionLoss",
            similarity=method.similarity,
            reduction=method.pair_reduction,
            pairs=method.pairs,
            num_classes=num_classes,
            feature_dim=settings.base["embedding_dim"],
            loss_weight=method.confusion_weight,
        )
        if confusion
        else None,
        info_nce=dict(
            type="InfoNCELoss",
            temperature=method.temperature,
            contrast=method.infonce_contrast,
            loss_weight=method.infonce_weight,
        )
        if method.infonce_weight > 0 and len(modalities) == 2
        else None,
        cls_head=classify,
    )
    model = dict(
        type="DICCAE",
        modalities=modalities,
        num_classes=num_classes,
        embedding_dim=settings.base["embedding_dim"],
        audio_encoder=settings.base["audio_encoder"] if "audio" in modalities else None,
        video_encoder=settings.base["video_encoder"] if "video" in modalities else None,
        normalize_features=method.normalize_features,
        data_preprocessor=dict(
            type="AVPreprocessor",
            cache_meta=str(plan.cache_dir / "meta.json"),
            spec_augment=data["spec_augment"],
            video_input=settings.base["video_input"],
            two_views=method.infonce_contrast in ("intra_modal", "both") and heads["info_nce"] is not None,
        ),
        **heads,
    )
    custom_hooks: list[dict[str, Any]] = [dict(type="ReproducibilityHook", seed=run.seed), dict(type="HistoryHook")]
    if clustered:
        custom_hooks.append(
            dict(
                type="PseudoLabelHook",
                k=method.kmeans_k,
                restarts=method.kmeans_restarts,
                refine_every=method.refine_every,
                seed=run.seed,
                spherical=method.kmeans_spherical,
                init=method.kmeans_init,
                reinit_head=method.reinit_head,
                initial=str(warmup_dir(plan, run.seed) / "assignments.npz"),
            )
        )
    if confusion and method.weighting != "static":
        custom_hooks.append(
            dict(
                type="ConfusionMatrixHook",
                centroid=method.centroid,
                pca_dim=method.pca_dim,
                pca_scope=method.pca_scope,
                circle=method.circle,
                coverage=method.coverage,
                normalization=method.normalization,
                weight_range=method.weight_range,
                diagonal_weight=method.diagonal_weight,
                weight_floor=method.weight_floor,
                smoothing=method.smoothing,
                flat=method.weighting == "flat_mean",
                redraw=update_redraw,
            )
        )
    if confusion and method.weighting == "static":
        model["static_weight"] = method.static_weight
    init = initial_weights(plan, run, settings)
    if init is not None:
        model["init_cfg"] = dict(type="EncoderWeights", checkpoint=str(init), fusion=run.modality == "AV")

    config = Config.fromfile(CONFIG_ROOT / "base" / "runtime.py", import_custom_modules=False)
    config.merge_from_dict(
        dict(
            model=model,
            train_dataloader=loader(train_set, stage.batch_size, **sampler),
            # an epoch of fine-tuning is shorter than writing a checkpoint
            default_hooks=dict(checkpoint=dict(interval=10 if supervised else 1)),
            train_cfg=dict(type="EpochBasedTrainLoop", max_epochs=stage.epochs, val_interval=stage.epochs + 1),
            optim_wrapper=dict(
                type="OptimWrapper", optimizer=dict(type="Adam", lr=stage.lr, weight_decay=stage.weight_decay)
            ),
            param_scheduler=[
                dict(type="CosineAnnealingLR", T_max=stage.epochs, by_epoch=True, convert_to_iter_based=True)
            ],
            randomness=dict(seed=run.seed, deterministic=False),
            custom_hooks=custom_hooks,
            update_dataloader=loader(update_set, schedule.eval_batch_size, sampler=frozen) if labelled else None,
            extract_dataloader=loader(
                dict(train_set, pipeline=single_view, test_mode=True), schedule.eval_batch_size, sampler=frozen
            )
            if not supervised
            else None,
        )
    )
    if supervised:
        test_set = dict(common, splits=["validation", "test"], test_mode=True, pipeline=test_pipeline)
        config.test_dataloader = ConfigDict(loader(test_set, schedule.eval_batch_size, sampler=frozen))
        config.test_cfg = dict(type="TestLoop")
        config.test_evaluator = [dict(type="AccMetric", metric_list=("top_k_accuracy",)), dict(type="PredictionMetric")]
    return config


def warmup_dir(plan: Plan, seed: int) -> Path:
    return plan.run_dir("pretrain", "warmup", seed)


def pretrain_source(plan: Plan, variant: str, seed: int) -> str | None:
    """The variant whose pre-training `variant` starts fine-tuning from: itself, or the first of the plan that composes to the same config."""
    if not settings_of(plan, "pretrain", variant).pretrained:
        return None
    own = config_hash(compose(plan, Run("pretrain", variant, seed)))
    for other in plan.cells():
        if (
            settings_of(plan, "pretrain", other).pretrained
            and config_hash(compose(plan, Run("pretrain", other, seed))) == own
        ):
            return other
    return variant


def initial_weights(plan: Plan, run: Run, settings: Settings) -> Path | None:
    if run.stage == "finetune":
        source = pretrain_source(plan, run.variant, run.seed)
        return None if source is None else plan.run_dir("pretrain", source, run.seed) / "weights.pth"
    if run.stage == "pretrain" and settings.method.initial_features == "warmup_weights":
        return warmup_dir(plan, run.seed) / "weights.pth"
    return None


def config_hash(config: Config) -> str:
    """First 16 hex digits of the SHA-256 of the config as canonical JSON."""
    return digest(json.dumps(config.to_dict(), sort_keys=True, default=str))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache
def source_hash() -> str:
    """Digest of the Python files that a run executes, so that results made by other code are seen as other results.

    Left out: what only reads results, and what only makes data (the data hash covers its product, byte by byte).
    """
    root = Path(__file__).resolve().parent
    hasher = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(
            ("reporting/", "cli/", "workflow.py", "datasets/benchmark/", "datasets/media.py", "datasets/clip_cache.py")
        ):
            hasher.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:16]


def lock_hash() -> str:
    lock = CONFIG_ROOT.parent / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:16] if lock.is_file() else "no-lock"


def check(plan: Plan) -> None:
    """Compose every run of a plan once, so that an impossible choice is refused before any job starts."""
    for variant, modalities in plan.cells().items():
        for modality in modalities:
            compose(plan, Run("finetune", variant, plan.seeds[0], modality))
