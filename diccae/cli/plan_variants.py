"""The part of `diccae plan` that lists the variants."""

from __future__ import annotations

from collections import Counter

from diccae.plans import SCORED_STAGE, Plan

ALONE = {"A": "sound", "V": "pictures"}


def print_variants(chosen: Plan) -> None:
    """Print what each variant of a plan scores and what it starts from."""
    from diccae.reporting.repetitions import number_of_seeds
    from diccae.run_graph import Run, with_parents

    seed, variants = chosen.seeds[0], chosen.variants()
    print(
        f"plan {chosen.name}: {len(variants)} variants, {number_of_seeds(chosen)} "
        f"({', '.join(map(str, chosen.seeds))}), results in {chosen.results_root()}"
    )
    every: dict[Run, None] = {}
    for variant, modalities in variants.items():
        fold = chosen.folds[0]
        scored = [
            Run(chosen, SCORED_STAGE, variant, seed, modality, fold) for modality in modalities
        ]
        runs = with_parents(scored)
        every |= dict.fromkeys(runs)
        own = [run.stage for run in runs if run.variant == variant and not run.spec.scored]
        shared = [f"{run.stage} of {run.variant}" for run in runs if run.variant != variant]
        before = ", ".join([*own, *shared]) or "from scratch"
        print(f"  {variant:<28} {'+'.join(modalities):<8} {before}")
    for short, keys in chosen.parameters.items():
        if any(f"@{short}=" in variant for variant in variants):
            names = keys if isinstance(keys, str) else " and ".join(keys)
            print(f"  ...@{short}=X: the variant with {names} = X")
    if chosen.modality != "AV":
        print(
            f"clips need {ALONE[chosen.modality]} alone; pre-training contrasts two views of a clip"
        )
    counts = Counter(run.stage for run in every)
    print(
        ", ".join(f"{count} {stage}" for stage, count in counts.items())
        + " runs per seed"
        + (f" and fold, in {len(chosen.folds)} folds" if chosen.split_into else ""),
        flush=True,
    )
