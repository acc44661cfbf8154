"""Whether clips and cache have what a plan asks for: sound, picture or both."""

from __future__ import annotations

from collections.abc import Iterator

from diccae.clip_counts import Clips
from diccae.clips_folder import clips_folder
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.settings import plan_settings


def require_modality(plan: Plan) -> None:
    """Check that the clip cache of a plan, if there is one, was made for its modality.

    Raises:
        UserError: it was made for another one, by which other clips are usable.
    """
    from diccae.datasets.clips import modality_of, read_meta

    if clips_folder(plan) != plan.cache_dir or not (plan.cache_dir / "meta.json").is_file():
        return
    made_for = modality_of(read_meta(plan.cache_dir))
    if made_for not in (None, plan.modality):
        raise UserError(
            f"{plan.cache_dir}: the clip cache was made for modality {made_for}, plan {plan.name} "
            f"asks for {plan.modality}; run `diccae data cache --plan {plan.name}`, which makes it "
            "anew"
        )


def without_picture(plan: Plan, clips: Clips) -> Iterator[str]:
    """What is wrong with sound files in a plan that asks for pictures, with the way out; nothing
    where they are no more than `cache.max_bad_share` allows."""
    allowed = plan_settings(plan)["cache"]["max_bad_share"] * clips.total
    if "V" not in plan.modality or clips.sound_files <= allowed:
        return
    keys = keys_that_ask(plan, "V")
    yield (
        f"{clips.sound_files} of {clips.total} clips are sound files without a picture, but "
        f"{', '.join(keys)} ask{'s' if len(keys) == 1 else ''} for V; set A alone there, or give "
        "the videos"
    )


def keys_that_ask(plan: Plan, letter: str) -> list[str]:
    """The keys of a plan that ask for clips with sound (A) or with pictures (V)."""
    keys = []
    for name in type(plan).model_fields:
        section = getattr(plan, name)
        if hasattr(section, "needs") and any(letter in need.modality for need in section.needs()):
            keys.append(f"{name}.modalit{'ies' if hasattr(section, 'modalities') else 'y'}")
    return keys + ["pretrain_modality"] * (letter in (plan.pretrain_modality or ""))
