"""Check of the stored features of a plan."""

from __future__ import annotations

from pathlib import Path

from diccae.doctor.check import Check
from diccae.plans import Plan


def stored_features(plan: Plan) -> Check:
    """Check that the features are complete and undamaged or, before they are computed, that what
    they are made from is here."""
    from diccae.clips_folder import clips_command, clips_folder
    from diccae.feature_settings import features_of
    from diccae.settings import plan_settings

    features, folder = features_of(plan_settings(plan)), clips_folder(plan)
    if features is None:
        return Check("features", "ok", f"plan {plan.name} uses no stored features")
    if not (folder / "meta.json").is_file():
        paths = (Path(source.weights or source.file or "") for source in features.sources.values())
        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            words = f"{folder} is not complete, and there is no {missing[0]}"
            return Check("features", "problem", words, "put it there; docs/features.md")
        return Check("features", "ok", f"{folder} is not complete yet; the workflow does it")
    from diccae.datasets.clips import read_meta
    from diccae.datasets.features.checks import feature_damage

    damage = feature_damage(plan)
    if damage:
        where, words = damage[0]
        return Check("features", "problem", f"{where}: {words}", clips_command(plan))
    meta = read_meta(folder)
    counts = ", ".join(f"{count} {status}" for status, count in meta["counts"].items())
    return Check("features", "ok", f"{folder} is complete: {counts}")
