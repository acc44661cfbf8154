"""A run's context -> one self-contained mmengine config.

The config holds everything that decides the outcome of a run and nothing else, so its hash names
the run: two variants whose pre-training does not differ compose to the same config and share that
run. It trains and tests with mmaction2's stock `tools/train.py` and `tools/test.py`. Nothing here
knows a system by name: model, losses, hooks and optimiser are the system's answers.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

from mmengine.config import Config, ConfigDict

from diccae.plans import CONFIG_ROOT
from diccae.schedule import classes_per_batch
from diccae.settings import Settings
from diccae.systems.spec import DataUse, RunContext

# an epoch on the labelled clips is shorter than writing a checkpoint
CHECKPOINT_EPOCHS = {True: 10, False: 1}


@lru_cache
def _runtime() -> Config:
    return Config.fromfile(CONFIG_ROOT / "base" / "runtime.py", import_custom_modules=False)


def compose(settings: Settings, run: RunContext[Any], cache_dir: str) -> Config:
    """The self-contained mmengine config of one run (paths are relative to the working directory).

    Raises:
        UserError: choices of the stage do not fit together.
    """
    system, stage, budget = settings.system, run.stage, run.budget
    use = system.data_in(run.modality, stage, run.choices, budget)
    clips = _Clips(run, use, cache_dir)
    train, update = clips.train(), clips.update()
    config = copy.deepcopy(_runtime())
    config.merge_from_dict(
        dict(
            model=_model(system.model(run), run),
            train_dataloader=clips.loader(train, budget.batch_size, **clips.sampler()),
            default_hooks=dict(checkpoint=dict(interval=CHECKPOINT_EPOCHS[stage.labelled])),
            train_cfg=dict(
                type="EpochBasedTrainLoop",
                max_epochs=budget.epochs,
                val_interval=budget.epochs + 1,
            ),
            optim_wrapper=system.optimizer(run),
            param_scheduler=system.param_schedulers(run),
            randomness=dict(seed=run.stream_seed, deterministic=run.runtime.deterministic),
            runtime=run.runtime.model_dump(),
            custom_hooks=_hooks(system.hooks(run), run, use),
            update_dataloader=update and clips.frozen_loader(update),
            extract_dataloader=clips.frozen_loader(clips.extract(train))
            if use.clusterings or use.train_passes
            else None,
        )
    )
    imports = [*config.custom_imports.imports, *system.imports, *run.base["imports"]]
    config.custom_imports.imports = list(dict.fromkeys(imports))
    base_batch_size = run.schedule.base_batch_size
    config.auto_scale_lr = dict(
        enable=base_batch_size is not None, base_batch_size=base_batch_size or budget.batch_size
    )
    if stage.scored:
        config.test_dataloader = ConfigDict(clips.frozen_loader(clips.test()))
        config.test_cfg = dict(type="TestLoop")
        # by split: AccMetric would mix validation and test clips
        config.test_evaluator = [dict(type="PredictionMetric")]
    return config


def _model(model: dict[str, Any], run: RunContext[Any]) -> dict[str, Any]:
    return model | dict(compile_encoders=True) if run.schedule.compile else model


def _hooks(own: list[dict[str, Any]], run: RunContext[Any], use: DataUse) -> list[dict[str, Any]]:
    """Hooks of every run, then the update set that the system's hooks read, then those."""
    hooks: list[dict[str, Any]] = [
        dict(type="ReproducibilityHook", seed=run.stream_seed),
        dict(type="HistoryHook"),
    ]
    if use.update is not None:
        hooks.append(dict(type="UpdateSetHook"))
    if run.budget.average_from is not None:
        begin = run.budget.average_from
        hooks.append(dict(type="EMAHook", ema_type="StochasticWeightAverage", begin_epoch=begin))
    return hooks + own


class _Clips:
    """Data sets and loaders of one run."""

    def __init__(self, run: RunContext[Any], use: DataUse, cache_dir: str) -> None:
        self.run, self.use, self.data = run, use, run.base["data"]
        self.common: dict[str, Any] = dict(
            type="AVClipDataset", cache_dir=cache_dir, seed=run.seed, modalities=run.modalities
        )
        if run.folds is not None:
            self.common["folds"] = run.folds
        self.labelled = dict(self.common)
        if use.permuted_labels:
            self.labelled["permuted"] = True
        self.pool = dict(
            self.common,
            splits=list(self.data["pretrain_splits"]),
            holdout=self.data["update_unlabelled"],
        )

    def train(self) -> dict[str, Any]:
        data, budget = self.data, self.run.budget
        if self.run.stage.labelled:
            train = dict(self.labelled, splits=["train"], per_class=data["train_per_class"])
        else:
            sources = None if self.use.sources is None else list(self.use.sources)
            train = dict(self.pool, sources=sources)
        train["pipeline"] = self._pipeline(
            dict(type="RandomFrames", num_frames=data["num_frames"]),
            dict(type="RandomCropFlip", size=data["frame_size"], flip=data["flip"]),
        )
        if self.run.stream_seed != self.run.seed:
            train["augmentation_seed"] = self.run.stream_seed
        if budget.steps is not None:
            train["limit"] = budget.steps * budget.batch_size
        return train

    def update(self) -> dict[str, Any] | None:
        """The update set, disjoint from the training set by construction."""
        if self.use.update is None:
            return None
        if self.use.update == "held_out":
            update = dict(self.pool, held_out=True)
        else:
            per_class = self.data["update_per_class"]
            update = dict(self.labelled, splits=[self.use.update], per_class=per_class)
        return dict(update, test_mode=True, pipeline=self._test_pipeline(views=1))

    def extract(self, train: dict[str, Any]) -> dict[str, Any]:
        """The training clips without augmentation."""
        return dict(train, pipeline=self._test_pipeline(views=1), test_mode=True)

    def test(self) -> dict[str, Any]:
        pipeline = self._test_pipeline(views=self.run.schedule.views)
        splits = ["validation", "test"]
        return dict(self.common, splits=splits, test_mode=True, pipeline=pipeline)

    def _test_pipeline(self, views: int) -> list[dict[str, Any]]:
        return self._pipeline(
            dict(type="FrameViews", num_frames=self.data["num_frames"], views=views),
            dict(type="CentreCrop", size=self.data["frame_size"]),
        )

    def _pipeline(self, frames: dict[str, Any], crop: dict[str, Any]) -> list[dict[str, Any]]:
        """Transforms of a clip; stored features have time steps in place of frames, and no
        pixels."""
        load = dict(type="LoadCachedClip")
        if self.run.base.get("features"):
            return [load, frames, dict(type="PackFeatures")]
        return [load, frames, crop, dict(type="PackAVInputs")]

    def sampler(self) -> dict[str, Any]:
        seed = self.run.stream_seed
        order = dict(type="DefaultSampler", shuffle=True, seed=seed)
        if self.use.batches == "p_x_k":
            # mmengine hands batch_size to the batch sampler
            size = self.data["samples_per_class"]
            classes_per_batch(self.run.budget.batch_size, size)
            batches = dict(type="PKSampler", samples_per_class=size, seed=seed)
            return dict(sampler=order, batch_sampler=batches)
        return dict(sampler=order, drop_last=True)

    def loader(self, dataset: dict[str, Any], batch_size: int, **extra: Any) -> dict[str, Any]:
        workers = self.run.schedule.num_workers
        return dict(
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=dataset,
            collate_fn=dict(type="pseudo_collate"),
            **extra,
        )

    def frozen_loader(self, dataset: dict[str, Any]) -> dict[str, Any]:
        """A loader in the order of the data set."""
        sampler = dict(type="DefaultSampler", shuffle=False)
        return self.loader(dataset, self.run.schedule.eval_batch_size, sampler=sampler)
