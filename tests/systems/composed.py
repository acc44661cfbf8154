"""Composed runs of any system on random clips of the size that its scale has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from torch import Tensor

from diccae.plans import DEFAULT_SYSTEM, Plan
from diccae.run_graph import Run
from diccae.settings import known_systems, system_of
from diccae.validation import checked


class Case(NamedTuple):
    """A stage of a system; `pretrained` is the modality of its plan's stages without labels."""

    system: str
    stage: str
    modality: str
    pretrained: str

    def __str__(self) -> str:
        own = f"{self.system}-{self.stage}-{self.modality}"
        return own if self.pretrained == self.modality else f"{own}-after-{self.pretrained}"


def all_cases() -> list[Case]:
    """Every stage of every system in A, V and A-V; labelled stages also in A and V after stages
    without labels in A-V, if there are any."""
    cases = []
    for system in known_systems():
        stages = system_of(system).stages
        for stage in stages:
            cases += [Case(system, stage.name, name, name) for name in ("A", "V", "AV")]
            if stage.labelled and not stages[0].labelled:
                cases += [Case(system, stage.name, name, "AV") for name in ("A", "V")]
    return cases


def run_of(case: Case, folder: Path, scale: str = "embedded", **overrides: Any) -> Run:
    """A run of the system's defaults; its clip cache lies in `folder`."""
    # the variant of the same name is that of the defaults, which the default system calls full
    variant = "full" if case.system == DEFAULT_SYSTEM else case.system
    plan = {
        "name": "contract",
        "scale": scale,
        "dataset": "random clips",
        "data_root": str(folder),
        "seeds": [0],
        "reference": variant,
        "pretrain_modality": case.pretrained,
        "table1": {"variants": [variant], "modalities": [case.modality]},
        "overrides": overrides,
    }
    return Run(checked(Plan, plan, "here"), case.stage, variant, 0, case.modality)


def write_cache_meta(folder: Path) -> None:
    """What the preprocessor reads of a clip cache."""
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    meta = {"fbank_mean": 0.0, "fbank_std": 1.0}
    (folder / "cache" / "meta.json").write_text(json.dumps(meta))


def random_clips(config: Config, run: Run, count: int, views: int = 1) -> dict[str, Any]:
    """A batch of random clips with labels, as the loader collates it."""
    base, kinds = run.settings.base, config.model.modalities
    data, cache = base["data"], base["cache"]
    sound = (cache["fbank_frames"], cache["n_mels"])
    pictures = (views, data["num_frames"], 3, data["frame_size"], data["frame_size"])
    clips: dict[str, list[Tensor]] = {
        "audio": [torch.randn(sound).half() for _ in range(count)],
        "video": [torch.randint(0, 256, pictures, dtype=torch.uint8) for _ in range(count)],
    }
    samples = [ActionDataSample().set_gt_label(index % 4) for index in range(count)]
    return {"inputs": {name: clips[name] for name in kinds}, "data_samples": samples}
