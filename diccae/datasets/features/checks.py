"""Whether the stored features of a plan are those that it names, and still what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diccae.clips_folder import clips_command, clips_folder
from diccae.datasets.clips import OK, read_meta
from diccae.datasets.duplicates.marking import unmarked
from diccae.datasets.features.origin import made_from, stated
from diccae.datasets.features.parts import other_origin
from diccae.datasets.features.store import ARRAY, content_digest, open_features, require_same_clips
from diccae.errors import UserError
from diccae.feature_settings import features_of
from diccae.plans import Plan
from diccae.settings import plan_settings


def require_suited(plan: Plan) -> None:
    """Compare the stored features of a plan, if it has any that are complete, with its settings:
    origin, clips and classes, and the sizes that its encoders read. No feature is read.

    Weights are compared by their digest where they are here; features may be used without them.

    Raises:
        UserError: they differ; names what was wanted and found.
    """
    base, folder = plan_settings(plan), clips_folder(plan)
    features = features_of(base)
    if features is None or not (folder / "meta.json").is_file():
        return
    meta = read_meta(folder)
    for name, source in features.sources.items():
        if name not in meta["features"]:
            raise UserError(
                f"{folder}: there are no features of {name}; run `{clips_command(plan)}` again"
            )
        stored = meta["features"][name]
        present = source.weights is not None and Path(source.weights).is_file()
        origin = made_from if present else stated
        wanted = origin(name, source, base["cache"])
        found = {key: value for key, value in stored["made_from"].items() if key in wanted}
        if found != wanted:
            raise other_origin(folder / name, found, wanted)
        _check_sizes(name, tuple(stored["shape"]), base)
    require_same_clips(folder, meta, plan.manifest.is_file())


def _check_sizes(name: str, shape: tuple[int, int, int], base: dict[str, Any]) -> None:
    """The shape (S, P, D) of a clip's features against the encoder that reads them."""
    (steps, patches, width), encoder = shape, base[f"{name}_encoder"]
    if encoder.get("in_features") != width:
        raise UserError(
            f"{name}_encoder.in_features is {encoder.get('in_features')}, and the stored vectors "
            f"have {width} values; set {name}_encoder.in_features: {width} in the plan's overrides"
        )
    frames = base["data"]["num_frames"] if name == "video" else steps
    if frames > steps:
        raise UserError(
            f"data.num_frames is {frames}, and the stored features of a video have {steps} steps; "
            f"set data.num_frames: {steps} or less in the plan's overrides"
        )
    tokens = frames * patches
    if encoder.get("kind") == "transformer" and encoder.get("tokens", 1) != tokens:
        raise UserError(
            f"{name}_encoder.tokens is {encoder.get('tokens', 1)}, and a view has {tokens} stored "
            f"vectors; set {name}_encoder.tokens: {tokens} in the plan's overrides"
        )


def feature_damage(plan: Plan) -> list[tuple[str, str]]:
    """Compare everything of the stored features of a plan with the digests that were written with
    them, its weights and vectors too; every feature is read.

    Returns:
        The folder or file and what is wrong with it; empty if nothing is.
    """
    base, folder = plan_settings(plan), clips_folder(plan)
    features = features_of(base)
    if features is None:
        return []
    try:
        require_suited(plan)
        cache = open_features(folder, features.sources)
        for name, source in features.sources.items():
            stored = cache.meta["features"][name]
            path = Path(source.weights or source.file or "")
            wanted = made_from(name, source, base["cache"]) if path.exists() else None
            if wanted not in (None, stored["made_from"]):
                raise other_origin(folder / name, stored["made_from"], wanted)
            # the digest covers near-duplicates, which were left out afterwards
            usable = (unmarked(cache.index)["status"] == OK).to_numpy()
            rows = getattr(cache, ARRAY[name])
            if content_digest(rows, np.asarray(usable)) != stored["sha256"]:
                words = "its features are not those that were listed when it was completed"
                return [(str(folder / name), words)]
    except UserError as error:
        where = str(folder)
        return [(where, str(error).removeprefix(where).lstrip(": "))]
    return []
