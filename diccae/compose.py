"""plan + stage + variant + modality + seed -> one self-contained mmengine config.

The composed config holds everything that decides the outcome of a run and nothing else, so its hash names the run: two variants whose pre-training
does not differ compose to the same config and share that run. It trains and tests with mmaction2's stock `tools/train.py` and `tools/test.py`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from diccae.hashes import config_hash
from diccae.plans import CONFIG_ROOT, Plan, StageSchedule
from diccae.settings import Settings, needs_clusters, settings_of

MODALITIES = {"A": ("audio",), "V": ("video",), "AV": ("audio", "video")}


@dataclass(frozen=True)
class Run:
    """One training run. `modality` is always AV in warm-up and pre-training."""

    stage: str
    variant: str
    seed: int
    modality: str = "AV"


@lru_cache
def _runtime() -> Config:
    return Config.fromfile(CONFIG_ROOT / "base" / "runtime.py", import_custom_modules=False)


def compose(plan: Plan, run: Run) -> Config:
    """The self-contained mmengine config of one run (paths are relative to the working directory).

    Raises:
        UserError: a variant, an override or a number is not possible; names the file and the key.
    """
    settings = settings_of(plan, run.stage, run.variant)
    schedule, supervised = settings.schedule, run.stage == "finetune"
    stage = getattr(schedule, run.stage)
    parts = _Parts(plan, run, settings)
    train_set, update_set = parts.datasets()
    config = copy.deepcopy(_runtime())
    config.merge_from_dict(
        dict(
            model=parts.model(),
            train_dataloader=parts.loader(train_set, stage.batch_size, **parts.sampler()),
            # an epoch of fine-tuning is shorter than writing a checkpoint
            default_hooks=dict(checkpoint=dict(interval=10 if supervised else 1)),
            train_cfg=dict(
                type="EpochBasedTrainLoop", max_epochs=stage.epochs, val_interval=stage.epochs + 1
            ),
            optim_wrapper=parts.optimizer(stage),
            param_scheduler=[
                dict(
                    type="CosineAnnealingLR",
                    T_max=stage.epochs,
                    by_epoch=True,
                    convert_to_iter_based=True,
                )
            ],
            randomness=dict(seed=run.seed, deterministic=False),
            custom_hooks=parts.hooks(),
            update_dataloader=parts.frozen_loader(update_set) if parts.labelled else None,
            extract_dataloader=None
            if supervised
            else parts.frozen_loader(
                dict(train_set, pipeline=parts.test_pipeline(views=1), test_mode=True)
            ),
        )
    )
    if any("ViT" in settings.base[name]["type"] for name in ("audio_encoder", "video_encoder")):
        # timm takes a second to import, so only runs that use it do
        config.custom_imports.imports = [*config.custom_imports.imports, "diccae.models.vit"]
    if schedule.base_batch_size is not None:
        config.auto_scale_lr = dict(enable=True, base_batch_size=schedule.base_batch_size)
    if supervised:
        test_set = dict(
            parts.common(),
            splits=["validation", "test"],
            test_mode=True,
            pipeline=parts.test_pipeline(views=schedule.views),
        )
        config.test_dataloader = ConfigDict(parts.frozen_loader(test_set))
        config.test_cfg = dict(type="TestLoop")
        config.test_evaluator = [
            dict(type="AccMetric", metric_list=("top_k_accuracy",)),
            dict(type="PredictionMetric"),
        ]
    return config


class _Parts:
    """The pieces of one composed config; what several of them ask about a run is decided here, once."""

    def __init__(self, plan: Plan, run: Run, settings: Settings) -> None:
        self.plan, self.run, self.settings = plan, run, settings
        self.method, self.schedule, self.data = (
            settings.method,
            settings.schedule,
            settings.base["data"],
        )
        self.supervised = run.stage == "finetune"
        self.clustered = run.stage == "pretrain" and needs_clusters(settings)
        self.labelled = self.supervised or self.clustered
        self.confusion = self.labelled and self.method.confusion_weight > 0
        self.modalities = MODALITIES[run.modality]

    def common(self) -> dict[str, Any]:
        return dict(
            type="AVClipDataset",
            cache_dir=str(self.plan.cache_dir),
            seed=self.run.seed,
            modalities=self.modalities,
        )

    def datasets(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Training set and update set, disjoint by construction."""
        method, data, common = self.method, self.data, self.common()
        if self.supervised:
            update_split = "test" if method.update_set == "test_portion" else "update"
            train = dict(common, splits=["train"], per_class=data["train_per_class"])
            update = dict(
                common, splits=[update_split], per_class=data["update_per_class"], test_mode=True
            )
        else:
            sources = None if method.sources == "all" else list(method.sources)
            pool = dict(
                common, splits=list(data["pretrain_splits"]), holdout=data["update_unlabelled"]
            )
            train = dict(pool, sources=sources)
            update = dict(pool, held_out=True, test_mode=True)
        train["pipeline"] = [
            dict(type="LoadCachedClip"),
            dict(type="RandomFrames", num_frames=data["num_frames"]),
            dict(type="RandomCropFlip", size=data["frame_size"], flip=data["flip"]),
            dict(type="PackAVInputs"),
        ]
        stage = getattr(self.schedule, self.run.stage)
        if stage.steps is not None:
            train["limit"] = stage.steps * stage.batch_size
        update["pipeline"] = self.test_pipeline(views=1)
        return train, update

    def test_pipeline(self, views: int) -> list[dict[str, Any]]:
        return [
            dict(type="LoadCachedClip"),
            dict(type="FrameViews", num_frames=self.data["num_frames"], views=views),
            dict(type="CentreCrop", size=self.data["frame_size"]),
            dict(type="PackAVInputs"),
        ]

    def sampler(self) -> dict[str, Any]:
        method, seed = self.method, self.run.seed
        order = dict(type="DefaultSampler", shuffle=True, seed=seed)
        batches = (
            method.finetune_batches
            if self.supervised
            else method.pretrain_batches
            if self.clustered
            else ""
        )
        if batches == "p_x_k":
            # mmengine hands batch_size to the batch sampler
            return dict(
                sampler=order,
                batch_sampler=dict(
                    type="PKSampler", samples_per_class=self.data["samples_per_class"], seed=seed
                ),
            )
        return dict(sampler=order, drop_last=True)

    def loader(self, dataset: dict[str, Any], batch_size: int, **extra: Any) -> dict[str, Any]:
        workers = self.schedule.num_workers
        return dict(
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=dataset,
            collate_fn=dict(type="pseudo_collate"),
            **extra,
        )

    def frozen_loader(self, dataset: dict[str, Any]) -> dict[str, Any]:
        return self.loader(
            dataset,
            self.schedule.eval_batch_size,
            sampler=dict(type="DefaultSampler", shuffle=False),
        )

    def optimizer(self, stage: StageSchedule) -> dict[str, Any]:
        adam: dict[str, Any] = dict(type="Adam", lr=stage.lr, weight_decay=stage.weight_decay)
        if self.schedule.precision == "float32":
            return dict(type="OptimWrapper", optimizer=adam)
        return dict(
            type="AmpOptimWrapper", dtype=self.schedule.precision, optimizer=dict(adam, fused=True)
        )

    def model(self) -> dict[str, Any]:
        method, base, modalities = self.method, self.settings.base, self.modalities
        num_classes = self.data["num_classes"] if self.supervised else method.kmeans_k
        contrasted = method.infonce_weight > 0 and len(modalities) == 2
        model = dict(
            type="DICCAE",
            modalities=modalities,
            num_classes=num_classes,
            embedding_dim=base["embedding_dim"],
            audio_encoder=base["audio_encoder"] if "audio" in modalities else None,
            video_encoder=base["video_encoder"] if "video" in modalities else None,
            normalize_features=method.normalize_features,
            data_preprocessor=dict(
                type="AVPreprocessor",
                cache_meta=str(self.plan.cache_dir / "meta.json"),
                spec_augment=self.data["spec_augment"],
                video_input=base["video_input"],
                two_views=method.infonce_contrast in ("intra_modal", "both") and contrasted,
            ),
            confusion_loss=dict(
                type="ConfusionLoss",
                similarity=method.similarity,
                reduction=method.pair_reduction,
                pairs=method.pairs,
                num_classes=num_classes,
                feature_dim=base["embedding_dim"],
                loss_weight=method.confusion_weight,
            )
            if self.confusion
            else None,
            info_nce=dict(
                type="InfoNCELoss",
                temperature=method.temperature,
                contrast=method.infonce_contrast,
                loss_weight=method.infonce_weight,
            )
            if contrasted
            else None,
            cls_head=self.supervised or (self.clustered and method.cluster_cross_entropy),
        )
        if self.schedule.compile:
            model["compile_encoders"] = True
        if self.confusion and method.weighting == "static":
            model["static_weight"] = method.static_weight
        init = initial_weights(self.plan, self.run, self.settings)
        if init is not None:
            model["init_cfg"] = dict(
                type="EncoderWeights", checkpoint=str(init), fusion=self.run.modality == "AV"
            )
        return model

    def hooks(self) -> list[dict[str, Any]]:
        method, seed = self.method, self.run.seed
        hooks: list[dict[str, Any]] = [
            dict(type="ReproducibilityHook", seed=seed),
            dict(type="HistoryHook"),
        ]
        if self.clustered:
            hooks.append(
                dict(
                    type="PseudoLabelHook",
                    k=method.kmeans_k,
                    restarts=method.kmeans_restarts,
                    refine_every=method.refine_every,
                    seed=seed,
                    spherical=method.kmeans_spherical,
                    init=method.kmeans_init,
                    reinit_head=method.reinit_head,
                    initial=str(warmup_dir(self.plan, seed) / "assignments.npz"),
                )
            )
        if self.confusion and method.weighting != "static":
            hooks.append(
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
                    redraw=method.update_redraw == "each_epoch",
                )
            )
        return hooks


def warmup_dir(plan: Plan, seed: int) -> Path:
    return plan.run_dir("pretrain", "warmup", seed)


def pretrain_source(plan: Plan, variant: str, seed: int) -> str | None:
    """The variant whose pre-training `variant` starts fine-tuning from: itself, or the first of the plan that composes to the same config."""
    return _pretrain_source(plan.model_dump_json(by_alias=True), variant, seed)


@lru_cache(maxsize=4096)
def _pretrain_source(plan_json: str, variant: str, seed: int) -> str | None:
    plan = _plan(plan_json)
    if not settings_of(plan, "pretrain", variant).pretrained:
        return None
    own = _pretrain_hash(plan_json, variant, seed)
    for other in plan.cells():
        if (
            settings_of(plan, "pretrain", other).pretrained
            and _pretrain_hash(plan_json, other, seed) == own
        ):
            return other
    return variant


@lru_cache(maxsize=4096)
def _pretrain_hash(plan_json: str, variant: str, seed: int) -> str:
    return config_hash(compose(_plan(plan_json), Run("pretrain", variant, seed)))


@lru_cache
def _plan(plan_json: str) -> Plan:
    return Plan.model_validate_json(plan_json)


def initial_weights(plan: Plan, run: Run, settings: Settings) -> Path | None:
    if run.stage == "finetune":
        source = pretrain_source(plan, run.variant, run.seed)
        return (
            None if source is None else plan.run_dir("pretrain", source, run.seed) / "weights.pth"
        )
    if run.stage == "pretrain" and settings.method.initial_features == "warmup_weights":
        return warmup_dir(plan, run.seed) / "weights.pth"
    return None


def check(plan: Plan) -> None:
    """Compose every run of a plan once, so that an impossible choice is refused before any job starts."""
    for variant, modalities in plan.cells().items():
        for modality in modalities:
            compose(plan, Run("finetune", variant, plan.seeds[0], modality))
