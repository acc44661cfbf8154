"""How often each verdict rule says something wrong, and how often it says nothing, by simulation.

    python benchmarks/verdict_errors.py

Made-up drops of the primary rows: the same models of the full method stand in every row, so the
rows are correlated, and a drop has a spread of 0.6 points between seeds. The rules are those of
`diccae.functional.verdicts`, which the tables use too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from diccae.functional.bootstrap import paired_t_interval
from diccae.functional.verdicts import (
    CONFIRMED,
    CONTRADICTED,
    NO_EFFECT,
    OPPOSITE,
    SAME,
    SMALLER,
    TOO_FEW,
    best_of_others,
    judge_gaps,
    judge_interval,
    simultaneous_level,
)

SPREAD, ROWS, WEIGHTS = 0.6, 7, 9
SEEDS = (4, 8, 12)
# the A-V drops that the paper prints, in its order
PRINTED = (3.9, 3.3, 2.4, 2.2, 1.4)
Floats = NDArray[np.float64]


def drops(rng: np.random.Generator, effects: Sequence[float], seeds: int, n: int) -> Floats:
    """(n, V, seeds) drops of V rows from the same full models, each of n repetitions."""
    full, own = rng.normal(size=(n, 1, seeds)), rng.normal(size=(n, len(effects), seeds))
    return np.array(effects)[:, None] + SPREAD / 2**0.5 * (full - own)


def ends(values: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of the t-intervals over the last axis, as `t_interval` gives them one by one."""
    seeds = values.shape[-1]
    half = stats.t.ppf((1 + level) / 2, seeds - 1) * values.std(axis=-1, ddof=1) / seeds**0.5
    return values.mean(axis=-1) - half, values.mean(axis=-1) + half


def primary(
    rng: np.random.Generator,
    effects: Sequence[float],
    seeds: int,
    n: int,
    sesoi: float = 1.0,
    printed: float | None = None,
    level: float | None = None,
) -> dict[str, tuple[float, float]]:
    """Of each word, the share of rows that get it, and of repetitions in which some row does."""
    level = simultaneous_level(len(effects)) if level is None else level
    found = judge_interval(*ends(drops(rng, effects, seeds, n), level), sesoi, printed)
    return {
        word: (float(holds.mean()), float(holds.any(axis=1).mean()))
        for word, holds in found.items()
    }


def order(
    rng: np.random.Generator, effects: Sequence[float], seeds: int, n: int
) -> dict[str, float]:
    """Share of repetitions in which each word is said of the order of the rows, largest drop
    first."""
    values = drops(rng, effects, seeds, n)
    gaps = values[:, :-1] - values[:, 1:]
    level = simultaneous_level(gaps.shape[1])
    found = judge_gaps(ends(gaps, 0.9)[0], ends(gaps, level)[1])
    return {word: float(holds.mean()) for word, holds in found.items()}


def fixed_weight(
    rng: np.random.Generator, seeds: int, n: int, lead: float = 0.0
) -> dict[str, tuple[float, float]]:
    """Dynamic weighting against the best of nine fixed weights, which is as good: the bias of the
    difference in points, and the share of repetitions in which its 95 % interval excludes 0; with
    the best weight chosen without the scored seed, and on the same seeds. The other weights are
    worse by `lead` points."""
    biases: dict[str, list[float]] = {"without the scored seed": [], "on the same seeds": []}
    wrong = dict.fromkeys(biases, 0)
    for _ in range(n):
        models = SPREAD / 2**0.5 * rng.normal(size=(WEIGHTS + 1, seeds))
        models[1:-1] -= lead
        # validation and test see the same models
        scores, dynamic = models[:-1], models[-1]
        chosen = {
            "without the scored seed": best_of_others(scores, scores),
            "on the same seeds": scores[scores.mean(axis=1).argmax()],
        }
        for name, best in chosen.items():
            mean, low, high = paired_t_interval(dynamic, best)
            biases[name].append(mean)
            wrong[name] += not low <= 0 <= high
    return {name: (float(np.mean(values)), wrong[name] / n) for name, values in biases.items()}


def errors(seeds: int, n: int) -> Iterator[tuple[str, str, float]]:
    """Rule, truth and share of errors, row by row of the first table."""
    rng = np.random.default_rng(seeds)
    none = [0.0] * ROWS
    found = primary(rng, none, seeds, n)
    yield "a direction, in some of 7 primary rows", "no effect", found[SAME][1] + found[OPPOSITE][1]
    for size in (1.0, 0.5):
        word = primary(rng, [size] * ROWS, seeds, n, size)[NO_EFFECT][1]
        yield f"no effect of {size:g}, in some of 7", f"effects of {size:g}", word
    word = primary(rng, [1.4] * ROWS, seeds, n, printed=1.4)[SMALLER][1]
    yield "smaller than printed, in some of 7", "the printed 1.4", word
    found = primary(rng, none[:5], seeds, n, level=0.95)
    yield "a direction, in one exploratory row", "no effect", found[SAME][0] + found[OPPOSITE][0]
    either = found[SAME][1] + found[OPPOSITE][1]
    yield "a direction, in some of 5 exploratory rows", "no effect", either
    # two rows tie, and no other gap is in doubt
    word = order(rng, [40.0, 30, 20, 20, 10], seeds, n)[CONFIRMED]
    yield "order confirmed", "two neighbours tie", word
    yield "order contradicted", "all tie", order(rng, none[:5], seeds, n)[CONTRADICTED]
    yield "order contradicted", "the paper's", order(rng, PRINTED, seeds, n)[CONTRADICTED]
    # controls; an alarm is a direction in one row
    word = primary(rng, [1.0], seeds, n, 1.0, level=0.95)[NO_EFFECT][0]
    yield "no effect of 1, in one control", "an effect of 1", word


def outcomes(seeds: int, n: int) -> Iterator[tuple[str, str, float]]:
    """Truth, verdict and its share, row by row of the second table."""
    rng = np.random.default_rng([seeds, 1])
    for size in (1.0, 0.5):
        found = primary(rng, [0.0] * ROWS, seeds, n, size)
        yield "no effect", f"no effect of {size:g}", found[NO_EFFECT][0]
    for effect in (0.5, 1.0, 1.4, 2.4):
        found = primary(rng, [effect] * ROWS, seeds, n)
        yield f"effect of {effect:g}", SAME, found[SAME][0]
        yield f"effect of {effect:g}", TOO_FEW, found[TOO_FEW][0]
    found = primary(rng, [0.0] * ROWS, seeds, n, printed=1.4)
    yield (
        "no effect",
        "smaller than the printed 1.4, or no effect of 1",
        (found[SMALLER][0] + found[NO_EFFECT][0]),
    )
    yield "the paper's order", CONFIRMED, order(rng, PRINTED, seeds, n)[CONFIRMED]
    found = primary(rng, [0.0], seeds, n, level=0.95)
    yield "no effect, in one control", "no effect of 1", found[NO_EFFECT][0]
    found = primary(rng, [1.0], seeds, n, level=0.95)
    yield "effect of 1, in one control", SAME, found[SAME][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=100_000)
    n = parser.parse_args().repetitions
    columns = " | ".join(f"{seeds} seeds" for seeds in SEEDS)
    for heads, table in (
        ("verdict | truth", errors),
        ("truth | verdict", outcomes),
    ):
        print(f"\n| {heads} | {columns} |\n|---|---|" + "---|" * len(SEEDS))
        for rows in zip(*(table(seeds, n) for seeds in SEEDS), strict=True):
            shares = " | ".join(f"{100 * share:.1f} %" for *_, share in rows)
            print(f"| {rows[0][0]} | {rows[0][1]} | {shares} |")
    print(f"\n| best fixed weight | other weights | {columns} |\n|---|---|" + "---|" * len(SEEDS))
    for lead, words in ((0.0, "as good"), (2.0, "2 points worse")):
        every = [fixed_weight(np.random.default_rng([s, 2]), s, n // 20, lead) for s in SEEDS]
        for name in every[0]:
            cells = (f"{found[name][0]:+.2f}, {100 * found[name][1]:.1f} %" for found in every)
            print(f"| chosen {name} | {words} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
